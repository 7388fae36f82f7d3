// What the page owes everyone: nothing leaves the machine, and it is there for those who cannot see or point.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import {
  alert, captioned, choose, clickSample, closeDialog, open, photo, pill, ready, start, strings, visit,
} from "./support.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let browser;
before(async () => {
  browser = await start();
});
after(() => browser.stop());

test("from opening to caption, every request goes to the page's own host", async (t) => {
  const { page, context, check } = await visit(t, browser);
  const asked = [];
  context.on("request", (request) => asked.push(request.url()));
  await page.reload();
  await clickSample(page);
  await captioned(page);
  check();
  // Those of the engine's thread are seen too.
  assert(asked.includes(`${browser.server.address}medley_web_bg.wasm`), asked.join("\n"));
});

test("the policy keeps the engine's thread from reaching another host", async (t) => {
  const { page, expect } = await visit(t, browser);
  expect(/Content Security Policy|another host/);
  await ready(page);
  // The browser of these tests finds no other host either: what counts is who refuses.
  const refused = await page.workers()[0].evaluate(() => new Promise((resolve) => {
    self.addEventListener("securitypolicyviolation", ({ effectiveDirective }) => resolve(effectiveDirective));
    fetch("https://elsewhere.example/").catch(() => setTimeout(resolve, 1000, "nobody"));
  }));
  assert.equal(refused, "connect-src");
});

test("the policy keeps inline scripts from running", async (t) => {
  const { page, expect } = await visit(t, browser);
  expect(/Content Security Policy/);
  const ran = await page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "window.ran = true";
    document.body.append(script);
    return Boolean(window.ran);
  });
  assert.equal(ran, false);
});

for (const colorScheme of ["light", "dark"]) {
  describe(`axe finds nothing wrong in ${colorScheme} colours`, () => {
    let session, page;
    before(async () => {
      // The policy would refuse axe itself.
      session = await open(browser, { colorScheme, bypassCSP: true });
      ({ page } = session);
      await page.evaluate(AXE);
    });
    after(() => session.close());

    test("with the welcome", async () => {
      await ready(page);
      await clean(page);
    });

    test("with a caption", async () => {
      await clickSample(page);
      await captioned(page);
      await clean(page);
    });

    test("with a heat map", async () => {
      const word = page.getByRole("group", { name: /^Caption: / }).getByRole("button").first();
      await word.focus();
      await page.getByText(/the model looked mostly/).waitFor();
      await clean(page);
    });

    test("with several photos, one of them broken", async () => {
      await choose(page, photo("chelsea.jpg"));
      await choose(page, { name: "broken.jpg", mimeType: "image/jpeg", buffer: Buffer.from("no picture") });
      const broken = strings.photoButton("broken.jpg", strings.photoStates.failed);
      await page.getByRole("button", { name: broken, exact: true }).click();
      await alert(page, strings.trouble.picture).waitFor();
      await clean(page);
    });

    test("with the models open", async () => {
      await pill(page).click();
      await page.getByRole("textbox", { name: strings.modelUrlLabel }).fill("nonsense");
      await page.keyboard.press("Enter");
      await page.getByRole("dialog").getByText(strings.modelUrlBad).waitFor();
      await clean(page);
      await closeDialog(page);
    });

    test("with teaching open", async () => {
      await page.getByRole("button", { name: strings.teachOpen, exact: true }).click();
      await page.getByRole("dialog").getByRole("textbox").first().fill("what it should say");
      await clean(page);
      await closeDialog(page);
    });

    test("with the export open", async () => {
      await page.getByRole("button", { name: strings.exportOpen, exact: true }).click();
      await clean(page);
      await closeDialog(page);
    });
  });
}

async function clean(page) {
  const violations = await page.evaluate(async () => {
    // Colours on their way from one to another are neither, for 120 ms.
    await new Promise((go) => setTimeout(go, 300));
    const { violations } = await axe.run(document, { resultTypes: ["violations"] });
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`);
  });
  assert.deepEqual(violations, []);
}
