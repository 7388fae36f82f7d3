// Captions in the visitor's words: learned in the page, taken back, taken away, and stopped.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import {
  README_CAPTION, captioned, captionedAs, chooseBy, clickSample, closeDialog, pill, ready, start, strings, visit,
} from "./support.mjs";
import { dist } from "./server.mjs";

const WORDS = "eileen in her orange suit before the flight";

let browser, server;
before(async () => {
  browser = await start();
  ({ server } = browser);
});
after(() => browser.stop());

const dialog = (page) => page.getByRole("dialog", { name: strings.teachTitle });
const openDialog = (page) => page.getByRole("button", { name: strings.teachOpen, exact: true }).click();
const field = (page, index = 0) => dialog(page).getByRole("textbox").nth(index);

/** Opens the page with a captioned photo, and has it learn other words. */
async function begin(t) {
  const { page } = await visit(t, browser);
  await clickSample(page);
  await captioned(page);
  await openDialog(page);
  await field(page).fill(WORDS);
  await dialog(page).getByRole("button", { name: strings.teachStart(1), exact: true }).click();
  return page;
}

test("a caption is learned in the page, said, taken back, and taken away as a model", async (t) => {
  const { page } = await visit(t, browser);
  await clickSample(page);
  await captionedAs(page, README_CAPTION);
  await openDialog(page);
  assert.equal(await field(page).inputValue(), README_CAPTION);
  assert(await dialog(page).getByRole("button", { name: strings.teachStart(0), exact: true }).isDisabled());
  await field(page).fill(WORDS);
  const begun = Date.now();
  await dialog(page).getByRole("button", { name: strings.teachStart(1), exact: true }).click();
  await dialog(page).getByText(strings.teachDone(1), { exact: true }).waitFor();
  t.diagnostic(`one caption learned in ${((Date.now() - begun) / 1000).toFixed(1)} s, with opening the module and the model`);
  await dialog(page).getByText(strings.lessonNow(WORDS), { exact: true }).waitFor();

  const [download] = await Promise.all([
    page.waitForEvent("download"),
    dialog(page).getByRole("button", { name: strings.teachSave, exact: true }).click(),
  ]);
  const file = join(mkdtempSync(join(tmpdir(), "medley-")), "mine.safetensors");
  t.after(() => rmSync(dirname(file), { recursive: true }));
  await download.saveAs(file);

  await dialog(page).getByRole("button", { name: strings.teachUndo, exact: true }).click();
  await dialog(page).getByText(strings.teachUndone, { exact: true }).waitFor();
  await dialog(page).getByText(strings.lessonNow(README_CAPTION), { exact: true }).waitFor();
  await page.keyboard.press("Escape");
  await captionedAs(page, README_CAPTION);

  // As a file it is a model like any other.
  await pill(page).click();
  await chooseBy(page, page.getByRole("button", { name: strings.modelFile, exact: true }), [file]);
  await ready(page, "mine");
  await closeDialog(page);
  await captionedAs(page, WORDS);
});

test("teaching that is stopped leaves the model as it was", async (t) => {
  // Held up, so that there is time to stop it.
  server.rewrite("learn/medley_web.js", (text) => `await new Promise((go) => setTimeout(go, 20_000));\n${text}`);
  const page = await begin(t);
  await dialog(page).getByText(strings.teachPreparing, { exact: true }).waitFor();
  await dialog(page).getByRole("button", { name: strings.teachStop, exact: true }).click();
  await dialog(page).getByText(strings.teachStopped, { exact: true }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: strings.modelPill(strings.builtIn), exact: true }).waitFor();
  await captionedAs(page, README_CAPTION);
});

test("teaching stops between two steps", async (t) => {
  const { page } = await visit(t, browser);
  const { name, steps, said } = await page.evaluate(async (caption) => {
    const { Medley } = await import("./medley.js");
    const medley = await Medley.open({ device: "cpu" });
    await medley.load("models/medley-tiny.json");
    const picture = await (await fetch("samples/astronaut.jpg")).blob();
    const stop = new AbortController();
    let steps = 0;
    const onProgress = () => ++steps === 2 && stop.abort();
    const error = await medley.teach([{ picture, caption }], { onProgress, signal: stop.signal }).catch((error) => error);
    await medley.see(1, picture);
    const [{ text }] = await medley.caption(1);
    medley.close();
    return { name: error.name, steps, said: text };
  }, WORDS);
  assert.deepEqual([name, steps, said], ["AbortError", 2, README_CAPTION]);
});

test("a module that does not come is said, and the page goes on", async (t) => {
  server.rewrite("learn/medley_web.js", () => "throw new Error('not today');");
  const page = await begin(t);
  await dialog(page).getByRole("alert").waitFor();
  await page.keyboard.press("Escape");
  await captionedAs(page, README_CAPTION);
});

test("the page has the module that learns", () => {
  assert(existsSync(join(dist, "learn")));
});
