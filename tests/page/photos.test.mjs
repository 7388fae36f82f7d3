// Photos of every kind, one and many, and their captions taken away as files.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import {
  README_CAPTION, alert, captioned, captionedAs, choose, clickSample, closeDialog, exported, manifest, open, photo, ready, start,
  strings, thumbnail, visit,
} from "./support.mjs";

const PHOTOS = ["astronaut.jpg", "chelsea.jpg", "coffee.jpg"];
const JPEG = { mimeType: "image/jpeg" };
/** What a visitor would call frozen. */
const FROZEN_MS = 1000;

let browser;
before(async () => {
  browser = await start();
});
after(() => browser.stop());

describe("several photos", () => {
  let session, page;
  before(async () => {
    session = await open(browser);
    ({ page } = session);
    await ready(page);
    await choose(page, ...PHOTOS.map(photo));
  });
  after(() => session.close());

  test("are all captioned, one after another", async () => {
    for (const name of PHOTOS) await thumbnail(page, name, "done").waitFor();
    await page.getByText(strings.workIdle(PHOTOS.length), { exact: true }).waitFor();
  });

  test("are shown with their captions when they are chosen", async () => {
    await thumbnail(page, PHOTOS[1], "done").click();
    const other = await captioned(page);
    await thumbnail(page, PHOTOS[0], "done").click();
    await captionedAs(page, README_CAPTION);
    assert.notEqual(other, README_CAPTION);
  });

  test("are exported as JSON lines", async () => {
    const lines = (await exported(page, strings.exportJsonl)).toString().trimEnd().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(lines.map(({ file_name }) => file_name), PHOTOS);
    assert.equal(lines[0].text, README_CAPTION);
    assert(lines.every(({ confidence }) => confidence > 0 && confidence < 1));
  });

  test("are exported as a zip with a text beside each photo", async () => {
    const files = unzipped(await exported(page, strings.exportZip));
    assert.deepEqual([...files.keys()], ["astronaut.txt", "chelsea.txt", "coffee.txt"]);
    assert.equal(files.get("astronaut.txt"), `${README_CAPTION}\n`);
  });

  test("are exported as CSV and as text", async () => {
    const csv = (await exported(page, strings.exportCsv)).toString();
    assert(csv.startsWith(`file_name,text,confidence\r\nastronaut.jpg,${README_CAPTION},0.`));
    const text = (await exported(page, strings.exportText)).toString();
    assert(text.startsWith(`astronaut.jpg\t${README_CAPTION}\n`));
  });

  test("can be removed again", async () => {
    await page.getByRole("button", { name: strings.removePhoto(PHOTOS[2]) }).click();
    await page.getByText(strings.workIdle(PHOTOS.length - 1), { exact: true }).waitFor();
  });
});

test("work in the background stops when it is told to, and goes on", async (t) => {
  const { page } = await visit(t, browser);
  await ready(page);
  await choose(page, ...PHOTOS.map(photo));
  await page.getByRole("region", { name: strings.gallery }).getByRole("button", { name: strings.stopWork, exact: true }).click();
  await page.getByRole("button", { name: strings.goOn, exact: true }).click();
  for (const name of PHOTOS) await thumbnail(page, name, "done").waitFor();
});

const skip = manifest.can.includes("match") ? false : "the built-in model compares no texts";
test("photos are found that the engine no longer keeps", { skip }, async (t) => {
  browser.server.rewrite("gallery.js", (text) => text.replace(/MAX_KEPT = \d+/, "MAX_KEPT = 2"));
  const { page } = await visit(t, browser);
  await ready(page);
  const names = [...PHOTOS, "again.jpg"];
  await choose(page, ...names.map((name, index) => ({ name, ...JPEG, buffer: readFileSync(photo(PHOTOS[index % PHOTOS.length])) })));
  for (const name of names) await thumbnail(page, name, "done").waitFor();
  await page.getByRole("searchbox", { name: strings.searchLabel }).fill("a cat");
  await page.getByText(strings.searchFound(names.length), { exact: true }).waitFor();
});

test("a photo of 40 megapixels is captioned while the page stays awake", async (t) => {
  const { page } = await visit(t, browser);
  await ready(page);
  const large = Buffer.from(await page.evaluate(drawLarge), "base64");
  const heartbeat = await page.evaluateHandle(() => {
    const beat = { last: performance.now(), longest: 0 };
    setInterval(() => {
      const now = performance.now();
      beat.longest = Math.max(beat.longest, now - beat.last);
      beat.last = now;
    }, 20);
    return beat;
  });
  await choose(page, { name: "large.jpg", ...JPEG, buffer: large });
  assert.equal(await captioned(page), README_CAPTION);
  const { longest } = await heartbeat.jsonValue();
  t.diagnostic(`40 megapixels, ${(large.length / 1e6).toFixed(1)} MB: the page was busy for at most ${longest.toFixed()} ms`);
  assert(longest < FROZEN_MS, `the page stood still for ${longest.toFixed()} ms`);
});

test("a photo cut short is refused with a sentence, and the next one is captioned", async (t) => {
  const { page } = await visit(t, browser);
  await ready(page);
  const whole = readFileSync(photo("astronaut.jpg"));
  await choose(page, { name: "cut.jpg", ...JPEG, buffer: whole.subarray(0, whole.length / 8) });
  await alert(page, strings.trouble.pictureReason("\0").split("\0")[0]).waitFor();
  await choose(page, photo("astronaut.jpg"));
  await captionedAs(page, README_CAPTION);
});

test("a file of another kind is refused with a sentence", async (t) => {
  const { page } = await visit(t, browser);
  await ready(page);
  await choose(page, { name: "letter.txt", mimeType: "text/plain", buffer: Buffer.from("dear reader") });
  await alert(page, strings.trouble.picture).waitFor();
});

test("a photo on the stage can be captioned with the keyboard alone", async (t) => {
  const { page } = await visit(t, browser);
  await ready(page);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), strings.skip);
  const sample = page.getByRole("button", { name: strings.sampleAlt(strings.samples[0].name) });
  for (let presses = 0; !(await sample.evaluate((button) => button === document.activeElement)); presses++) {
    assert(presses < 12, "the sample is not reached");
    await page.keyboard.press("Tab");
  }
  await page.keyboard.press("Enter");
  await captionedAs(page, README_CAPTION);
});

/** The sample picture at 6,325 x 6,325 pixels, in Base64. */
async function drawLarge() {
  const small = await createImageBitmap(await (await fetch("samples/astronaut.jpg")).blob());
  const canvas = new OffscreenCanvas(6325, 6325);
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
  const bytes = new Uint8Array(await (await canvas.convertToBlob({ type: "image/jpeg", quality: 0.9 })).arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  return btoa(text);
}

/** Names and texts of a zip whose files are stored as they are, as its directory lists them. */
function unzipped(zip) {
  const files = new Map();
  const end = zip.lastIndexOf("PK\x05\x06", undefined, "latin1");
  let entry = zip.readUInt32LE(end + 16);
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    const [length, name, extra, comment] = [zip.readUInt32LE(entry + 24), ...[28, 30, 32].map((at) => zip.readUInt16LE(entry + at))];
    const local = zip.readUInt32LE(entry + 42);
    const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
    files.set(zip.toString("utf8", entry + 46, entry + 46 + name), zip.toString("utf8", start, start + length));
    entry += 46 + name + extra + comment;
  }
  return files;
}
