// Measures how long somebody waits for the first caption of a model: with an empty cache, and with a full one.
//
//     node first.mjs MODEL [--threads 1] [--rounds 3]
//
// MODEL is a folder of export.py, MEDLEY_PAGE the page if it is not web/dist; the caption is 20 tokens, greedy.

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { serve } from "./server.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { threads: { type: "string", default: "1" }, rounds: { type: "string", default: "3" } },
});
const [model] = positionals;
if (!model || !existsSync(join(model, "model.safetensors"))) throw new Error("usage: node first.mjs MODEL [--threads 1] [--rounds 3]");

const server = await serve({ bench: here, medley: process.env.MEDLEY_PAGE ?? join(here, "../../../web/dist"), model });
const args = ["--no-sandbox", "--no-first-run", "--disable-sync", "--disable-background-networking"];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });

for (let round = 0; round < Number(values.rounds); round++) {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(0);
  const seconds = [];
  for (const cache of ["empty", "full"]) {
    await page.goto(`${server.address}/bench/page.html`);
    const times = await page.evaluate(first, Number(values.threads));
    seconds.push(times.caption);
    console.error(`${round} ${cache}: model ${times.model.toFixed(1)} s, caption ${times.caption.toFixed(1)} s`);
  }
  console.log(`first caption from an empty cache ${seconds[0].toFixed(1)} s, from a full one ${seconds[1].toFixed(1)} s`);
  await context.close();
}
await browser.close();
server.stop();

async function first(threads) {
  const start = performance.now();
  const passed = () => (performance.now() - start) / 1000;
  const { Medley } = await import("/medley/medley.js");
  const medley = await Medley.open({ device: "cpu", threads });
  await medley.load("/model/model.safetensors");
  const model = passed();
  await medley.see(1, await (await fetch("/model/picture.png")).blob());
  await medley.caption(1, { strategy: "greedy", minLength: 20, maxLength: 20 });
  const caption = passed();
  medley.close();
  return { model, caption };
}
