// Errors as sentences with a next step, standing where the thing would have been.

import { strings } from "./strings.js";
import { button, element } from "./element.js";

const sentences = strings.trouble;

/** What went wrong, as a sentence; `otherwise` makes one from the engine's own words. */
export function sentenceFor(error, otherwise) {
  const reason = error.message.replace(/\.$/, "");
  switch (error.name) {
    case "DeviceLostError": return sentences.deviceLost;
    case "MemoryError": return /device/.test(reason) ? sentences.deviceMemory : sentences.memory;
    case "EngineError": return sentences.engine;
    case "UnsupportedError": return sentences.unsupported;
    case "NetworkError": return sentences.network(error.done, error.total);
    case "DamagedError": return sentences.damaged;
    case "HttpError": return sentences.http(error.status);
    case "QuotaExceededError": return sentences.room;
    default: return otherwise(reason);
  }
}

/** Whether an error ends the engine rather than one call. */
export function endsEngine(error) {
  return error.name === "DeviceLostError" || error.name === "EngineError";
}

/** Shows a sentence and its buttons `[text, onclick]` in `place`; `isAlarm` has it spoken at once. */
export function showNotice(place, sentence, steps = [], isAlarm = true) {
  const shown = place.firstElementChild;
  if (shown?.dataset.sentence === sentence && shown.dataset.steps === steps.map(([text]) => text).join()) return;
  const notice = element("div", { class: isAlarm ? "notice alarm" : "notice", role: isAlarm ? "alert" : undefined },
    element("p", {}, sentence),
    steps.length ? element("div", { class: "row" }, ...steps.map(([text, onclick]) => button(text, onclick))) : null);
  notice.dataset.sentence = sentence;
  notice.dataset.steps = steps.map(([text]) => text).join();
  place.replaceChildren(notice);
}

export function clearNotice(place) {
  place.replaceChildren();
}
