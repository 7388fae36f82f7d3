// Confidence in words; the number is there on hover and for screen readers.

import { percent, strings } from "./strings.js";
import { element } from "./element.js";

// Means of word probabilities: two words in three as good as certain, and less than an even chance a word.
const SURE = 0.65;
const FAIRLY_SURE = 0.4;

export function levelOf(confidence) {
  if (confidence >= SURE) return "sure";
  return confidence >= FAIRLY_SURE ? "fairly" : "guessing";
}

/** `fairly sure`, marked up. */
export function confidenceMark(confidence) {
  const level = levelOf(confidence);
  return element("span", { class: `confidence ${level}`, title: strings.confidenceTip(confidence) },
    strings.confidence[level], element("span", { class: "unseen" }, ` (${percent(confidence)})`));
}
