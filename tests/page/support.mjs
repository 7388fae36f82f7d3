// A browser with the page in it, and what a visitor would do there.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { Server, dist, root } from "./server.mjs";

const FLAGS = [
  "--no-sandbox", "--no-first-run", "--disable-quic", "--disable-sync",
  "--disable-background-networking", "--disable-component-update",
  // Whatever is asked of another host fails, and is seen.
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

/** Ample where other work keeps the cores busy. */
export const PATIENCE_MS = Number(process.env.PATIENCE_MS ?? 60_000);

/** What the page says, in its own words. */
export const { strings } = await import(`data:text/javascript,${encodeURIComponent(readFileSync(join(dist, "strings.js"), "utf8"))}`);
/** What is published of the built-in model. */
export const manifest = JSON.parse(readFileSync(join(dist, "models/medley-tiny.json"), "utf8"));
export const MODEL = `models/${manifest.file}`;
export const photo = (name) => join(root, "assets", name);
export const fixture = (name) => join(root, "tests/fixtures", name);

/** The caption of assets/astronaut.jpg that the README shows: what the command line prints. */
export const README_CAPTION = /^assets\/astronaut\.jpg\t(.*)$/m.exec(readFileSync(join(root, "README.md"), "utf8"))[1];

/** Starts a browser, with these switches beside the usual, and a server for the tests of a file. */
export async function start(...switches) {
  const server = await Server.start();
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  const browser = await chromium.launch({ executablePath, args: [...FLAGS, ...switches] });
  const stop = async () => {
    await browser.close();
    server.stop();
  };
  return { server, browser, stop };
}

/**
 * Opens the page as a first visitor.
 *
 * Its `close` fails on whatever the page did wrong meanwhile: an error nobody caught, a line of the console, a breach
 * of its policy, a request to another host.
 */
export async function open({ server, browser }, { device = "cpu", ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1000, height: 800 }, acceptDownloads: true, ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const faults = [];
  const expected = [];
  page.on("pageerror", (error) => faults.push(`uncaught: ${error.stack ?? error}`));
  context.on("console", (message) => {
    if (message.type() === "error" || /Content Security Policy/.test(message.text())) faults.push(`console: ${message.text()}`);
  });
  context.on("request", (request) => {
    const url = new URL(request.url());
    if (/^(https?|wss?):$/.test(url.protocol) && url.origin !== new URL(server.address).origin) faults.push(`another host: ${url}`);
  });
  const check = () => assert.deepEqual(faults.filter((fault) => !expected.some((pattern) => pattern.test(fault))), []);
  const close = async () => {
    server.mend();
    await context.close();
    check();
  };
  await page.goto(`${server.address}?device=${device}`);
  return { page, context, faults, check, close, server, expect: (pattern) => expected.push(pattern) };
}

/** What was asked of the server; the browser itself asks for a newer service worker, and does so whatever is emulated. */
export function asked(server) {
  return server.log.map(({ path }) => path).filter((path) => path !== "sw.js");
}

/** Opens the page for one test. */
export async function visit(t, browser, options) {
  const visit = await open(browser, options);
  t.after(visit.close);
  return visit;
}

/** A pattern for what `sentence` makes of any text. */
export function anyText(sentence) {
  const [before, after] = sentence("\0").split("\0").map(escaped);
  return new RegExp(`^${before}(.*)${after}$`);
}

export function escaped(text) {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

export const pill = (page) => page.getByRole("button", { name: anyText(strings.modelPill) });
export const alert = (page, text) => page.getByRole("alert").filter({ hasText: text });
const captionGroup = (page) => page.getByRole("group", { name: anyText(strings.captionWords) });

/** Waits for a model to be in. */
export async function ready(page, name = strings.builtIn) {
  await page.getByRole("button", { name: strings.modelPill(name), exact: true }).waitFor();
  await page.getByRole("progressbar", { name: strings.loadingBar }).waitFor({ state: "hidden" });
}

/** Waits for the photo's caption; answers it. */
export async function captioned(page) {
  await captionGroup(page).waitFor();
  return captionGroup(page).textContent();
}

/** Waits for this very caption. */
export async function captionedAs(page, text) {
  await page.getByRole("group", { name: strings.captionWords(text), exact: true }).waitFor();
}

export const clickSample = (page, index = 0) => page.getByRole("button", { name: strings.sampleAlt(strings.samples[index].name) }).click();

/** Chooses photos as from the file dialog. */
export async function choose(page, ...files) {
  const isFirst = await page.getByRole("button", { name: strings.drop }).isVisible();
  const way = isFirst ? page.getByRole("button", { name: strings.drop }) : page.getByRole("button", { name: strings.addFiles });
  await chooseBy(page, way, files);
}

export async function chooseBy(page, way, files) {
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), way.click()]);
  await chooser.setFiles(files);
}

/** Loads a model by its address through the picker. */
export async function loadFrom(page, address, name) {
  await pill(page).click();
  await page.getByRole("textbox", { name: strings.modelUrlLabel }).fill(address);
  await page.getByRole("button", { name: strings.modelUrlGet, exact: true }).click();
  await ready(page, name);
  await closeDialog(page);
}

export async function closeDialog(page) {
  await page.getByRole("dialog").getByRole("button", { name: strings.close, exact: true }).click();
}

/** The button of a photo in the gallery, once it is in this state. */
export function thumbnail(page, name, state) {
  return page.getByRole("button", { name: strings.photoButton(name, strings.photoStates[state]), exact: true });
}

/** The file that a visitor gets who exports in this form. */
export async function exported(page, form) {
  await page.getByRole("button", { name: strings.exportOpen, exact: true }).click();
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: form, exact: true }).click()]);
  await closeDialog(page);
  return readFileSync(await download.path());
}

/** Notes every text that the caption has from now on; the function it answers gives them. */
export async function watchCaption(page) {
  const heard = await page.evaluateHandle(() => {
    const place = document.getElementById("caption");
    const texts = [];
    new MutationObserver(() => texts.at(-1) !== place.textContent && texts.push(place.textContent))
      .observe(place, { childList: true, characterData: true, subtree: true });
    return texts;
  });
  return () => heard.jsonValue();
}
