// The engine's thread: one call at a time reaches the wasm module, visitors before background work.
//
// In:   { id, call, args, background }    asks
//       { cancel: id }                    takes a call back
// Out:  { id, text }                      the text so far
//       { id, progress: { stage, done, total } }
//       { id, result } or { id, error: { name, message, ... } }, once

import { openEngine } from "./module.js";
import { openWeights } from "./weights.js";
import { discard, stored } from "./storage.js";

let engine = null;
let failure = null;
let running = null;
const queue = [];
const fetching = new Map();

self.addEventListener("message", ({ data }) => {
  if (data.cancel !== undefined) cancel(data.cancel);
  else if (data.call === "load") load(data);
  else if (data.call === "stored") reply(data.id, stored());
  else if (data.call === "discard") reply(data.id, discard(data.args.key));
  else add({ ...data, run: calls[data.call] });
});

/** What runs in the queue; `job` tells a call that writes when to stop. */
const calls = {
  async open({ device, threads, fallen, learns }) {
    const opened = await openEngine(device, fallen, threads, learns);
    engine = opened.engine;
    return { deviceName: engine.deviceName, isGpu: engine.isGpu, threads: opened.threads };
  },
  async see({ id, picture }) {
    await engine.see(id, await bytesOf(picture));
  },
  shelve({ id }) {
    engine.shelve(id);
  },
  forget({ id }) {
    engine.forget(id);
  },
  async caption({ id, options }, job) {
    return plainTexts(await engine.caption(id, options, hearing(job)));
  },
  async ask({ id, question, options }, job) {
    return plainTexts(await engine.answer(id, question, options, hearing(job)));
  },
  async match({ id, texts }) {
    const matches = await engine.match(id, texts);
    return Array.from(matches, ({ probability, similarity }) => ({ probability, similarity }));
  },
  async search({ text, ids }) {
    return Array.from(await engine.search(text, Uint32Array.from(ids)), plainFinding);
  },
  async read({ id, text, similarity }) {
    return plainFinding(await engine.read(id, text, similarity));
  },
  async look({ id, text }) {
    const { words, side, maps } = await engine.look(id, text);
    // A view of the module's memory would take all of that memory along.
    return { words: Array.from(words), side, maps: new Float32Array(maps) };
  },
  async teach({ lessons }, job) {
    const pictures = await Promise.all(lessons.map(({ picture }) => bytesOf(picture)));
    const captions = lessons.map(({ caption }) => caption);
    await engine.teach(pictures, captions, (done, total, loss) => {
      postMessage({ id: job.id, progress: { stage: "teach", done, total, loss } });
      return !job.isCancelled;
    });
    const pieces = [];
    await engine.save((piece) => void pieces.push(piece));
    return new Blob(pieces);
  },
};

/** Fetching is no work for the engine: the model before answers until the new one is whole. */
async function load({ id, args }) {
  const controller = new AbortController();
  fetching.set(id, controller);
  const report = throttled((done, total) => postMessage({ id, progress: { stage: "fetch", done, total } }));
  let weights;
  try {
    weights = await openWeights(args.source, report, controller.signal);
  } catch (error) {
    postMessage({ id, error: describe(error, "load") });
    return;
  } finally {
    fetching.delete(id);
  }
  // Between its last piece and its end nothing heard of a wish to stop; it must not come in after the next model.
  if (controller.signal.aborted) {
    weights.close();
    return;
  }
  const run = () => {
    const heard = throttled((done, total) => postMessage({ id, progress: { stage: "read", done, total } }));
    const report = (done, total) => {
      heard(done, total);
      return true;
    };
    engine.load(weights.size, weights.read, report, weights.files);
    const { size: bytes, isChecked, place } = weights;
    return { model: plainModel(engine.model), bytes, isChecked, place };
  };
  add({ id, call: "load", args, run, end: () => weights.close() });
}

