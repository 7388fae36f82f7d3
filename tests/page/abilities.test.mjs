// What the built-in model can do works, and the page says of the rest that it cannot: its manifest tells which is which.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { choose, clickSample, manifest, open, photo, ready, start, strings } from "./support.mjs";

const QUESTION = strings.suggested[0];
const TEXT = "a person in front of a flag";
const PHOTOS = ["astronaut.jpg", "chelsea.jpg", "coffee.jpg"];

/** The page's sentence for what a model that can only do one thing cannot do, or the one for all others. */
const cannot = (sentences) => (manifest.can.length === 1 && sentences[manifest.can[0]]) || sentences.both;

describe("the built-in model", () => {
  let browser, session, page;
  before(async () => {
    browser = await start();
    session = await open(browser);
    ({ page } = session);
    await ready(page);
    await clickSample(page);
  });
  after(async () => {
    await session.close();
    await browser.stop();
  });

  const question = () => page.getByRole("textbox", { name: strings.askLabel });
  const text = () => page.getByRole("textbox", { name: strings.matchLabel });
  const search = () => page.getByRole("searchbox", { name: strings.searchLabel });

  if (manifest.can.includes("answer")) {
    test("answers a suggested question", async () => {
      await page.getByRole("button", { name: QUESTION }).click();
      const turn = page.getByRole("list", { name: strings.turns }).getByRole("listitem").filter({ hasText: QUESTION });
      const levels = Object.values(strings.confidence).join("|");
      await turn.getByText(new RegExp(`^\\S.*(${levels})`)).first().waitFor();
    });
  } else {
    test("says that it answers no questions, and asks for none", async () => {
      await page.getByText(cannot(strings.cannotAsk)).waitFor();
      assert(await question().isDisabled());
      assert.equal(await page.getByRole("button", { name: QUESTION }).count(), 0);
    });
  }

  if (manifest.can.includes("match")) {
    test("says how well a text matches", async () => {
      await text().fill(TEXT);
      await page.getByRole("button", { name: strings.match, exact: true }).click();
      const share = await page.getByRole("meter", { name: strings.matchMeter(TEXT) }).evaluate(({ value }) => value);
      assert(share > 0 && share < 1, `${share} is no probability`);
    });

    test("finds a photo by words", async () => {
      await choose(page, ...PHOTOS.map(photo));
      await search().fill(TEXT);
      await page.getByText(strings.searchFound(PHOTOS.length + 1)).waitFor();
    });

    test("puts what it read with a text and what it did not in one order, by the numbers of the model", async () => {
      const found = await page.evaluate(async (names) => {
        const { Medley } = await import("./medley.js");
        const medley = await Medley.open({ device: "cpu" });
        await medley.load("models/medley-tiny.json");
        for (const [id, name] of names.entries()) await medley.see(id, await (await fetch(`samples/${name}`)).blob());
        let first;
        const found = await medley.search("a cat", names.map((_, id) => id), { rerank: 1, onResults: (results) => (first ??= results) });
        medley.close();
        return { first, found };
      }, PHOTOS);
      for (const results of Object.values(found)) {
        const shares = results.map(({ probability }) => probability);
        assert(shares.every((share) => share > 0 && share < 1), `${shares} are no probabilities`);
        assert.deepEqual(shares, shares.toSorted((left, right) => right - left));
      }
      const changed = found.found.filter(({ id, probability }) => probability !== found.first.find((one) => one.id === id).probability);
      assert.deepEqual(changed.map(({ id }) => id), [found.first[0].id]);
      assert.equal(PHOTOS[found.found[0].id], "chelsea.jpg");
    });
  } else {
    test("says that it compares no texts", async () => {
      await page.getByText(cannot(strings.cannotMatch)).waitFor();
      assert(await text().isDisabled());
    });

    test("says that it cannot search", async () => {
      await choose(page, ...PHOTOS.map(photo));
      await page.getByText(strings.searchCannot).waitFor();
      assert(await search().isDisabled());
    });
  }

  test("lists on its card what its manifest says it can do", async () => {
    await page.getByRole("button", { name: strings.modelPill(strings.builtIn) }).click();
    const card = page.getByRole("dialog").getByRole("listitem").filter({ has: page.getByRole("heading", { name: strings.builtIn }) });
    const said = await card.getByRole("list").getByRole("listitem").allTextContents();
    assert.deepEqual(said, manifest.can.map((ability) => strings.can[ability]));
  });
});
