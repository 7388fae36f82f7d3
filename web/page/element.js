// The few things this page asks of the document, in short.

import { strings } from "./strings.js";

/** The element with an id. */
export const byId = (id) => document.getElementById(id);

/** Makes an element: `element("button", { type: "button", onclick }, "text")`; names with a dash become attributes. */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (key === "class") made.className = value;
    else if (key.includes("-") || key === "role") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export function button(text, onclick, properties = {}) {
  return element("button", { type: "button", onclick, ...properties }, text);
}

/** Changes a text only where it differs, so that screen readers and selections are left in peace. */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** Tells screen readers; `role="status"` waits for its turn. */
export function announce(text) {
  const region = byId("announce");
  // The same words twice are no change, and would not be spoken.
  region.textContent = region.textContent === text ? `${text}\u00a0` : text;
}

/** Fills the document's own texts from strings.js. */
export function fillTexts() {
  for (const target of document.querySelectorAll("[data-text]")) target.textContent = strings[target.dataset.text];
  for (const target of document.querySelectorAll("[data-label]")) target.setAttribute("aria-label", strings[target.dataset.label]);
  for (const target of document.querySelectorAll("[data-tip]")) target.title = strings[target.dataset.tip];
  for (const target of document.querySelectorAll("[data-hint]")) {
    const hint = strings[target.dataset.hint];
    target.placeholder = typeof hint === "function" ? hint("") : hint;
  }
}
