// Questions and answers about the photo on the stage.

import { strings, percent } from "./strings.js";
import { announce, button, byId, element } from "./element.js";
import { confidenceMark, levelOf } from "./confidence.js";
import { clearNotice, endsEngine, sentenceFor, showNotice } from "./notice.js";
import { cannot } from "./models.js";

const ANSWERS = 3;

export class Conversation {
  #engine;
  #gallery;
  #openPicker;

  constructor(engine, gallery, openPicker) {
    this.#engine = engine;
    this.#gallery = gallery;
    this.#openPicker = openPicker;
    byId("ask-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const field = byId("question");
      const question = field.value.trim();
      if (!question) return field.focus();
      field.value = "";
      this.#ask(question);
    });
    byId("chips").append(...strings.suggested.map((question) => element("li", {},
      button(question, () => this.#ask(question), { class: "chip" }))));
    gallery.addEventListener("select", () => this.#draw());
    engine.addEventListener("change", () => this.#drawForm());
  }

  #draw() {
    const photo = this.#gallery.current;
    byId("turns").replaceChildren(...(photo?.turns ?? []).map((turn) => this.#turn(photo, turn)));
    this.#drawForm();
  }

  #drawForm() {
    const { can } = this.#engine;
    const isUnable = Boolean(can && !can.includes("answer"));
    for (const control of [byId("question"), byId("ask"), ...byId("chips").querySelectorAll("button")]) control.disabled = isUnable;
    const asked = this.#gallery.current?.turns.map(({ question }) => question) ?? [];
    for (const chip of byId("chips").children) chip.hidden = asked.includes(chip.textContent);
    byId("chips").hidden = isUnable || [...byId("chips").children].every(({ hidden }) => hidden);
    const place = byId("ask-state");
    if (isUnable) showNotice(place, cannot(strings.cannotAsk, can), [[strings.pickAnother, this.#openPicker]], false);
    else clearNotice(place);
  }

  async #ask(question, turn = { question }) {
    const photo = this.#gallery.current;
    Object.assign(turn, { text: "", answers: null, error: null, abort: new AbortController() });
    if (!photo.turns.includes(turn)) photo.turns.push(turn);
    // A chip that goes takes the focus along.
    if (document.activeElement?.closest("#chips")) byId("question").focus();
    this.#drawForm();
    this.#drawTurn(photo, turn);
    try {
      await this.#engineReady(turn.abort.signal);
      const { can, model } = this.#engine;
      if (!model.canAnswer) throw Object.assign(new Error(cannot(strings.cannotAsk, can)), { name: "UnableError" });
      await this.#gallery.see(photo);
      turn.answers = await this.#engine.medley.ask(photo.id, question, {
        count: ANSWERS, beams: ANSWERS, signal: turn.abort.signal,
        onText: (text) => {
          turn.text = text;
          this.#drawTurn(photo, turn);
        },
      });
      const [best] = turn.answers;
      announce(best ? strings.answerSaid(best.text, strings.confidence[levelOf(best.confidence)]) : strings.answerEmpty);
    } catch (error) {
      turn.error = error;
      if (endsEngine(error)) this.#engine.fail(error);
    }
    turn.abort = null;
    this.#drawTurn(photo, turn);
  }

  /** A question asked before the model is there waits for it. */
  #engineReady(signal) {
    if (this.#engine.model) return undefined;
    return new Promise((resolve, reject) => {
      this.#engine.addEventListener("model", resolve, { once: true, signal });
      signal.addEventListener("abort", () => reject(Object.assign(new Error("cancelled"), { name: "AbortError" })), { once: true });
    });
  }

  #drawTurn(photo, turn) {
    if (photo !== this.#gallery.current) return;
    const list = byId("turns");
    const drawn = list.children[photo.turns.indexOf(turn)];
    const stream = drawn?.querySelector(".stream");
    if (stream && !turn.answers && !turn.error) {
      // The button beside it may be under a finger.
      stream.className = "stream writing";
      stream.textContent = turn.text;
      return;
    }
    const made = this.#turn(photo, turn);
    if (drawn) drawn.replaceWith(made);
    else {
      list.append(made);
      made.scrollIntoView({ block: "nearest" });
    }
  }

  #turn(photo, turn) {
    const answer = element("div", { class: "answer" });
    if (turn.error?.name === "AbortError") answer.append(element("p", { class: "state" }, strings.answerStopped));
    else if (turn.error?.name === "UnableError") showNotice(answer, turn.error.message, [[strings.pickAnother, this.#openPicker]]);
    else if (turn.error) {
      showNotice(answer, sentenceFor(turn.error, strings.trouble.answer), [[strings.again, () => this.#ask(turn.question, turn)]]);
    } else if (turn.answers) answer.append(...this.#answers(turn.answers));
    else {
      const text = turn.text || (this.#engine.model ? strings.answering : this.#waiting());
      answer.append(element("p", { class: turn.text ? "stream writing" : "stream state busy" }, text));
      answer.append(button(strings.stopAnswer, () => turn.abort?.abort(), { class: "link" }));
    }
    return element("li", { class: "turn" }, element("p", { class: "question" }, turn.question), answer);
  }

  #waiting() {
    const { loading } = this.#engine;
    return loading?.stage === "fetch" ? strings.waitingForModel(loading.done, loading.total) : strings.waitingToOpen;
  }

  #answers([best, ...others]) {
    if (!best) return [element("p", { class: "state" }, strings.answerEmpty)];
    const line = element("p", {}, element("span", { class: "best" }, best.text), " ", confidenceMark(best.confidence));
    if (others.length === 0) return [line];
    const list = others.map(({ text, confidence }) => element("li", {}, element("span", {}, text), element("span", { class: "share" }, percent(confidence))));
    return [line, element("details", { class: "fold" },
      element("summary", {}, strings.alternatives(others.length)), element("ul", { class: "plain shares" }, ...list))];
  }
}
