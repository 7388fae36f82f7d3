const HAS_THREADS = false;
const HAS_LEARNING = false;

// Which of the modules computes here: the one with WebGPU, or, without, the one whose threads share their memory.
// The lines above are written by the build, which may lack a standard library for threads. A browser shares memory
// only where the page is isolated from other sites by its headers: `medley web` sends them, sw.js adds them.
// A third one can learn: it is larger, and fetched by who teaches.

/** Whether a model can be taught here. */
export const canTeach = HAS_LEARNING;

/** More do not pay: a token's products are over before as many threads have begun. */
const MOST_THREADS = 8;

/**
 * The engine on a device: `{ engine, threads, memory }`, the threads being those that compute on the CPU, `most` at most.
 * On the channel called `fallen`, one of them that has to end says why. One that `learns` computes with one thread.
 */
export async function openEngine(device, fallen, most = MOST_THREADS, learns = false) {
  if (learns) return openPlain(await import("./learn/medley_web.js"), device);
  const threads = Math.min(navigator.hardwareConcurrency, most);
  if (HAS_THREADS && self.crossOriginIsolated && threads > 1 && (device === "cpu" || (device === "auto" && !(await hasGpu())))) {
    try {
      return await openThreads(threads, fallen);
    } catch (error) {
      // The plain module is slower and needs nothing that can fail here.
      console.warn("medley: computing with one thread:", error);
    }
  }
  return openPlain(await import("./medley_web.js"), device);
}

async function openPlain(module, device) {
  const { memory } = await module.default();
  return { engine: await module.Medley.open(device), threads: 1, memory };
}

/** Whether there is more than an imitation of a GPU. */
async function hasGpu() {
  const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" });
  return Boolean(adapter) && !(adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter);
}

async function openThreads(threads, fallen) {
  const module = await WebAssembly.compileStreaming(fetch(new URL("threads/medley_web_bg.wasm", import.meta.url)));
  const threaded = await import("./threads/medley_web.js");
  const { memory } = await threaded.default({ module_or_path: module });
  // This one is the first of them.
  const workers = Array.from({ length: threads - 1 }, () => startThread({ module, memory, fallen }));
  try {
    await Promise.all(workers.map(({ ready }) => ready));
    // Each worker has said that it goes to wait for its place; the pool is whole once all have taken one.
    threaded.openThreads(threads);
    return { engine: await threaded.Medley.open("cpu"), threads, memory };
  } catch (error) {
    workers.forEach(({ worker }) => worker.terminate());
    throw error;
  }
}

function startThread(place) {
  const worker = new Worker(new URL("thread.js", import.meta.url), { type: "module", name: "medley-thread" });
  const ready = new Promise((resolve, reject) => {
    worker.addEventListener("message", ({ data: { failure } }) => (failure ? reject(new Error(failure)) : resolve()), { once: true });
    worker.addEventListener("error", (event) => {
      // Else it would be an error of the engine's own.
      event.preventDefault();
      reject(new Error(event.message || "a thread could not start"));
    });
  });
  worker.postMessage(place);
  return { worker, ready };
}
