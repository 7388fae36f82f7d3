// A thread of the engine: enters the module's memory, and computes there until the page is closed.

import init, { becomeThread } from "./threads/medley_web.js";

self.addEventListener(
  "message",
  async ({ data: { module, memory, fallen } }) => {
    try {
      await init({ module_or_path: module, memory });
    } catch (error) {
      // A promise that fails is no error of a worker's: nobody would hear of it.
      self.postMessage({ failure: String(error?.message ?? error) });
      return;
    }
    self.postMessage({});
    try {
      becomeThread();
    } catch (error) {
      // Without memory for instance. What it computed nobody will, and who waits for it waits in vain.
      new BroadcastChannel(fallen).postMessage(String(error?.message ?? error));
    }
  },
  { once: true },
);
