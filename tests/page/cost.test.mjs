// What the page takes: bytes, memory and seconds. The times are printed, not judged: machines differ.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import { captioned, clickSample, manifest, ready, start, visit } from "./support.mjs";
import { dist } from "./server.mjs";

const MAX_PACKED_BYTES = 6e6;
/** Of the weights, and beyond them. */
const [MAX_SHARE, MAX_MORE] = [1.3, 300e6];

let browser, server;
before(async () => {
  browser = await start();
  ({ server } = browser);
});
after(() => browser.stop());

test("the page without its model is smaller than 6 MB compressed, with any of its modules", (t) => {
  const files = readdirSync(dist, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map(({ parentPath, path, name }) => join(parentPath ?? path, name)).filter((path) => !path.endsWith(".safetensors"));
  const packed = (isWanted) => paths.filter(isWanted).reduce((sum, path) => sum + gzipSync(readFileSync(path), { level: 9 }).length, 0);
  const isOf = (folder) => (path) => path.startsWith(join(dist, folder));
  const [threads, learn] = ["threads", "learn"].map((folder) => packed(isOf(folder)));
  const plain = packed((path) => !isOf("threads")(path) && !isOf("learn")(path));
  const shown = (bytes) => `${(bytes / 1e6).toFixed(2)} MB`;
  t.diagnostic(`${shown(plain)} compressed without the model, ${shown(threads)} for threads where they are used, ${shown(learn)} for who teaches`);
  assert(plain < MAX_PACKED_BYTES && learn < MAX_PACKED_BYTES);
});

test("the module's memory stays below 1.3 times the weights and 300 MB", async (t) => {
  // Memory of a module never shrinks: what it has in the end is what it had at most.
  server.rewrite("medley_web.js", (text) => `${text}\nself.memoryBytes = () => wasm.memory.buffer.byteLength;`);
  const { page } = await visit(t, browser);
  await ready(page);
  const loaded = await page.workers()[0].evaluate(() => self.memoryBytes());
  await clickSample(page);
  await captioned(page);
  const peak = await page.workers()[0].evaluate(() => self.memoryBytes());
  t.diagnostic(`${(loaded / 1e6).toFixed()} MB with the model, ${(peak / 1e6).toFixed()} MB at most, weights of ${(manifest.bytes / 1e6).toFixed()} MB`);
  assert(peak < MAX_SHARE * manifest.bytes + MAX_MORE);
});

test("the first caption comes, from an empty cache and from a full one", async (t) => {
  const { page } = await visit(t, browser);
  const timed = async (task) => {
    const start = performance.now();
    await task();
    await clickSample(page);
    await captioned(page);
    return performance.now() - start;
  };
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => {}));
  await ready(page);
  const warm = await timed(() => page.reload());
  const { page: fresh } = await visit(t, browser);
  const start = performance.now();
  await clickSample(fresh);
  await captioned(fresh);
  t.diagnostic(`first caption: cold ${(performance.now() - start).toFixed()} ms, warm ${warm.toFixed()} ms`);
});

test("reading a photo and writing a token take the time they take", async (t) => {
  const { page } = await visit(t, browser);
  const { load, see, caption, tokens } = await page.evaluate(async () => {
    const { Medley } = await import("./medley.js");
    const medley = await Medley.open({ device: "cpu" });
    const photo = await (await fetch("samples/astronaut.jpg")).blob();
    const timed = async (task) => {
      const start = performance.now();
      await task();
      return performance.now() - start;
    };
    const best = async (task) => Math.min(await timed(task), await timed(task), await timed(task));
    const load = await timed(() => medley.load("models/medley-tiny.json"));
    const see = await best(() => medley.see(1, photo));
    let tokens = 0;
    const caption = await best(() => {
      tokens = 0;
      return medley.caption(1, { strategy: "greedy", minLength: 20, maxLength: 20, onText: () => tokens++ });
    });
    medley.close();
    return { load, see, caption, tokens };
  });
  t.diagnostic(`load ${load.toFixed()} ms, encoder with decoding ${see.toFixed()} ms, ${(caption / tokens).toFixed(1)} ms a token (${tokens} tokens, greedy)`);
  assert(tokens > 0);
});
