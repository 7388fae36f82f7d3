// The first minute of a visitor: the sample picture and its caption, on the CPU, with the built-in model.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  README_CAPTION, captioned, captionedAs, clickSample, open, ready, start, strings, visit, watchCaption,
} from "./support.mjs";

let browser;
before(async () => {
  browser = await start();
});
after(() => browser.stop());

describe("the sample picture", () => {
  let page, session, texts;
  before(async () => {
    session = await open(browser);
    ({ page } = session);
    // Another caption is sampled: this one at every run.
    await page.evaluate(() => {
      crypto.getRandomValues = (numbers) => numbers.fill(7);
    });
    texts = await watchCaption(page);
    await clickSample(page);
  });
  after(() => session.close());

  test("gets the caption that the command line gives", async () => {
    assert.equal(await captioned(page), README_CAPTION);
  });

  test("gets its caption word by word", async () => {
    const partial = (await texts()).filter((text) => text !== "" && text !== README_CAPTION);
    assert(partial.length > 3, `only ${JSON.stringify(partial)} came before the end`);
  });

  test("has its caption spoken, with how sure the model is", async () => {
    const levels = Object.values(strings.confidence).map((level) => strings.captionSaid(README_CAPTION, level));
    assert(levels.includes(await page.getByRole("status").textContent()));
  });

  test("is captioned by an engine that says it is the CPU", async () => {
    await page.getByText(strings.engineCpuChosen(1), { exact: true }).waitFor();
  });

  test("shows what a word looked at, and says where", async () => {
    const word = README_CAPTION.split(" ").at(-1);
    await page.getByRole("button", { name: word, exact: true }).focus();
    await page.getByText(anyPlace(word)).waitFor();
    const shades = await page.locator("canvas").evaluate((canvas) => {
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return new Set(data.filter((_, index) => index % 4 === 3)).size;
    });
    assert(shades > 10, `the map has only ${shades} shades`);
  });

  test("gets another caption on demand, and the first one back", async () => {
    await page.getByRole("button", { name: strings.another, exact: true }).click();
    await page.getByText(strings.earlier(1), { exact: true }).click();
    assert.notEqual(await captioned(page), README_CAPTION);
    await page.getByRole("button", { name: strings.useEarlier(README_CAPTION) }).click();
    await captionedAs(page, README_CAPTION);
  });

  test("gets a caption that begins with the visitor's own words", async () => {
    await page.getByText(strings.promptTitle, { exact: true }).click();
    await page.getByRole("textbox", { name: strings.promptLabel }).fill("two dogs");
    await page.getByRole("button", { name: strings.promptWrite, exact: true }).click();
    await page.getByRole("group", { name: /^Caption: two dogs \w/ }).waitFor();
  });
});

test("a photo chosen before the model is there waits for it, and says so", async (t) => {
  const { page } = await visit(t, browser);
  await clickSample(page);
  await page.getByText(/^(Waiting for the|Looking at the photo)/).first().waitFor();
  await captionedAs(page, README_CAPTION);
});

test("stopping in mid-caption leaves no caption, and the caption can be written after all", async (t) => {
  const { page } = await visit(t, browser);
  await ready(page);
  const texts = await watchCaption(page);
  await stopAtFirstWord(page);
  await clickSample(page);
  await page.getByText(strings.captionStopped).waitFor();
  const written = await texts();
  assert(!written.includes(README_CAPTION), "it was written to its end");
  await page.getByRole("button", { name: strings.write, exact: true }).click();
  await captionedAs(page, README_CAPTION);
});

test("a stopped caption leaves the engine free at once", async (t) => {
  const { page } = await visit(t, browser);
  await clickSample(page);
  await captioned(page);
  // Through the library, which the page itself goes through: the time is the engine's.
  const [whole, stopped] = await page.evaluate(async () => {
    const { Medley } = await import("./medley.js");
    const medley = await Medley.open({ device: "cpu" });
    await medley.load("models/medley-tiny.json");
    await medley.see(1, await (await fetch("samples/astronaut.jpg")).blob());
    const timed = async (task) => {
      const start = performance.now();
      await task();
      await medley.forget(2);
      return performance.now() - start;
    };
    const long = { minLength: 40, maxLength: 45 };
    const whole = await timed(() => medley.caption(1, long));
    const abort = new AbortController();
    const stopped = await timed(() => medley.caption(1, { ...long, signal: abort.signal, onText: () => abort.abort() }).catch(() => {}));
    medley.close();
    return [whole, stopped];
  });
  assert(stopped < whole / 3, `stopped after ${stopped.toFixed()} ms, whole after ${whole.toFixed()} ms`);
});

/** Presses the button as soon as a word has come: a test's own clicks may come too late. */
function stopAtFirstWord(page) {
  return page.evaluate((name) => {
    new MutationObserver((_, observer) => {
      const button = [...document.querySelectorAll("#caption-tools button")].find((button) => button.textContent === name);
      if (document.getElementById("caption").textContent === "" || button.hidden) return;
      observer.disconnect();
      button.click();
    }).observe(document.getElementById("caption"), { childList: true, subtree: true });
  }, strings.stopCaption);
}

function anyPlace(word) {
  const sentences = strings.places.flat().map((place) => strings.lookSaid(word, place));
  return new RegExp(`^(${sentences.join("|")})$`);
}
