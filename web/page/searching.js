// Finds photos by words: all by similarity first, then the best ones by reading photo and words together.

import { strings } from "./strings.js";
import { announce, byId, setText } from "./element.js";
import { endsEngine, sentenceFor } from "./notice.js";

/** Fewer are found faster by looking at them. */
const SEARCH_FROM = 4;
const PAUSE_MS = 350;

export class Searching {
  #engine;
  #gallery;
  #strip;
  #abort = null;
  #timer = 0;
  #read = 0;

  constructor(engine, gallery, strip) {
    this.#engine = engine;
    this.#gallery = gallery;
    this.#strip = strip;
    const field = byId("search");
    field.addEventListener("input", () => this.#later());
    byId("search-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#search();
    });
    gallery.addEventListener("list", () => this.#draw());
    engine.addEventListener("change", () => this.#draw());
  }

  #draw() {
    const { photos } = this.#gallery;
    byId("search-form").hidden = photos.length < SEARCH_FROM;
    const { can } = this.#engine;
    const isUnable = Boolean(can && !can.includes("match"));
    byId("search").disabled = isUnable;
    if (isUnable) {
      setText(byId("search-state"), strings.searchCannot);
      return;
    }
    if (byId("search-state").textContent === strings.searchCannot) setText(byId("search-state"), "");
    const read = photos.filter((photo) => this.#gallery.isKnown(photo)).length;
    // Photos read since the last search may fit better.
    if (byId("search").value.trim() && !this.#abort && read > this.#read) this.#later();
  }

  #later() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#search(), PAUSE_MS);
  }

  async #search() {
    clearTimeout(this.#timer);
    this.#abort?.abort();
    this.#abort = null;
    const text = byId("search").value.trim();
    const state = byId("search-state");
    if (!text) {
      this.#read = 0;
      setText(state, "");
      this.#strip.order(null);
      return;
    }
    const { medley, model } = this.#engine;
    if (!model?.canMatch) return;
    const abort = new AbortController();
    this.#abort = abort;
    const { photos } = this.#gallery;
    const known = photos.filter((photo) => this.#gallery.isKnown(photo));
    this.#read = known.length;
    setText(state, strings.searching);
    try {
      const results = await medley.search(text, known.map(({ id }) => id), {
        signal: abort.signal,
        onMatch: (id) => this.#gallery.see(known.find((photo) => photo.id === id)),
        onResults: (found) => this.#strip.order(found),
      });
      const best = photos.find(({ id }) => id === results[0]?.id);
      const total = photos.filter((photo) => photo.state !== "failed").length;
      setText(state, known.length === total ? strings.searchFound(total) : strings.searchWaiting(known.length, total));
      if (best) announce(strings.searchSaid(known.length, best.name));
    } catch (error) {
      if (error.name === "AbortError") return;
      setText(state, sentenceFor(error, strings.trouble.search));
      if (endsEngine(error)) this.#engine.fail(error);
    } finally {
      if (this.#abort === abort) this.#abort = null;
    }
  }
}
