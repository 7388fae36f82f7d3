// Medley as a library: one class that owns the worker and answers with promises.
//
//     import { Medley } from "./medley.js";
//     const medley = await Medley.open();
//     await medley.load("models/medley-tiny.json", { onProgress: ({ done, total }) => console.log(done, total) });
//     await medley.see(1, photo); // a File or Blob
//     const [best] = await medley.caption(1, { onText: (text) => console.log(text) });
//
// Types and descriptions are in medley.d.ts.

import { folderOf } from "./folder.js";

export { canTeach } from "./module.js";

/** An error of the engine or of loading; `name` is one of those listed in medley.d.ts. */
export class MedleyError extends Error {
  constructor({ name, message, ...details }) {
    super(message);
    this.name = name;
    Object.assign(this, details);
  }
}

export class Medley {
  #worker;
  #waiting = new Map();
  #nextId = 1;
  #failure = null;
  #fallen;
  #device;
  #source = null;

  deviceName = "";
  isGpu = false;
  threads = 1;
  model = undefined;

  constructor({ device = "auto", threads, learns } = {}) {
    this.#device = device;
    this.#worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module", name: "medley" });
    this.#worker.addEventListener("message", ({ data }) => this.#hear(data));
    this.#worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.#fail(new MedleyError({ name: "EngineError", message: event.message || "the worker could not start", isAbsent: true }));
    });
    // The worker waits for its threads and hears nothing meanwhile: of one that falls they tell this side.
    this.#fallen = new BroadcastChannel(`medley-${performance.timeOrigin}-${Math.random()}`);
    this.#fallen.addEventListener("message", ({ data }) => {
      this.#worker.terminate();
      this.#fail(new MedleyError({ name: "EngineError", message: data }));
    });
    this.opened = this.#call("open", { device, threads, learns, fallen: this.#fallen.name }).then((engine) => {
      Object.assign(this, engine);
      return this;
    });
    // Whoever waits for it hears of it; a call made meanwhile fails on its own.
    this.opened.catch(() => {});
  }

  static open(options) {
    return new Medley(options).opened;
  }

  async load(source, { onProgress, signal } = {}) {
    const loaded = await this.#call("load", { source: toSource(source) }, { onProgress, signal });
    this.model = loaded.model;
    this.#source = source;
    return loaded;
  }

  stored() {
    return this.#call("stored");
  }

  discard(key) {
    return this.#call("discard", { key });
  }

  see(id, picture, { background = false, signal } = {}) {
    return this.#call("see", { id, picture }, { background, signal });
  }

  shelve(id) {
    return this.#call("shelve", { id });
  }

  forget(id) {
    return this.#call("forget", { id });
  }

  caption(id, { onText, signal, background = false, ...options } = {}) {
    return this.#call("caption", { id, options }, { onText, signal, background });
  }

  ask(id, question, { onText, signal, background = false, ...options } = {}) {
    return this.#call("ask", { id, question, options }, { onText, signal, background });
  }

  match(id, texts, { signal, background = false } = {}) {
    return this.#call("match", { id, texts }, { signal, background });
  }

  async search(text, ids, { rerank = 8, onResults, onMatch, signal } = {}) {
    if (ids.length === 0) return [];
    const findings = await this.#call("search", { text, ids: [...ids] }, { signal });
    const found = ids.map((id, index) => ({ id, ...findings[index] }));
    const results = () => found.map(({ id, similarity, probability }) => ({ id, similarity, probability }));
    found.sort(bestFirst);
    onResults?.(results());
    // A similarity is one product of two vectors; reading photo and text together costs a pass.
    for (const finding of found.slice(0, rerank)) {
      const { id, similarity } = finding;
      await onMatch?.(id);
      Object.assign(finding, await this.#call("read", { id, text, similarity }, { signal }));
      found.sort(bestFirst);
      onResults?.(results());
    }
    return results();
  }

  look(id, text, { signal, background = false } = {}) {
    return this.#call("look", { id, text }, { signal, background });
  }

  async teach(lessons, { onProgress, signal } = {}) {
    if (!this.#source) throw new MedleyError({ name: "Error", message: "load a model first" });
    // A worker of its own, with the module that learns: this one answers meanwhile, and that one may be ended.
    const teacher = new Medley({ device: this.#device, learns: true });
    try {
      await teacher.load(this.#source, { signal });
      return await teacher.#call("teach", { lessons: lessons.map(({ picture, caption }) => ({ picture, caption })) }, { onProgress, signal });
    } finally {
      teacher.close();
    }
  }

  close() {
    this.#worker.terminate();
    this.#fail(new MedleyError({ name: "AbortError", message: "closed" }));
  }

  #call(call, args = {}, { onText, onProgress, signal, background = false } = {}) {
    if (this.#failure) return Promise.reject(this.#failure);
    if (signal?.aborted) return Promise.reject(cancelled());
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const cancel = () => {
        this.#waiting.delete(id);
        this.#worker.postMessage({ cancel: id });
        reject(cancelled());
      };
      signal?.addEventListener("abort", cancel, { once: true });
      const end = () => signal?.removeEventListener("abort", cancel);
      this.#waiting.set(id, { resolve, reject, end, onText, onProgress });
      this.#worker.postMessage({ id, call, args, background });
    });
  }

  #hear({ id, text, progress, error, result }) {
    const call = this.#waiting.get(id);
    if (!call) return; // It was cancelled meanwhile.
    if (text !== undefined) return call.onText?.(text);
    if (progress) return call.onProgress?.(progress);
    this.#waiting.delete(id);
    call.end();
    if (error) call.reject(new MedleyError(error));
    else call.resolve(result);
  }

  #fail(error) {
    this.#failure = error;
    this.#fallen.close();
    for (const { reject, end } of this.#waiting.values()) {
      end();
      reject(error);
    }
    this.#waiting.clear();
  }
}

function cancelled() {
  return new MedleyError({ name: "AbortError", message: "cancelled" });
}

function bestFirst(left, right) {
  return right.isAhead - left.isAhead || right.score - left.score;
}

/** Addresses are relative to the page that calls, not to the worker. */
function toSource(source) {
  if (source instanceof Blob) return { file: source };
  if (Array.isArray(source) || source instanceof FileList) {
    const folder = folderOf(source);
    if (!folder) throw new MedleyError({ name: "Error", message: "there is no model.safetensors among these files" });
    return folder;
  }
  const { href, pathname } = new URL(source, document.baseURI);
  return pathname.endsWith(".json") ? { manifest: href } : { url: href };
}
