// Captions in the visitor's own words, taught to the model: it learns here, can be taken back, and taken away.

import { canTeach } from "./medley.js";
import { strings } from "./strings.js";
import { announce, byId, element, setText } from "./element.js";
import { clearNotice, sentenceFor, showNotice } from "./notice.js";
import { ownModel } from "./models.js";
import { save } from "./export.js";

/** Photos that the dialog shows: a handful, not a dataset. */
const MAX_SHOWN = 40;
/** Photos beside those with new words that the model repeats its own captions of, so that it keeps them. */
const MAX_REPEATED = 16;
const FILE = "medley-taught.safetensors";

export class Teaching {
  #engine;
  #gallery;
  /** `{ photo, field, now }` of every photo in the dialog. */
  #rows = [];
  #abort = null;
  /** The model before the first lesson, and the file of the last one. */
  #before = null;
  #taught = null;

  constructor(engine, gallery) {
    this.#engine = engine;
    this.#gallery = gallery;
    byId("teach-open").addEventListener("click", () => this.#open());
    byId("teach-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#teach();
    });
    byId("teach-stop").addEventListener("click", () => this.#abort?.abort());
    byId("teach-undo").addEventListener("click", () => this.#undo());
    byId("teach-save").addEventListener("click", () => save(FILE, this.#taught));
    byId("teach").addEventListener("close", () => this.#abort?.abort());
    for (const target of [engine, gallery]) target.addEventListener("change", () => this.#draw());
    gallery.addEventListener("list", () => this.#draw());
    engine.addEventListener("model", () => this.#forget());
    this.#draw();
  }

  #open() {
    const photos = this.#gallery.photos.filter(({ caption }) => caption).slice(0, MAX_SHOWN);
    this.#rows = photos.map((photo, index) => {
      const field = element("textarea", { id: `lesson-${index}`, rows: 2, maxLength: 300, value: photo.words ?? photo.caption.text });
      field.addEventListener("input", () => this.#draw());
      return { photo, field, now: element("p", { class: "state", id: `lesson-now-${index}` }) };
    });
    byId("lessons").replaceChildren(...this.#rows.map(({ photo, field, now }) => {
      field.setAttribute("aria-describedby", now.id);
      const shown = photo.thumbnail ? element("img", { src: photo.thumbnail, alt: "", width: 72, height: 72 }) : null;
      return element("li", { class: "lesson" }, shown,
        element("div", {}, element("label", { class: "unseen", htmlFor: field.id }, strings.lesson(photo.name)), field, now));
    }));
    clearNotice(byId("teach-notice"));
    setText(byId("teach-state"), "");
    byId("teach").showModal();
    this.#draw();
  }

  /** Photos whose words are not what the model says. */
  #changed() {
    return this.#rows.filter(({ photo, field }) => field.value.trim() && field.value.trim() !== photo.caption?.text);
  }

  async #teach() {
    const changed = this.#changed();
    if (this.#abort || changed.length === 0) return;
    for (const { photo, field } of changed) photo.words = field.value.trim();
    const repeated = this.#rows.filter((row) => !changed.includes(row)).slice(0, MAX_REPEATED);
    const lessons = [...changed, ...repeated].map(({ photo, field }) => ({
      picture: photo.readable ?? photo.blob, caption: field.value.trim() || photo.caption.text,
    }));
    const abort = new AbortController();
    this.#abort = abort;
    clearNotice(byId("teach-notice"));
    setText(byId("teach-state"), strings.teachPreparing);
    announce(strings.teachPreparing);
    this.#draw();
    const bar = byId("teach-progress");
    bar.removeAttribute("value");
    try {
      const { medley, entry } = this.#engine;
      const blob = await medley.teach(lessons, {
        signal: abort.signal,
        onProgress: ({ done, total, loss }) => {
          bar.value = done / total;
          setText(byId("teach-state"), strings.teachStep(done, total, loss));
        },
      });
      await this.#use(blob, entry, changed.map(({ photo }) => photo));
      setText(byId("teach-state"), strings.teachDone(changed.length));
      announce(strings.teachDone(changed.length));
    } catch (error) {
      setText(byId("teach-state"), error.name === "AbortError" ? strings.teachStopped : "");
      if (error.name !== "AbortError") showNotice(byId("teach-notice"), sentenceFor(error, strings.trouble.teach));
    } finally {
      this.#abort = null;
      this.#draw();
    }
  }

  /** Puts the taught model in the place of the other, which is kept for taking it back. */
  async #use(blob, entry, photos) {
    const before = this.#before ?? entry;
    const taught = Object.assign(ownModel(new File([blob], FILE)), { name: strings.taughtModel, can: this.#engine.can });
    await this.#load(taught, photos);
    this.#before = before;
    this.#taught = blob;
  }

  async #undo() {
    const photos = this.#rows.map(({ photo }) => photo).filter(({ words }) => words);
    await this.#load(this.#before, photos);
    setText(byId("teach-state"), strings.teachUndone);
    announce(strings.teachUndone);
    this.#draw();
  }

  async #load(entry, photos) {
    // They are captioned anew by the model that comes.
    for (const photo of photos) photo.isStale = true;
    this.#before = this.#taught = null;
    await this.#engine.load(entry);
  }

  /** Another model came by another way: there is nothing to take back. */
  #forget() {
    this.#before = this.#taught = null;
    this.#draw();
  }

  #draw() {
    const { model } = this.#engine;
    const captioned = this.#gallery.photos.filter(({ caption }) => caption).length;
    byId("teach-open").hidden = !canTeach || !model?.canCaption || captioned === 0;
    if (!byId("teach").open) return;
    const isBusy = Boolean(this.#abort);
    for (const { photo, field, now } of this.#rows) {
      field.disabled = isBusy;
      setText(now, photo.caption && photo.words ? strings.lessonNow(photo.state === "done" ? photo.caption.text : "…") : "");
    }
    const changed = this.#changed().length;
    byId("teach-start").disabled = isBusy || changed === 0 || !model;
    byId("teach-start").hidden = Boolean(this.#taught) && !isBusy && changed === 0;
    setText(byId("teach-start"), strings.teachStart(changed));
    byId("teach-stop").hidden = byId("teach-progress").hidden = !isBusy;
    byId("teach-undo").hidden = isBusy || !this.#before;
    byId("teach-save").hidden = isBusy || !this.#taught;
  }
}
