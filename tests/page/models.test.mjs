// How a model comes into the browser: fetched once, checked, kept, gone on with; without a network too.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  MODEL, README_CAPTION, alert, asked, captionedAs, chooseBy, clickSample, closeDialog, manifest, photo, pill, ready, start, strings, visit,
} from "./support.mjs";

const { bytes: BYTES, pieceBytes: PIECE } = manifest;
/** In the third piece. */
const MIDDLE = Math.floor(PIECE * 2.5);
const BROKEN = strings.trouble.network(PIECE * 2, BYTES);
const NOISE = /Failed to load resource/;

let browser, server;
before(async () => {
  browser = await start();
  ({ server } = browser);
});
after(() => browser.stop());

test("a download that breaks off once goes on by itself, and costs at most one piece more", async (t) => {
  forget();
  server.breakAfter(MODEL, MIDDLE);
  const { page, expect } = await visit(t, browser);
  expect(NOISE);
  await ready(page);
  assert(server.sent(MODEL) <= BYTES + PIECE, `${server.sent(MODEL)} bytes were sent of ${BYTES}`);
  assert.equal(requests().filter(({ range }) => range.startsWith("bytes=0-")).length, 1);
});

test("a download that stays broken says so, and after a reload only the rest is fetched", async (t) => {
  server.breakAfter(MODEL, MIDDLE, Infinity);
  const { page, expect } = await visit(t, browser);
  expect(NOISE);
  await alert(page, BROKEN).waitFor();
  forget();
  server.mend();
  await page.reload();
  await ready(page);
  assert.equal(server.sent(MODEL), BYTES - 2 * PIECE);
});

test("a broken download goes on from its button", async (t) => {
  server.breakAfter(MODEL, MIDDLE, Infinity);
  const { page, expect } = await visit(t, browser);
  expect(NOISE);
  await alert(page, BROKEN).waitFor();
  forget();
  server.mend();
  await page.getByRole("button", { name: strings.again, exact: true }).click();
  await ready(page);
  assert.equal(server.sent(MODEL), BYTES - 2 * PIECE);
});

test("a damaged piece is refused with a sentence and nothing of it is kept", async (t) => {
  server.damage(MODEL, 1000);
  const { page } = await visit(t, browser);
  await alert(page, strings.trouble.damaged).waitFor();
  await page.getByRole("button", { name: strings.modelPill(strings.modelNone) }).waitFor();
  assert.deepEqual(await kept(page), []);
});

test("a damaged download is whole after another try", async (t) => {
  server.damage(MODEL, PIECE + 1000);
  const { page } = await visit(t, browser);
  await alert(page, strings.trouble.damaged).waitFor();
  assert.deepEqual((await kept(page)).map(({ whole, isDone }) => ({ whole, isDone })), [{ whole: PIECE, isDone: false }]);
  server.mend();
  await page.getByRole("button", { name: strings.again, exact: true }).click();
  await ready(page);
});

test("a second visit fetches nothing of the model", async (t) => {
  const { page } = await visit(t, browser);
  await ready(page);
  forget();
  await page.reload();
  await ready(page);
  assert.equal(requests().length, 0);
});

test("the page opens and captions again without a network", async (t) => {
  const { page, context } = await visit(t, browser);
  await ready(page);
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => {}));
  await context.setOffline(true);
  forget();
  await page.reload();
  await clickSample(page);
  await captionedAs(page, README_CAPTION);
  assert.deepEqual(asked(server), []);
});

test("a file that is no model is refused with a sentence, and the model before still answers", async (t) => {
  const { page } = await visit(t, browser);
  await ready(page);
  await pill(page).click();
  await chooseBy(page, page.getByRole("button", { name: strings.modelFile }), {
    name: "notes.safetensors", mimeType: "application/octet-stream", buffer: Buffer.from("dear diary, today"),
  });
  await alert(page, strings.trouble.model("").slice(0, -2)).waitFor();
  await closeDialog(page);
  await clickSample(page);
  await captionedAs(page, README_CAPTION);
});

test("an address on another host is refused with a sentence before anything is asked of it", async (t) => {
  const { page } = await visit(t, browser);
  await pill(page).click();
  await page.getByRole("textbox", { name: strings.modelUrlLabel }).fill("https://models.example/model.safetensors");
  await page.getByRole("button", { name: strings.modelUrlGet, exact: true }).click();
  await page.getByRole("dialog").getByText(strings.modelUrlElsewhere("models.example")).waitFor();
});

test("a model file from disk is loaded from there", async (t) => {
  forget();
  const { page } = await visit(t, browser);
  await ready(page);
  const before = server.sent(MODEL);
  await pill(page).click();
  await chooseBy(page, page.getByRole("button", { name: strings.modelFile }), photo("medley-tiny.safetensors"));
  await ready(page, "medley-tiny");
  await closeDialog(page);
  await clickSample(page);
  await captionedAs(page, README_CAPTION);
  assert.equal(server.sent(MODEL), before);
});

function requests() {
  return server.log.filter(({ path }) => path === MODEL);
}

function forget() {
  server.log.length = 0;
}

/** What the browser keeps of models, as the library tells. */
function kept(page) {
  return page.evaluate(async () => {
    const { Medley } = await import("./medley.js");
    const medley = new Medley({ device: "cpu" });
    const list = await medley.stored();
    medley.close();
    return list;
  });
}
