// The ways a photo comes in: dropped, pasted, from the camera, from a folder.

import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  README_CAPTION, alert, captionedAs, chooseBy, exported, photo, ready, start, strings, thumbnail, visit,
} from "./support.mjs";

/** What lies in a folder: photos, one of them deeper, and what is none. */
const FOLDER = {
  "photo10.jpg": "astronaut.jpg", "photo2.jpg": "astronaut.jpg", "cat.jpg": "chelsea.jpg", "deeper/coffee.jpg": "coffee.jpg",
  "notes.txt": null,
};
const FOUND = ["cat.jpg", "deeper/coffee.jpg", "photo2.jpg", "photo10.jpg"].map((name) => `holiday/${name}`);

let browser;
before(async () => {
  // A camera that shows a moving pattern.
  browser = await start("--use-fake-device-for-media-stream");
});
after(() => browser.stop());

test("a photo is taken in by dropping and by pasting", async (t) => {
  const { page } = await visit(t, browser);
  await ready(page);
  await page.evaluate(async () => {
    const held = async (file) => {
      const data = new DataTransfer();
      data.items.add(new File([await (await fetch(`samples/${file}`)).blob()], file, { type: "image/jpeg" }));
      return data;
    };
    dispatchEvent(new DragEvent("drop", { dataTransfer: await held("astronaut.jpg") }));
    document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: await held("coffee.jpg"), bubbles: true }));
  });
  await thumbnail(page, "astronaut.jpg", "done").waitFor();
  await thumbnail(page, "coffee.jpg", "done").waitFor();
});

test("a photo from the camera is captioned, and the camera is let go", async (t) => {
  const { page } = await visit(t, browser, { permissions: ["camera"] });
  await ready(page);
  await page.getByRole("button", { name: strings.camera, exact: true }).click();
  const stream = await page.evaluateHandle(() => new Promise((resolve) => {
    const viewfinder = document.getElementById("viewfinder");
    viewfinder.addEventListener("playing", () => resolve(viewfinder.srcObject), { once: true });
    if (viewfinder.srcObject && !viewfinder.paused) resolve(viewfinder.srcObject);
  }));
  await page.getByRole("button", { name: strings.shutter, exact: true }).click();
  assert.equal(await stream.evaluate((stream) => stream.getTracks().every((track) => track.readyState === "ended")), true);
  await page.getByRole("group", { name: strings.captionWords("\0").split("\0")[0] }).waitFor();
  assert((await exported(page, strings.exportText)).toString().startsWith(`${strings.cameraName(1)}\ta `));
});

test("a camera that may not be used is said, and a photo is chosen instead", async (t) => {
  const { page } = await visit(t, browser, { permissions: [] });
  await ready(page);
  await page.getByRole("button", { name: strings.camera, exact: true }).click();
  const said = alert(page, strings.cameraDenied);
  await said.waitFor();
  await chooseBy(page, said.getByRole("button", { name: strings.cameraChoose, exact: true }), photo("astronaut.jpg"));
  await captionedAs(page, README_CAPTION);
});

test("a folder opened through the File System Access API is captioned and searched, with the folders in it", async (t) => {
  const { page } = await visit(t, browser);
  await ready(page);
  // The choice is the browser's own window; what it gives is a handle like those of the page's own storage.
  await page.evaluate(async (files) => {
    const root = await navigator.storage.getDirectory();
    const holiday = await root.getDirectoryHandle("holiday", { create: true });
    for (const [path, sample] of Object.entries(files)) {
      const names = path.split("/");
      let folder = holiday;
      for (const name of names.slice(0, -1)) folder = await folder.getDirectoryHandle(name, { create: true });
      const file = await (await folder.getFileHandle(names.at(-1), { create: true })).createWritable();
      await file.write(sample ? await (await fetch(`samples/${sample}`)).blob() : "no photo");
      await file.close();
    }
    window.showDirectoryPicker = async () => holiday;
  }, FOLDER);
  await page.getByRole("button", { name: strings.folder, exact: true }).click();
  await assertFolder(page);
  await page.getByRole("searchbox", { name: strings.searchLabel }).fill("a cup of coffee");
  await page.getByText(strings.searchSaid(FOUND.length, FOUND[1]), { exact: true }).waitFor();
});

test("a folder is opened where the browser has no such API", async (t) => {
  const holiday = join(mkdtempSync(join(tmpdir(), "medley-page-")), "holiday");
  t.after(() => rmSync(join(holiday, ".."), { recursive: true }));
  for (const [path, sample] of Object.entries(FOLDER)) {
    mkdirSync(join(holiday, path, ".."), { recursive: true });
    if (sample) copyFileSync(photo(sample), join(holiday, path));
    else writeFileSync(join(holiday, path), "no photo");
  }
  const { page } = await visit(t, browser);
  await ready(page);
  await page.evaluate(() => delete window.showDirectoryPicker);
  await chooseBy(page, page.getByRole("button", { name: strings.folder, exact: true }), holiday);
  await assertFolder(page);
});

test("a folder without photos is said to have none", async (t) => {
  const { page } = await visit(t, browser);
  await ready(page);
  await page.evaluate(() => {
    window.showDirectoryPicker = async () => (await navigator.storage.getDirectory()).getDirectoryHandle("empty", { create: true });
  });
  await page.getByRole("button", { name: strings.folder, exact: true }).click();
  await alert(page, strings.noPhotosFound).waitFor();
});

/** The photos of the folder are captioned, and nothing else is there. */
async function assertFolder(page) {
  for (const name of FOUND) await thumbnail(page, name, "done").waitFor();
  const lines = (await exported(page, strings.exportText)).toString().trimEnd().split("\n");
  assert.deepEqual(lines.map((line) => line.split("\t")[0]), FOUND);
  assert.equal(lines.at(-1).split("\t")[1], README_CAPTION);
}
