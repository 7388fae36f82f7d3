// Models as they are published, weights and texts in one folder: every head, from an address and from disk.

import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  alert, asked, captionedAs, choose, chooseBy, clickSample, closeDialog, escaped, fixture, loadFrom, pill, ready, start, strings, visit,
} from "./support.mjs";
import { TINY, addressOf, assertClose, assertEveryHead, everyHead, mountTiny } from "./tiny.mjs";

const { caption, answer, match } = TINY;
/** There is no preprocessor_config.json, and there need not be. */
const OPTIONAL = /status of 404/;

let browser, server;
before(async () => {
  browser = await start();
  ({ server } = browser);
  mountTiny(server);
});
after(() => browser.stop());

async function opened(t) {
  const { page, context, expect } = await visit(t, browser);
  expect(OPTIONAL);
  return { page, context };
}

test("a published captioner writes what the command line writes", async (t) => {
  const { page } = await opened(t);
  await loadFrom(page, addressOf(caption), caption.folder);
  await clickSample(page);
  await captionedAs(page, caption.text);
});

test("the address of a folder will do, and the texts in it are asked for before the weights", async (t) => {
  const { page } = await opened(t);
  server.log.length = 0;
  await loadFrom(page, `hub/${caption.folder}/`, caption.folder);
  const asked = server.log.map(({ path }) => path).filter((path) => path.startsWith("hub/"));
  const names = ["config.json", "tokenizer.json", "preprocessor_config.json", "model.safetensors"];
  assert.deepEqual(asked, names.map((name) => `hub/${caption.folder}/${name}`));
});

test("a published answerer answers what the command line answers, and says that it does not caption", async (t) => {
  const { page } = await opened(t);
  await loadFrom(page, addressOf(answer), answer.folder);
  await clickSample(page);
  await page.getByText(strings.cannotCaption.answer).waitFor();
  await page.getByRole("textbox", { name: strings.askLabel }).fill(answer.question);
  await page.keyboard.press("Enter");
  await page.getByRole("listitem").filter({ hasText: answer.question }).getByText(answer.text, { exact: true }).waitFor();
});

test("a published matcher gives the probability that the command line gives", async (t) => {
  const { page } = await opened(t);
  await loadFrom(page, addressOf(match), match.folder);
  await clickSample(page);
  await page.getByRole("textbox", { name: strings.matchLabel }).fill(match.text);
  await page.getByRole("button", { name: strings.match, exact: true }).click();
  const meter = page.getByRole("meter", { name: strings.matchMeter(match.text) });
  assertClose(await meter.evaluate(({ value }) => value), match.pictures[0].probability, "probability");
});

test("a search finds first by similarity, then puts in order by reading photo and text together", async (t) => {
  const { page } = await opened(t);
  await loadFrom(page, addressOf(match), match.folder);
  // A model without numbers of its own for searches orders as BLIP's authors do; by similarity alone the last would come third.
  await choose(page, ...match.pictures.map(({ file }) => file).reverse());
  const photos = page.getByRole("list", { name: strings.strip }).getByRole("button", { name: new RegExp(`, ${strings.photoStates.read}$`) });
  await photos.nth(match.pictures.length - 1).waitFor();
  await page.getByRole("searchbox", { name: strings.searchLabel }).fill(match.text);
  await page.getByText(strings.searchFound(match.pictures.length)).waitFor();
  const names = await photos.evaluateAll((buttons) => buttons.map(({ ariaLabel }) => ariaLabel.split(",")[0]));
  const score = ({ probability, similarity }) => Math.log(probability / (1 - probability)) + similarity;
  const best = match.pictures.toSorted((left, right) => score(right) - score(left));
  assert.deepEqual(names, best.map(({ name }) => name));
});

test("every head gives the numbers of the command line on the CPU", async (t) => {
  const { page } = await opened(t);
  const said = await everyHead(page, "cpu");
  assert.equal(said.isGpu, false);
  assertEveryHead(said);
});

test("a published model is used again without a network", async (t) => {
  const { page, context } = await opened(t);
  await ready(page);
  await loadFrom(page, addressOf(caption), caption.folder);
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => {}));
  await context.setOffline(true);
  server.log.length = 0;
  await page.reload();
  await ready(page);
  await pill(page).click();
  await page.getByRole("button", { name: strings.modelButton(strings.use, caption.folder) }).click();
  await ready(page, caption.folder);
  await closeDialog(page);
  await clickSample(page);
  await captionedAs(page, caption.text);
  assert.deepEqual(asked(server), []);
});

test("a folder from disk is opened as it is", async (t) => {
  const folder = copied(t, "tiny_caption");
  const { page } = await opened(t);
  await pill(page).click();
  await chooseBy(page, page.getByRole("button", { name: strings.modelFolder }), folder);
  await ready(page, "tiny_caption");
  await closeDialog(page);
  await clickSample(page);
  await captionedAs(page, caption.text);
});

test("the files of a folder, chosen one by one, are a model too", async (t) => {
  const folder = copied(t, "tiny_caption");
  const { page } = await opened(t);
  await pill(page).click();
  const names = ["config.json", "vocab.txt", "model.safetensors"];
  await chooseBy(page, page.getByRole("button", { name: strings.modelFile }), names.map((name) => join(folder, name)));
  await ready(page, "model");
  await closeDialog(page);
  await clickSample(page);
  await captionedAs(page, caption.text);
});

test("a folder without weights is refused with a sentence", async (t) => {
  const folder = copied(t, "tiny_caption");
  rmSync(join(folder, "model.safetensors"));
  rmSync(join(folder, "checkpoint"), { recursive: true });
  const { page } = await opened(t);
  await pill(page).click();
  await chooseBy(page, page.getByRole("button", { name: strings.modelFolder }), folder);
  await page.getByRole("dialog").getByText(strings.modelFolderBad).waitFor();
});

test("weights without a tokenizer are refused with the engine's reason", async (t) => {
  server.mount("bare/", fixture("tiny_caption"));
  const { page } = await opened(t);
  await pill(page).click();
  await page.getByRole("textbox", { name: strings.modelUrlLabel }).fill("bare/model.safetensors");
  await page.getByRole("button", { name: strings.modelUrlGet, exact: true }).click();
  const [sentence] = strings.trouble.model("\0").split("\0");
  await alert(page, new RegExp(`${escaped(sentence)}.*tokenizer`)).waitFor();
});

/** A folder as it would lie on a disk, with another model's file deeper in. */
function copied(t, name) {
  const place = mkdtempSync(join(tmpdir(), "medley-page-"));
  t.after(() => rmSync(place, { recursive: true }));
  const folder = join(place, name);
  mkdirSync(join(folder, "checkpoint"), { recursive: true });
  for (const file of ["model.safetensors", "config.json"]) copyFileSync(fixture(`${name}/${file}`), join(folder, file));
  copyFileSync(fixture("tokenizer/vocab.txt"), join(folder, "vocab.txt"));
  writeFileSync(join(folder, "checkpoint/model.safetensors"), "half a file");
  return folder;
}
