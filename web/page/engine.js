// The life of the engine: starts it, loads models into it, starts another when it is lost.
// Says "change" whenever something a visitor could see has changed, and "model" when another model is in.

import { Medley } from "./medley.js";
import { strings } from "./strings.js";
import { endsEngine } from "./notice.js";
import { abilities, builtIn } from "./models.js";

export class Engine extends EventTarget {
  medley = null;
  /** The model offered by models.js that is in or on its way. */
  entry = null;
  /** `{ entry, stage, done, total }` while a model is on its way. */
  loading = null;
  /** The error that stands in the way of everything. */
  trouble = null;
  /** Counts the models loaded; what was seen by one is unknown to the next. */
  generation = 0;
  #device = "auto";
  #isOpen = false;
  #abort = null;

  get model() {
    return this.trouble && endsEngine(this.trouble) ? undefined : this.medley?.model;
  }

  /** What the model can do, or will when it is here; undefined where nobody knows yet. */
  get can() {
    return this.model ? abilities(this.model) : this.entry?.can;
  }

  get description() {
    if (!this.#isOpen) return this.trouble ? strings.engineNone : strings.engineStarting;
    if (this.medley.isGpu) return strings.engineGpu(this.medley.deviceName);
    const describe = this.#device === "auto" || !navigator.gpu ? strings.engineCpu : strings.engineCpuChosen;
    return describe(this.medley.threads);
  }

  /** Starts on a device, and loads a model at the same time. */
  async start(device, entry = this.entry ?? builtIn) {
    this.medley?.close();
    this.#device = device;
    this.#isOpen = false;
    this.trouble = null;
    this.generation++;
    const medley = new Medley({ device });
    this.medley = medley;
    this.#changed();
    const loading = this.load(entry);
    try {
      await medley.opened;
      if (this.medley !== medley) return;
      this.#isOpen = true;
    } catch (error) {
      if (this.medley === medley) this.fail(Object.assign(error, { isOpening: true }));
    }
    this.#changed();
    await loading;
  }

  /** Replaces the model; the one before answers until the new one is whole. */
  async load(entry) {
    if (this.trouble && endsEngine(this.trouble)) return this.start(this.#device, entry);
    this.#abort?.abort();
    const abort = new AbortController();
    this.#abort = abort;
    const { medley } = this;
    const isCurrent = () => this.medley === medley && this.#abort === abort;
    const before = this.entry;
    this.loading = { entry, stage: "fetch", done: 0, total: entry.bytes ?? null };
    if (!medley.model) this.entry = entry;
    this.trouble = null;
    this.#changed();
    try {
      const loaded = await medley.load(entry.source, {
        signal: abort.signal,
        onProgress: (progress) => {
          // Of an engine that did not start, the model may still be on its way.
          if (!isCurrent() || !this.loading) return;
          Object.assign(this.loading, progress);
          this.#changed();
        },
      });
      if (!isCurrent()) return;
      this.entry = Object.assign(entry, { bytes: loaded.bytes, isChecked: loaded.isChecked, place: loaded.place });
      this.loading = null;
      this.generation++;
      this.#changed();
      this.dispatchEvent(new Event("model"));
    } catch (error) {
      if (!isCurrent()) return;
      this.loading = null;
      this.entry = medley.model ? before : entry;
      // What the old model saw may be gone although the old model is not.
      this.generation++;
      if (error.name !== "AbortError" && !this.trouble) this.fail(error, entry);
      this.#changed();
    }
  }

  cancelLoading() {
    this.#abort?.abort();
  }

  /** Something went wrong that no single call can show: the engine is gone, or the model is. */
  fail(error, entry = this.entry) {
    this.trouble = Object.assign(error, { entry });
    if (endsEngine(error)) {
      this.#isOpen = false;
      this.loading = null;
    }
    this.#changed();
  }

  /** After a lost engine: the same model again, on the device named. */
  restart(device = this.#device) {
    return this.start(device);
  }

  get canUseCpu() {
    return this.#device !== "cpu";
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
