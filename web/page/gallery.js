// The photos and what is known of each; reads and captions them one after another, the one on the stage first.
// Says "change" with a photo as detail, "list" when photos come or go, "select" when another is on the stage.

import { thumbnailOf, toPng } from "./preview.js";
import { endsEngine } from "./notice.js";

/** Photos whose image embeddings are kept: about 1.8 MB each for a full-size model. */
const MAX_KEPT = 64;
/** Photos taken in at most; each has an element on the page. */
export const MAX_PHOTOS = 1000;

/** Token limits of captions, from short to long; the second is the engine's own default. */
export const LENGTHS = [
  { minLength: 3, maxLength: 8 },
  { minLength: 5, maxLength: 20 },
  { minLength: 15, maxLength: 30, repetitionPenalty: 1.1 },
  { minLength: 25, maxLength: 45, repetitionPenalty: 1.2 },
];
export const USUAL_LENGTH = 1;

let nextId = 1;

class Photo {
  id = nextId++;
  /** waiting, reading, writing, done, failed, stopped */
  state = "waiting";
  caption = null;
  /** What a visitor would rather have said of it. */
  words = null;
  /** Whether the next model captions it anew. */
  isStale = false;
  earlier = [];
  /** The caption while it is being written. */
  text = "";
  error = null;
  length = USUAL_LENGTH;
  turns = [];
  matches = [];
  looks = new Map();
  thumbnail = null;
  width = 0;
  height = 0;
  /** The engine's generation that has seen it. */
  seenBy = 0;
  /** The engine's generation that can find it, whether it still has all it saw or not. */
  knownBy = 0;
  seeing = null;
  abort = null;

  constructor(blob, name) {
    this.blob = blob;
    this.name = name;
  }
}

export class Gallery extends EventTarget {
  photos = [];
  current = null;
  isStopped = false;
  #engine;
  #isWorking = false;
  #seen = [];

