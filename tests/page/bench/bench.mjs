// Measures the page's engine beside others, in one browser, in turns.
//
//     node bench.mjs MODEL [--engines medley,medley-2,onnxruntime,onnxruntime-2,candle] [--rounds 5]
//     node bench.mjs MODEL --engines medley-webgpu,onnxruntime-webgpu --encoder
//     node bench.mjs MODEL --engines medley,medley-before     with MEDLEY_BEFORE, another folder that web/build.sh made
//
// MODEL is a folder of export.py, MEDLEY_PAGE the page if it is not web/dist.
// Prints a table: the median of all rounds and, in brackets, how many times the first engine's that is.

import { readFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { serve } from "./server.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const SEP = 102;
/** The encoder's numbers, 32-bit sums in another order. */
const TOLERANCE = 1e-3;
const FLAGS = [
  "--no-sandbox", "--no-first-run", "--disable-quic", "--disable-sync",
  "--disable-background-networking", "--disable-component-update",
  // Every page counts as the one in front.
  "--disable-renderer-backgrounding", "--disable-background-timer-throttling", "--disable-backgrounding-occluded-windows",
];
const WEBGPU = ["--enable-unsafe-webgpu", "--enable-features=Vulkan", "--use-webgpu-adapter=swiftshader"];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    engines: { type: "string", default: "medley,medley-2,onnxruntime,onnxruntime-2,candle" },
    rounds: { type: "string", default: "5" },
    encoder: { type: "boolean", default: false },
    log: { type: "boolean", default: false },
  },
});
const [model] = positionals;
if (!model) throw new Error("usage: node bench.mjs MODEL [--engines ...] [--rounds 5] [--encoder]");
const expected = JSON.parse(readFileSync(join(model, "expected.json"), "utf8"));
const common = { layers: expected.layers, prompt: expected.prompt, barred: SEP, isEncoderOnly: values.encoder };
const ENGINES = {
  medley: { title: "Medley", name: "medley", page: "medley", device: "cpu", threads: 1 },
  "medley-2": { title: "Medley, 2 threads", name: "medley", page: "medley", device: "cpu", threads: 2 },
  "medley-before": { title: "Medley, before", name: "medley", page: "before", device: "cpu", threads: 1 },
  "medley-before-2": { title: "Medley, before, 2 threads", name: "medley", page: "before", device: "cpu", threads: 2 },
  onnxruntime: { title: "onnxruntime-web", name: "onnxruntime" },
  "onnxruntime-2": { title: "onnxruntime-web, 2 threads", name: "onnxruntime", threads: 2 },
  candle: { title: "candle", name: "candle" },
  "medley-webgpu": { title: "Medley, WebGPU", name: "medley", page: "medley", device: "software" },
  "onnxruntime-webgpu": { title: "onnxruntime-web, WebGPU", name: "onnxruntime", provider: "webgpu" },
};

const server = await serve({
  bench: here,
  medley: process.env.MEDLEY_PAGE ?? join(here, "../../../web/dist"),
  before: process.env.MEDLEY_BEFORE ?? "",
  model,
  ort: join(here, "node_modules/onnxruntime-web/dist"),
  candle: join(process.env.CARGO_TARGET_DIR ?? join(here, "candle/target"), "wasm32-unknown-unknown/release"),
});
const names = values.engines.split(",");
const args = names.some((name) => name.endsWith("-webgpu")) ? [...FLAGS, ...WEBGPU] : FLAGS;
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });

const pages = new Map();
const times = new Map(names.map((name) => [name, { encoder: [], first: [], token: [] }]));
for (const name of names) {
  const { title, name: module, ...options } = ENGINES[name];
  const page = await browser.newPage();
  page.setDefaultTimeout(0);
  if (values.log) page.on("console", (message) => console.error(`${title}: ${message.text()}`));
  await page.goto(`${server.address}/bench/page.html`);
  const ask = (call, args) => page.evaluate(([call, args]) => window.ask(call, args), [call, args]);
  const { ms } = await ask("open", { name: module, options: { ...options, ...common } });
  console.error(`${title} opened in ${(ms / 1000).toFixed(1)} s`);
  pages.set(name, ask);
}

// The first round warms up, and is checked instead of counted.
for (let round = 0; round <= Number(values.rounds); round++) {
  for (const name of names) {
    const ask = pages.get(name);
    const { encoder, first, token } = times.get(name);
    const seen = await ask("see");
    const written = values.encoder ? null : await ask("write", { count: expected.ids.length });
    console.error(`${round} ${name}: encoder ${seen.ms.toFixed(0)} ms${written ? `, first ${written.first.toFixed(0)}, then ${median(written.later).toFixed(1)}` : ""}`);
    if (round === 0) {
      check(name, seen, written);
      continue;
    }
    encoder.push(seen.ms);
    if (written) {
      first.push(written.first);
      token.push(...written.later);
    }
  }
}
for (const [name, ask] of pages) {
  const bytes = await ask("memory");
  if (bytes) console.error(`${ENGINES[name].title}: ${(bytes / 1e6).toFixed()} MB`);
}
print();
await browser.close();
server.stop();

function check(name, { states }, written) {
  const isOff = states?.some((state, index) => Math.abs(state - expected.states[index]) > TOLERANCE);
  if (isOff) throw new Error(`${name}: the encoder answers ${states}, not ${expected.states}`);
  if (written && String(written.ids) !== String(expected.ids)) throw new Error(`${name} wrote ${written.ids}, not ${expected.ids}`);
}

function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function print() {
  const columns = values.encoder ? ["encoder"] : ["encoder", "first", "token"];
  const titles = { encoder: "image encoder", first: "first token", token: "each token after" };
  const medians = (name) => columns.map((column) => median(times.get(name)[column]));
  const own = medians(names[0]);
  console.log(`| | ${columns.map((column) => titles[column]).join(" | ")} |`);
  console.log(`|---|${"---|".repeat(columns.length)}`);
  for (const name of names) {
    const cells = medians(name).map((ms, index) => (name === names[0] ? shown(ms) : `${shown(ms)} (${(ms / own[index]).toFixed(2)})`));
    console.log(`| ${ENGINES[name].title} | ${cells.join(" | ")} |`);
  }
  // Other work on the machine only ever adds: the least says what the median would be without it.
  for (const name of names) {
    const least = columns.map((column) => `${titles[column]} ${shown(Math.min(...times.get(name)[column]))}`);
    console.log(`least, ${ENGINES[name].title}: ${least.join(", ")}`);
  }
  console.log(`load of the machine: ${loadavg().map((load) => load.toFixed(1)).join(", ")} on ${cpus().length} cores, ${cpus()[0].model}`);
}

function shown(ms) {
  return ms < 1000 ? `${ms.toFixed(ms < 100 ? 1 : 0)} ms` : `${(ms / 1000).toFixed(2)} s`;
}