function add(job) {
  if (job.background) queue.push(job);
  else {
    const firstBackground = queue.findIndex((other) => other.background);
    queue.splice(firstBackground < 0 ? queue.length : firstBackground, 0, job);
    // Its photo stays read, so only a few tokens are written twice.
    if (running?.background && running.call === "caption") running.isOvertaken = true;
  }
  work();
}

async function work() {
  if (running) return;
  while ((running = queue.shift())) await perform(running);
}

async function perform(job) {
  try {
    if (failure) throw failure;
    if (!engine && job.call !== "open") throw named("EngineError", "the engine did not start");
    const result = await job.run(job.args, job);
    postMessage({ id: job.id, result });
  } catch (error) {
    if (job.isOvertaken && !job.isCancelled && isCancelled(error)) {
      job.isOvertaken = false;
      const firstBackground = queue.findIndex((other) => other.background);
      queue.splice(firstBackground < 0 ? queue.length : firstBackground, 0, job);
      return;
    }
    const described = describe(error, job.call);
    // After a trap the module's memory is in no known state.
    if (isTrap(error)) failure = named("EngineError", described.message);
    postMessage({ id: job.id, error: described });
  }
  job.end?.();
}

function cancel(id) {
  fetching.get(id)?.abort();
  const place = queue.findIndex((job) => job.id === id);
  if (place >= 0) queue.splice(place, 1)[0].end?.();
  else if (running?.id === id) running.isCancelled = true;
}

async function reply(id, promise) {
  try {
    postMessage({ id, result: await promise });
  } catch (error) {
    postMessage({ id, error: describe(error, "") });
  }
}

function hearing(job) {
  return (text) => {
    if (!job.isCancelled) postMessage({ id: job.id, text });
    return !job.isCancelled && !job.isOvertaken;
  };
}

async function bytesOf(picture) {
  const bytes = picture instanceof Blob ? await picture.arrayBuffer() : picture;
  return ArrayBuffer.isView(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : new Uint8Array(bytes);
}

function plainTexts(texts) {
  return Array.from(texts, ({ text, confidence }) => ({ text, confidence }));
}

function plainFinding({ similarity, probability, isAhead, score }) {
  return { similarity, probability: probability ?? undefined, isAhead, score };
}

function plainModel({ kind, parameters, imageSizePx, canCaption, canAnswer, canMatch, prompt }) {
  return { kind, parameters, imageSizePx, canCaption, canAnswer, canMatch, prompt };
}

function isTrap(error) {
  return error instanceof WebAssembly.RuntimeError;
}

function isCancelled(error) {
  return error?.name === "AbortError" || error?.message === "cancelled";
}

/** An error as the page tells them apart; names are those of medley.d.ts. */
function describe(error, call) {
  const message = String(error?.message ?? error);
  // Scripts and modules that do not arrive are errors of this type; the engine's own are not.
  const isAbsent = call === "open" && error instanceof TypeError;
  const details = { done: error?.done, total: error?.total, status: error?.status, isAbsent };
  return { name: isAbsent ? "EngineError" : nameOf(error, message, call), message, ...details };
}

function nameOf(error, message, call) {
  if (isCancelled(error)) return "AbortError";
  if (error instanceof WebAssembly.CompileError || error instanceof WebAssembly.LinkError) return "UnsupportedError";
  // A failed allocation ends as a trap, and a model's weights are what asks for much.
  if (isTrap(error)) return call === "load" ? "MemoryError" : "EngineError";
  if (/out of memory/i.test(message) || error instanceof RangeError) return "MemoryError";
  if (error?.name && error.name !== "Error") return error.name;
  if (call !== "open" && /\bdevice\b/i.test(message)) return "DeviceLostError";
  return "Error";
}

function named(name, message) {
  return Object.assign(new Error(message), { name });
}

/** Passes on the first, the last and at most twenty calls a second. */
function throttled(report) {
  let last = -Infinity;
  return (done, total) => {
    const now = performance.now();
    if (done !== total && now - last < 50) return;
    last = now;
    report(done, total);
  };
}
