// A tiny model of every head, and what the command line gives for it on the CPU:
//
//   cd tests/fixtures
//   medley caption --json --model tiny_caption --tokenizer tokenizer/vocab.txt ../../assets/astronaut.jpg
//   medley ask --json --model tiny_vqa --tokenizer tokenizer/vocab.txt ../../assets/astronaut.jpg "What is in the picture?"
//   medley match --json --model tiny_itm --tokenizer tokenizer/vocab.txt PICTURE "a cat sitting on the beach"
//
// Their weights are random, so their words mean nothing; every digit counts all the more.

import assert from "node:assert/strict";
import { fixture, photo } from "./support.mjs";

export const TINY = {
  caption: {
    folder: "tiny_caption",
    text: "dog dog dog doged dog [unused115] [unused115]e [unused115] [unused115] dog dog dog dog dog",
    confidence: 0.51828599,
  },
  answer: {
    folder: "tiny_vqa",
    question: "What is in the picture?",
    text: "##edededededed a g g",
    confidence: 0.26291242,
  },
  match: {
    folder: "tiny_itm",
    text: "a cat sitting on the beach",
    pictures: [
      { file: photo("astronaut.jpg"), name: "astronaut.jpg", probability: 0.5583508, similarity: -0.18202543 },
      { file: photo("chelsea.jpg"), name: "chelsea.jpg", probability: 0.53609854, similarity: 0.17958543 },
      { file: photo("coffee.jpg"), name: "coffee.jpg", probability: 0.52607656, similarity: 0.1515189 },
      { file: fixture("preprocess/noise.png"), name: "noise.png", probability: 0.10729787, similarity: 0.05129045 },
    ],
  },
};

/** 32-bit sums in another order. */
const TOLERANCE = 1e-4;

export function assertClose(actual, expected, what) {
  assert(Math.abs(actual - expected) < TOLERANCE, `${what}: ${actual} is not ${expected}`);
}

/** Serves the models as a hub would, the words of the tests beside each. */
export function mountTiny(server) {
  for (const { folder } of Object.values(TINY)) server.mount(`hub/${folder}/`, fixture(folder), fixture("tokenizer"));
}

export const addressOf = ({ folder }) => `hub/${folder}/model.safetensors`;

/** What every head says of the sample picture on a device, through the library. */
export function everyHead(page, device) {
  const { caption, answer, match } = TINY;
  const heads = { caption: addressOf(caption), answer: addressOf(answer), match: addressOf(match) };
  return page.evaluate(async ({ heads, device, question, text }) => {
    const { Medley } = await import("./medley.js");
    const medley = await Medley.open({ device });
    const photo = await (await fetch("samples/astronaut.jpg")).blob();
    const load = async (head) => {
      await medley.load(heads[head]);
      await medley.see(1, photo);
    };
    await load("caption");
    const [caption] = await medley.caption(1);
    await load("answer");
    const [answer] = await medley.ask(1, question);
    await load("match");
    const [match] = await medley.match(1, [text]);
    const { isGpu, deviceName, threads } = medley;
    medley.close();
    return { caption, answer, match, isGpu, deviceName, threads };
  }, { heads, device, question: answer.question, text: match.text });
}

export function assertEveryHead({ caption, answer, match }) {
  assert.equal(caption.text, TINY.caption.text);
  assertClose(caption.confidence, TINY.caption.confidence, "confidence of the caption");
  assert.equal(answer.text, TINY.answer.text);
  assertClose(answer.confidence, TINY.answer.confidence, "confidence of the answer");
  const [{ probability, similarity }] = TINY.match.pictures;
  assertClose(match.probability, probability, "probability of the match");
  assertClose(match.similarity, similarity, "similarity");
}
