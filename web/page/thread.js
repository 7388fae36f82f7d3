// A thread of the engine: enters the module's memory, and computes there until the page is closed.

import init, { becomeThread } from "./threads/medley_web.js";

self.addEventListener(
  "message",
  async ({ data: { module, memory, fallen } }) => {
    await init({ module_or_path: module, memory });
    self.postMessage("ready");
    try {
      becomeThread();
    } catch (error) {
      // Without memory for instance. What it computed nobody will, and who waits for it waits in vain.
      new BroadcastChannel(fallen).postMessage(String(error?.message ?? error));
    }
  },
  { once: true },
);
