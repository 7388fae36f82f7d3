// Does a text match the photo on the stage?

import { percent, strings } from "./strings.js";
import { announce, byId, element } from "./element.js";
import { clearNotice, endsEngine, sentenceFor, showNotice } from "./notice.js";
import { cannot } from "./models.js";

/** The match head has two outputs; the larger one wins. */
const MATCHES_FROM = 0.5;

export class Matching {
  #engine;
  #gallery;
  #openPicker;

  constructor(engine, gallery, openPicker) {
    this.#engine = engine;
    this.#gallery = gallery;
    this.#openPicker = openPicker;
    byId("match-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const field = byId("match-text");
      const text = field.value.trim();
      if (!text) return field.focus();
      this.#match(text);
    });
    gallery.addEventListener("select", () => this.#draw());
    engine.addEventListener("change", () => this.#drawForm());
  }

  #draw() {
    byId("matches").replaceChildren(...(this.#gallery.current?.matches ?? []).map(matchLine));
    this.#drawForm();
  }

  #drawForm() {
    const { can, model } = this.#engine;
    const isUnable = Boolean(can && !can.includes("match"));
    byId("match-text").disabled = isUnable;
    byId("match").disabled = !model?.canMatch;
    const place = byId("match-state");
    if (isUnable) showNotice(place, cannot(strings.cannotMatch, can), [[strings.pickAnother, this.#openPicker]], false);
    else if (place.querySelector(".alarm") === null) clearNotice(place);
  }

  async #match(text) {
    const photo = this.#gallery.current;
    const place = byId("match-state");
    place.replaceChildren(element("p", { class: "state" }, strings.matching));
    try {
      await this.#gallery.see(photo);
      const [{ probability }] = await this.#engine.medley.match(photo.id, [text]);
      photo.matches = [{ text, probability }, ...photo.matches.filter((other) => other.text !== text)];
      clearNotice(place);
      announce(strings.matchSaid(text, verdictOf(probability), probability));
      if (photo === this.#gallery.current) this.#draw();
    } catch (error) {
      showNotice(place, sentenceFor(error, strings.trouble.match), [[strings.again, () => this.#match(text)]]);
      if (endsEngine(error)) this.#engine.fail(error);
    }
  }
}

function verdictOf(probability) {
  return probability >= MATCHES_FROM ? strings.matchYes : strings.matchNo;
}

function matchLine({ text, probability }) {
  return element("li", {},
    element("span", { class: "match-text" }, text),
    element("meter", { min: 0, max: 1, value: probability, "aria-label": strings.matchMeter(text) }),
    element("span", { class: "verdict" }, `${verdictOf(probability)} · ${percent(probability)}`));
}
