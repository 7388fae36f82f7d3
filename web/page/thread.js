// A thread of the engine: enters the module's memory, and computes there until the page is closed.

import init, { becomeThread } from "./threads/medley_web.js";

self.addEventListener(
  "message",
  async ({ data: { module, memory } }) => {
    await init({ module_or_path: module, memory });
    self.postMessage("ready");
    becomeThread();
  },
  { once: true },
);
