// The same page over WebGPU, imitated by the browser, and what it does when a device is lost.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  README_CAPTION, alert, captionedAs, clickSample, loadFrom, ready, start, strings, visit,
} from "./support.mjs";
import { TINY, addressOf, assertEveryHead, everyHead, mountTiny } from "./tiny.mjs";

/** With the adapter's name, or without where the browser keeps it. */
const WEBGPU = /^WebGPU( · .+)?$/;
const OPTIONAL = /status of 404/;
const MINUTES_MS = 20 * 60_000;

let browser, server;
before(async () => {
  browser = await start("--enable-unsafe-webgpu");
  ({ server } = browser);
  mountTiny(server);
});
after(() => browser.stop());

test("the page says that it runs on WebGPU where it does", async (t) => {
  const { page } = await visit(t, browser, { device: "software" });
  await page.getByText(WEBGPU).waitFor();
});

test("an imitated device is not taken for a graphics card: left to choose, the page takes the CPU", async (t) => {
  const { page } = await visit(t, browser, { device: "auto" });
  await page.getByText(strings.engineCpu(1), { exact: true }).waitFor();
});

test("a device that is not there is said to be missing, and the CPU is offered", async (t) => {
  const { page } = await visit(t, browser, { device: "gpu" });
  await alert(page, strings.trouble.noDevice).waitFor();
  await page.getByRole("button", { name: strings.useCpu, exact: true }).click();
  await ready(page);
  await clickSample(page);
  await captionedAs(page, README_CAPTION);
});

test("an engine that does not arrive is said to be missing, and comes at the next try", async (t) => {
  // A page that keeps nothing: what it kept would come instead.
  server.rewrite("sw.js", () => "");
  server.breakAfter("medley_web_bg.wasm", 1000, Infinity);
  const { page, expect } = await visit(t, browser, { device: "cpu" });
  expect(/net::ERR_/);
  const said = alert(page, strings.trouble.noEngine);
  await said.waitFor();
  server.mend();
  await said.getByRole("button", { name: strings.again, exact: true }).click();
  await clickSample(page);
  await captionedAs(page, README_CAPTION);
});

test("every head gives the numbers of the command line over WebGPU", async (t) => {
  const { page, expect } = await visit(t, browser, { device: "cpu" });
  expect(OPTIONAL);
  const start = performance.now();
  const said = await everyHead(page, "software");
  t.diagnostic(`a tiny model of every head over imitated WebGPU: ${((performance.now() - start) / 1000).toFixed(1)} s`);
  assert.equal(said.isGpu, true);
  assertEveryHead(said);
});

test("a model learns over WebGPU what it learns on the CPU", async (t) => {
  const { page, expect } = await visit(t, browser, { device: "cpu" });
  expect(OPTIONAL);
  const start = performance.now();
  const [cpu, gpu] = await page.evaluate(async (address) => {
    const { Medley } = await import("./medley.js");
    const picture = await (await fetch("samples/astronaut.jpg")).blob();
    const learned = async (device) => {
      const medley = await Medley.open({ device });
      await medley.load(address);
      const stop = new AbortController();
      const losses = [];
      const onProgress = ({ loss }) => losses.push(loss) === 4 && stop.abort();
      const error = await medley.teach([{ picture, caption: "a dog on the beach" }], { onProgress, signal: stop.signal }).catch((error) => error);
      if (losses.length < 4) throw error;
      medley.close();
      return losses;
    };
    return [await learned("cpu"), await learned("software")];
  }, addressOf(TINY.caption));
  t.diagnostic(`four steps of a tiny model on the CPU and over imitated WebGPU: ${((performance.now() - start) / 1000).toFixed(1)} s`);
  assert.equal(cpu.length, 4);
  assert(cpu[3] < cpu[0], `${cpu}`);
  cpu.forEach((loss, step) => assert(Math.abs(loss - gpu[step]) < 1e-3 * loss, `step ${step}: ${gpu[step]} is not ${loss}`));
});

test("a device lost in mid-caption is said, and the caption is written on the CPU instead", async (t) => {
  // The page has no way to lose a device; its module's JavaScript gets one.
  server.rewrite("medley_web.js", (text) => `${text}
    const request = GPUAdapter.prototype.requestDevice;
    GPUAdapter.prototype.requestDevice = async function (...wishes) {
      const device = await request.apply(this, wishes);
      self.loseDevice = () => device.destroy();
      return device;
    };`);
  const { page, expect } = await visit(t, browser, { device: "software" });
  expect(OPTIONAL);
  expect(/device|panicked|lost/i);
  await loadFrom(page, addressOf(TINY.caption), TINY.caption.folder);
  await clickSample(page);
  await page.waitForFunction(() => document.getElementById("caption").textContent !== "");
  await page.workers()[0].evaluate(() => self.loseDevice());
  await alert(page, strings.trouble.deviceLost).waitFor();
  await page.getByRole("button", { name: strings.useCpu, exact: true }).click();
  await captionedAs(page, TINY.caption.text);
  await page.getByText(strings.engineCpuChosen(1), { exact: true }).waitFor();
});

test("the built-in model captions the sample picture over WebGPU as on the CPU", async (t) => {
  const { page, context } = await visit(t, browser, { device: "software" });
  context.setDefaultTimeout(MINUTES_MS);
  await ready(page);
  const start = performance.now();
  await clickSample(page);
  await captionedAs(page, README_CAPTION);
  t.diagnostic(`the built-in model over imitated WebGPU: ${((performance.now() - start) / 1000).toFixed()} s for the first caption`);
});