  constructor(engine) {
    super();
    this.#engine = engine;
    engine.addEventListener("model", () => this.#renew());
  }

  /** Takes in `[{ blob, name }]`; answers how many there was room for. */
  add(files) {
    const added = files.slice(0, MAX_PHOTOS - this.photos.length).map(({ blob, name }) => new Photo(blob, name));
    if (added.length === 0) return 0;
    this.photos.push(...added);
    this.isStopped = false;
    this.#changed("list");
    this.select(added[0]);
    this.#showAll(added);
    this.work();
    return added.length;
  }

  remove(photo) {
    const place = this.photos.indexOf(photo);
    this.photos.splice(place, 1);
    photo.abort?.abort();
    if (this.isKnown(photo)) this.#engine.medley.forget(photo.id).catch(() => {});
    if (photo.thumbnail) URL.revokeObjectURL(photo.thumbnail);
    this.#changed("list");
    if (photo === this.current) this.select(this.photos[Math.min(place, this.photos.length - 1)] ?? null);
  }

  select(photo) {
    this.current = photo;
    this.#changed("select", photo);
    // A caption in the background makes way; it is begun again later.
    const busy = this.photos.find((other) => other !== photo && other.state === "writing" && other.isBackground);
    if (photo?.state === "waiting") busy?.abort?.abort();
    this.work();
  }

  stop() {
    this.isStopped = true;
    for (const photo of this.photos) photo.abort?.abort();
    this.#changed("list");
  }

  goOn() {
    this.isStopped = false;
    for (const photo of this.photos) {
      if (photo.state === "stopped") photo.state = "waiting";
    }
    this.#changed("list");
    this.work();
  }

  /** Numbers for the line above the strip. */
  count() {
    const { model } = this.#engine;
    const what = model && !model.canCaption ? "read" : "caption";
    const of = (...states) => this.photos.filter(({ state }) => states.includes(state)).length;
    const left = of("waiting", "reading", "writing", "stopped");
    return { total: this.photos.length, done: of("done"), failed: of("failed"), left, isBusy: of("reading", "writing") > 0, what };
  }

  isSeen(photo) {
    return photo.seenBy === this.#engine.generation;
  }

  /** Whether a search can find it. */
  isKnown(photo) {
    return photo.knownBy === this.#engine.generation;
  }

  /** Has the engine read a photo, unless it has. */
  async see(photo, { background = false } = {}) {
    const { medley, generation } = this.#engine;
    if (photo.seenBy === generation) return;
    if (photo.seeing?.generation !== generation) {
      photo.seeing = this.#read(medley, photo, background).then(() => {
        photo.seenBy = generation;
        photo.knownBy = generation;
        this.#keep(photo);
      });
      photo.seeing.generation = generation;
    }
    try {
      await photo.seeing;
    } finally {
      photo.seeing = null;
    }
  }

  /** Writes a caption: reads the photo first if that is due. Errors end up in the photo. */
  async write(photo, options = {}, { background = false } = {}) {
    photo.abort?.abort();
    const abort = new AbortController();
    Object.assign(photo, { abort, error: null, text: "", isBackground: background, state: this.isSeen(photo) ? "writing" : "reading" });
    this.#changed("change", photo);
    const isCurrent = () => photo.abort === abort;
    const { generation } = this.#engine;
    try {
      await Promise.race([this.see(photo, { background }), whenAborted(abort.signal)]);
      const { medley, model } = this.#engine;
      if (!isCurrent()) return;
      if (model?.canCaption) {
        photo.state = "writing";
        this.#changed("change", photo);
        // The engine leaves out the words that a caption began with; the visitor's own belong to it.
        const whole = (text) => [options.prompt, text].filter(Boolean).join(" ");
        const [caption] = await medley.caption(photo.id, {
          ...LENGTHS[photo.length], ...options, background, signal: abort.signal,
          onText: (text) => {
            if (!isCurrent()) return;
            photo.text = whole(text);
            this.#changed("change", photo);
          },
        });
        if (!isCurrent()) return;
        caption.text = whole(caption.text);
        if (photo.caption) photo.earlier.unshift(photo.caption);
        photo.earlier = photo.earlier.filter(({ text }) => text !== caption.text);
        photo.caption = caption;
      }
      photo.state = "done";
    } catch (error) {
      const isOvertaken = error.name === "Error" && this.#engine.generation !== generation;
      if (!isCurrent()) return;
      // Another model came in between and has not seen the photo.
      if (isOvertaken) photo.state = photo.caption && photo.state !== "waiting" ? "done" : "waiting";
      else this.#fail(photo, error);
    }
    if (isCurrent()) photo.abort = null;
    photo.text = "";
    this.#changed("change", photo);
    this.#changed("list");
  }

  /** Puts back a caption written earlier. */
  use(photo, caption) {
    photo.earlier = [photo.caption, ...photo.earlier.filter((other) => other !== caption)];
    photo.caption = caption;
    this.#changed("change", photo);
  }

  /** Photos due, one after another, as long as there are any. */
  async work() {
    if (this.#isWorking) return;
    this.#isWorking = true;
    try {
      for (let photo = this.#next(); photo; photo = this.#next()) {
        const background = photo !== this.current;
        if (background && !this.isSeen(photo)) {
          // Between reading and writing the stage may have changed.
          Object.assign(photo, { state: "reading", error: null });
          this.#changed("change", photo);
          try {
            await this.see(photo, { background });
            if (photo.state === "reading" && !photo.abort) photo.state = "waiting";
          } catch (error) {
            this.#fail(photo, error);
          }
          this.#changed("change", photo);
        } else await this.write(photo, {}, { background });
      }
    } finally {
      this.#isWorking = false;
      this.#changed("list");
    }
  }

  #next() {
    const { model, loading } = this.#engine;
    if (!model || loading?.stage === "read") return null;
    if (this.current?.state === "waiting") return this.current;
    return this.isStopped ? null : this.photos.find(({ state }) => state === "waiting");
  }

  async #read(medley, photo, background) {
    // After the first failure: read again as the browser decodes it.
    try {
      await medley.see(photo.id, photo.readable ?? photo.blob, { background });
    } catch (error) {
      if (error.name !== "Error" || photo.readable) throw error;
      const readable = await toPng(photo.blob).catch(() => null);
      if (!readable) throw error;
      photo.readable = readable;
      await medley.see(photo.id, readable, { background });
    }
  }

  /** The longest unused photo makes room; it is still found, and read again if someone asks about it. */
  #keep(photo) {
    this.#seen = this.#seen.filter((other) => other !== photo && this.isSeen(other));
    this.#seen.push(photo);
    while (this.#seen.length > MAX_KEPT) {
      const place = this.#seen.findIndex((other) => other !== this.current);
      const [photo] = this.#seen.splice(place, 1);
      photo.seenBy = 0;
      this.#engine.medley.shelve(photo.id).catch(() => {});
    }
  }

  #fail(photo, error) {
    if (error.name === "AbortError") {
      const isWanted = photo.isBackground && !this.isStopped;
      photo.state = photo.caption ? "done" : isWanted ? "waiting" : "stopped";
    } else if (endsEngine(error)) {
      // Not the photo's fault: it is read again by the next engine.
      photo.state = photo.caption ? "done" : "waiting";
      this.#engine.fail(error);
    } else Object.assign(photo, { state: photo.caption ? "done" : "failed", error });
  }

  /** Another model: the photo on the stage is captioned anew, others where they have no caption or it is stale. */
  #renew() {
    const { model } = this.#engine;
    for (const photo of this.photos) {
      photo.looks.clear();
      const isStale = !photo.caption || photo.isStale || photo === this.current;
      photo.isStale = false;
      if (["failed", "stopped"].includes(photo.state) || (isStale && (model.canCaption || model.canMatch))) photo.state = "waiting";
    }
    this.#changed("list");
    if (this.current) this.#changed("change", this.current);
    this.work();
  }

  async #showAll(photos) {
    for (const photo of photos) {
      const shown = await thumbnailOf(photo.blob);
      if (!this.photos.includes(photo)) {
        if (shown) URL.revokeObjectURL(shown.url);
        continue;
      }
      photo.isShown = true;
      if (shown) Object.assign(photo, { thumbnail: shown.url, width: shown.width, height: shown.height });
      this.#changed("change", photo);
    }
  }

  #changed(what, photo = null) {
    this.dispatchEvent(new CustomEvent(what, { detail: photo }));
  }
}

/** Reading a photo cannot be broken off; waiting for it can. */
function whenAborted(signal) {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(Object.assign(new Error("cancelled"), { name: "AbortError" })), { once: true });
  });
}
