// The photo on the stage, its caption word by word, and what can be done with it.

import { LENGTHS, USUAL_LENGTH } from "./gallery.js";
import { strings } from "./strings.js";
import { announce, button, byId, element, setText } from "./element.js";
import { confidenceMark, levelOf } from "./confidence.js";
import { drawHeat, placeOf } from "./heatmap.js";
import { clearNotice, sentenceFor, showNotice } from "./notice.js";
import { previewOf } from "./preview.js";
import { cannot } from "./models.js";

/** Previews kept, so that going back and forth does not decode again. */
const MAX_PREVIEWS = 6;

export class Stage {
  #engine;
  #gallery;
  #openPicker;
  #photo = null;
  #shown = "";
  #previews = new Map();
  #looking = 0;

  constructor(engine, gallery, openPicker) {
    this.#engine = engine;
    this.#gallery = gallery;
    this.#openPicker = openPicker;
    gallery.addEventListener("select", ({ detail }) => this.#select(detail));
    gallery.addEventListener("change", ({ detail }) => detail === this.#photo && this.#draw());
    engine.addEventListener("change", () => this.#draw());

    byId("copy").addEventListener("click", () => this.#copy());
    byId("another").addEventListener("click", () => this.#another());
    byId("shorter").addEventListener("click", () => this.#resize(-1));
    byId("longer").addEventListener("click", () => this.#resize(1));
    byId("stop-caption").addEventListener("click", () => this.#photo.abort?.abort());
    byId("prompt-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#write();
    });
    const caption = byId("caption");
    caption.addEventListener("keydown", (event) => this.#walk(event));
    caption.addEventListener("pointerleave", () => this.#hideHeat());
    caption.addEventListener("focusout", () => this.#hideHeat());
  }

  #select(photo) {
    this.#photo = photo;
    this.#shown = "";
    this.#hideHeat();
    byId("stage").hidden = byId("talk").hidden = !photo;
    byId("welcome").hidden = Boolean(photo);
    if (!photo) return;
    // The photo is above whatever was being read of the one before.
    if (byId("stage").getBoundingClientRect().top < 0) scrollTo({ top: 0 });
    clearNotice(byId("caption-notice"));
    byId("caption").replaceChildren();
    this.#draw();
    this.#showPreview(photo);
  }

  async #showPreview(photo) {
    if (this.#previews.has(photo) || !photo.width) return;
    this.#previews.set(photo, photo.thumbnail);
    const href = await previewOf(photo.blob, [photo.width, photo.height]).catch(() => null);
    if (!href) return;
    this.#previews.set(photo, href);
    for (const [other, old] of this.#previews) {
      if (this.#previews.size <= MAX_PREVIEWS) break;
      if (other === this.#photo || other === photo) continue;
      this.#previews.delete(other);
      if (old !== other.thumbnail) URL.revokeObjectURL(old);
    }
    if (photo === this.#photo) this.#draw();
  }

  #draw() {
    const photo = this.#photo;
    if (!photo) return;
    this.#drawPhoto(photo);
    const { model } = this.#engine;
    const isBusy = photo.state === "reading" || photo.state === "writing";
    const canWrite = Boolean(model?.canCaption) && !isBusy && photo.state !== "failed";
    this.#drawCaption(photo);
    this.#drawState(photo, model);
    byId("copy").disabled = !photo.caption || isBusy;
    byId("another").disabled = !canWrite;
    byId("shorter").disabled = !canWrite || photo.length === 0;
    byId("longer").disabled = !canWrite || photo.length === LENGTHS.length - 1;
    byId("stop-caption").hidden = !photo.abort;
    byId("another").hidden = Boolean(photo.abort);
    byId("write").disabled = !canWrite;
    byId("prompt").disabled = Boolean(model && !model.canCaption);
    byId("prompt").placeholder = strings.promptHint(model?.prompt);
    this.#drawEarlier(photo);
  }

  #drawPhoto(photo) {
    if (photo.isShown && !this.#previews.has(photo)) this.#showPreview(photo);
    const image = byId("photo");
    const source = this.#previews.get(photo) ?? photo.thumbnail;
    image.alt = strings.photoAlt(photo.name, photo.caption?.text);
    image.hidden = !source;
    if (source && image.getAttribute("src") !== source) image.src = source;
    const note = byId("frame-note");
    note.hidden = !(photo.isShown && !photo.thumbnail);
    setText(note, photo.state === "failed" ? photo.name : strings.noPreview);
  }

  /** Draws only what differs: the word that has the focus must stay. */
  #drawCaption(photo) {
    const isWriting = photo.state === "writing" && photo.text !== "";
    const text = isWriting ? photo.text : photo.state === "reading" || photo.state === "writing" ? "" : (photo.caption?.text ?? "");
    const key = `${isWriting}:${text}`;
    if (key === this.#shown) return;
    const wasWriting = this.#shown.startsWith("true");
    this.#shown = key;
    const place = byId("caption");
    place.classList.toggle("writing", isWriting);
    if (isWriting) {
      place.removeAttribute("aria-label");
      place.textContent = text;
      return;
    }
    this.#hideHeat();
    const words = text.split(/\s+/).filter(Boolean);
    const parts = words.flatMap((word, index) => [index ? " " : null, this.#word(word, index)]);
    place.replaceChildren(...parts.filter((part) => part !== null));
    if (text) place.setAttribute("aria-label", strings.captionWords(text));
    else place.removeAttribute("aria-label");
    if (wasWriting && text) announce(strings.captionSaid(text, strings.confidence[levelOf(photo.caption.confidence)]));
  }

  #word(word, index) {
    const look = (event) => this.#look(event.currentTarget, index);
    return button(word, look, { class: "word", tabIndex: index ? -1 : 0, onpointerenter: look, onfocus: look });
  }

  #drawState(photo, model) {
    const place = byId("caption-state");
    const notice = byId("caption-notice");
    const { loading, trouble } = this.#engine;
    let state = "";
    if (photo.error) {
      showNotice(notice, sentenceFor(photo.error, (reason) => this.#reason(photo, reason)), this.#steps(photo.error));
    } else if (model && !model.canCaption && photo.state !== "failed") {
      showNotice(notice, cannot(strings.cannotCaption, this.#engine.can), [[strings.pickAnother, this.#openPicker]], false);
    } else clearNotice(notice);
    if (photo.state === "waiting" && !model) {
      if (loading?.stage === "fetch") state = strings.waitingForModel(loading.done, loading.total);
      else if (loading) state = strings.waitingToOpen;
      else if (trouble) state = strings.noModel;
      else state = strings.waitingForEngine;
    } else if (photo.state === "waiting") state = strings.queued;
    else if (photo.state === "reading") state = strings.reading;
    else if (photo.state === "writing") state = photo.text ? "" : strings.writing;
    else if (photo.state === "stopped") state = strings.captionStopped;
    place.dataset.busy = String(["reading", "writing"].includes(photo.state) && !photo.text);
    if (photo.state === "done" && photo.caption) {
      const { confidence } = photo.caption;
      if (place.dataset.confidence === String(confidence) && place.firstElementChild) return;
      place.dataset.confidence = confidence;
      place.replaceChildren(confidenceMark(confidence), element("span", { class: "hint", id: "look-hint" }, strings.lookHint));
      return;
    }
    delete place.dataset.confidence;
    setText(place, state);
    if (photo.state === "stopped" && model?.canCaption) {
      place.append(" ", button(strings.write, () => this.#write(), { class: "link" }));
    }
  }

  #reason(photo, reason) {
    if (photo.state !== "failed" || this.#gallery.isSeen(photo)) return strings.trouble.caption(reason);
    const isKnown = /^(image|file|not an image|\w+ pictures)/.test(reason);
    return isKnown && !/not an image/.test(reason) ? strings.trouble.pictureReason(reason) : strings.trouble.picture;
  }

  #steps(error) {
    const again = [strings.again, () => this.#write()];
    return error.name === "MemoryError" ? [[strings.pickAnother, this.#openPicker], again] : [again];
  }

  #drawEarlier(photo) {
    const fold = byId("earlier");
    fold.hidden = photo.earlier.length === 0;
    if (fold.hidden) return;
    setText(byId("earlier-title"), strings.earlier(photo.earlier.length));
    const list = byId("earlier-list");
    const key = photo.earlier.map(({ text }) => text).join("\n");
    if (list.dataset.key === key) return;
    list.dataset.key = key;
    list.replaceChildren(...photo.earlier.map((caption) => element("li", {},
      button(caption.text, () => this.#gallery.use(photo, caption), { class: "link", "aria-label": strings.useEarlier(caption.text) }),
      " ", confidenceMark(caption.confidence))));
  }

  #write(options = {}) {
    const prompt = byId("prompt").value.trim();
    this.#gallery.write(this.#photo, { ...(prompt && { prompt }), ...options });
  }

  #another() {
    // The engine takes 32 bits.
    const [seed] = crypto.getRandomValues(new Uint32Array(1));
    this.#write({ strategy: "sample", topP: 0.9, seed });
  }

  #resize(step) {
    this.#photo.length = Math.min(Math.max((this.#photo.length ?? USUAL_LENGTH) + step, 0), LENGTHS.length - 1);
    this.#write();
  }

  async #copy() {
    const { text } = this.#photo.caption;
    const copy = byId("copy");
    try {
      await navigator.clipboard.writeText(text);
      setText(copy, strings.copied);
      announce(strings.copied);
      setTimeout(() => setText(copy, strings.copy), 1500);
    } catch {
      getSelection().selectAllChildren(byId("caption"));
      announce(strings.copyFailed);
    }
  }

  /** Arrow keys go from word to word; Tab leaves. */
  #walk(event) {
    const words = [...byId("caption").querySelectorAll(".word")];
    const here = words.indexOf(document.activeElement);
    const there = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: words.length - 1 }[event.key];
    if (event.key === "Escape") this.#hideHeat();
    if (here < 0 || !words[there]) return;
    event.preventDefault();
    words[here].tabIndex = -1;
    words[there].tabIndex = 0;
    words[there].focus();
  }

  /** Draws what was looked at for a word; the maps of a caption are computed once, on the first word. */
  async #look(word, index) {
    const photo = this.#photo;
    const { text } = photo.caption;
    if (word.ariaPressed === "true") return;
    this.#hideHeat();
    const turn = ++this.#looking;
    word.ariaPressed = "true";
    const hint = byId("look-hint");
    try {
      if (!photo.looks.has(text)) {
        if (hint) setText(hint, strings.looking);
        photo.looks.set(text, this.#gallery.see(photo).then(() => this.#engine.medley.look(photo.id, text)));
      }
      const { words, side, maps } = await photo.looks.get(text);
      if (hint) setText(hint, strings.lookHint);
      if (turn !== this.#looking || photo !== this.#photo) return;
      // The engine may split off punctuation; then the first word that is the same will do.
      const place = words.length === text.split(/\s+/).length ? index : words.indexOf(word.textContent);
      if (place < 0) throw new Error("no such word");
      const map = maps.subarray(place * side * side, (place + 1) * side * side);
      const aspect = photo.width ? photo.width / photo.height : 1;
      drawHeat(byId("heat"), map, side, aspect);
      byId("heat").classList.add("on");
      const [row, column] = placeOf(map, side);
      if (document.activeElement === word) announce(strings.lookSaid(word.textContent, strings.places[row][column]));
    } catch {
      photo.looks.delete(text);
      if (turn === this.#looking && hint) setText(hint, strings.lookFailed);
    }
  }

  #hideHeat() {
    this.#looking++;
    byId("heat").classList.remove("on");
    for (const word of byId("caption").querySelectorAll("[aria-pressed]")) word.ariaPressed = null;
  }
}
