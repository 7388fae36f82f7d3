// Several threads on the CPU, where the page is isolated by its headers, and one where it is not.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { README_CAPTION, alert, captionedAs, clickSample, ready, start, strings, visit } from "./support.mjs";
import { dist } from "./server.mjs";
import { assertEveryHead, everyHead, mountTiny } from "./tiny.mjs";

const skip = existsSync(join(dist, "threads")) ? false : "the page was built without threads";
const OPTIONAL = /status of 404/;

/** What the page says of an engine that was left to choose and found no graphics card. */
const saidAfter = async (page, threads) => page.getByText(strings.engineCpu(threads), { exact: true }).waitFor();

let browser, server;
before(async () => {
  browser = await start();
  ({ server } = browser);
  mountTiny(server);
});
after(() => browser.stop());

test("every head gives the numbers of the command line with several threads", { skip }, async (t) => {
  server.isolate();
  const { page, expect } = await visit(t, browser);
  expect(OPTIONAL);
  const said = await everyHead(page, "cpu");
  assert(said.threads > 1, `${said.threads} threads`);
  assertEveryHead(said);
});

test("a host that sends no headers gets one thread from the first visit, several from the next", { skip }, async (t) => {
  const { page, context } = await visit(t, browser, { device: "auto" });
  await saidAfter(page, 1);
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => {}));
  await ready(page);
  await page.reload();
  const threads = Math.min(await page.evaluate(() => navigator.hardwareConcurrency), 8);
  await saidAfter(page, threads);
  await clickSample(page);
  await captionedAs(page, README_CAPTION);
  // What it fetched for them is kept too.
  await context.setOffline(true);
  await page.reload();
  await saidAfter(page, threads);
});

const BROKEN = {
  "where no thread starts": () => "throw new Error('no threads today');",
  "where no thread finds room": (text) => text.replace("await init(", "await Promise.reject(new RangeError('no memory'));\ninit("),
};
for (const [where, breaks] of Object.entries(BROKEN)) {
  test(`${where}, the page computes with one`, { skip }, async (t) => {
    server.isolate();
    server.rewrite("thread.js", breaks);
    const { page } = await visit(t, browser, { device: "auto" });
    await saidAfter(page, 1);
    await clickSample(page);
    await captionedAs(page, README_CAPTION);
  });
}

test("a thread that falls is said, and the page starts again", { skip }, async (t) => {
  server.isolate();
  // A page cannot make one fall; its script is told to, until it is asked for again.
  const fall = { is: true };
  // One that keeps nothing: the script that falls must not come again from what it kept.
  server.rewrite("sw.js", () => "");
  server.rewrite("thread.js", (text) => (fall.is ? text.replace("becomeThread();", "throw new Error('unreachable');") : text));
  const { page } = await visit(t, browser, { device: "auto" });
  await clickSample(page);
  const said = alert(page, strings.trouble.engine);
  await said.waitFor();
  fall.is = false;
  await said.getByRole("button").first().click();
  await captionedAs(page, README_CAPTION);
});
