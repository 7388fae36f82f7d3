// The dialog with the models: what each can do, how large it is, whether it is here.

import { size, strings } from "./strings.js";
import { announce, button, byId, element, setText } from "./element.js";
import { addressOf, offered, ownModel, refusal } from "./models.js";
import { folderOf } from "./folder.js";

export class Picker {
  #engine;
  #own = [];
  #stored = [];
  #drawn = "";
  #wasLoading = false;

  constructor(engine) {
    this.#engine = engine;
    byId("model-pill").addEventListener("click", () => this.open());
    for (const [name, input] of [["model-file", "model-input"], ["model-folder", "model-folder-input"]]) {
      byId(name).addEventListener("click", () => byId(input).click());
      byId(input).addEventListener("change", () => {
        const files = [...byId(input).files];
        byId(input).value = "";
        this.#takeFiles(files);
      });
    }
    byId("model-url-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const address = addressOf(byId("model-url").value.trim());
      const sentence = refusal(address);
      setText(byId("model-url-state"), sentence);
      if (sentence) {
        announce(sentence);
        byId("model-url").focus();
      } else this.#take(address);
    });
    engine.addEventListener("change", () => {
      const isLoading = Boolean(engine.loading);
      // What is kept changes when a model has come, in part or whole.
      if (this.#wasLoading && !isLoading) this.#refresh();
      this.#wasLoading = isLoading;
      if (byId("picker").open) this.#draw();
    });
  }

  open() {
    byId("picker").showModal();
    this.#draw();
    this.#refresh();
  }

  #takeFiles(files) {
    if (files.length === 0) return;
    const isMissing = files.length > 1 && !folderOf(files);
    setText(byId("model-file-state"), isMissing ? strings.modelFolderBad : "");
    if (isMissing) announce(strings.modelFolderBad);
    else this.#take(files.length > 1 ? files : files[0]);
  }

  /** A model of the visitor's own gets a card like the others. */
  #take(source) {
    const entry = ownModel(source);
    this.#own = [entry, ...this.#own.filter(({ id }) => id !== entry.id)];
    this.#use(entry);
  }

  #use(entry) {
    // Kept models shall outlive a full disk; only browsers that ask nothing are asked for the small one.
    if (!entry.isOnDisk && (entry.bytes ?? Infinity) > 100e6) navigator.storage?.persist?.();
    this.#engine.load(entry);
    byId("models").scrollIntoView({ block: "nearest" });
  }

  async #refresh() {
    if (!byId("picker").open) return;
    this.#stored = await this.#engine.medley.stored().catch(() => []);
    this.#draw();
  }

  #draw() {
    const list = byId("models");
    const { loading, model, entry, trouble } = this.#engine;
    const key = JSON.stringify([loading?.entry.id, Boolean(model), entry?.id, entry?.place, trouble?.message, this.#stored, this.#own.length]);
    const bar = list.querySelector("progress");
    if (key === this.#drawn) {
      // A card that is replaced under the pointer loses the click.
      if (bar && loading) showProgress(bar, loading);
      return;
    }
    this.#drawn = key;
    const here = list.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
    const shown = [...offered(), ...this.#own];
    const kept = this.#stored
      .filter((record) => record.address.endsWith(".safetensors") && !shown.some(({ source }) => source === record.address))
      .map((record) => Object.assign(ownModel(record.address), { bytes: record.bytes }));
    list.replaceChildren(...[...shown, ...kept].map((entry) => this.#card(entry)));
    if (here) [...list.querySelectorAll("button")].find(({ dataset }) => dataset.key === here)?.focus();
  }

  #card(entry) {
    const { loading, model } = this.#engine;
    const isMine = this.#engine.entry?.id === entry.id;
    const isLoading = loading?.entry.id === entry.id;
    const isInUse = isMine && Boolean(model) && !isLoading;
    const record = this.#recordOf(entry);
    const facts = [
      entry.bytes ? size(entry.bytes) : strings.unknownSize,
      isInUse ? strings.parameters(model.parameters) : null,
      entry.licence ? strings.licence(entry.licence) : strings.unknownLicence,
    ];
    const can = isInUse ? this.#engine.can : entry.can;
    return element("li", { class: isInUse ? "card model in-use" : "card model" },
      element("div", { class: "model-top" }, element("h3", {}, entry.name), this.#badge(entry, isInUse, record)),
      can ? element("ul", { class: "abilities plain" }, ...can.map((ability) => element("li", {}, strings.can[ability]))) : null,
      entry.about ? element("p", {}, entry.about) : null,
      element("p", { class: "state" }, facts.filter(Boolean).join(" · ")),
      isInUse && entry.place !== "disk" ? element("p", { class: "state" }, entry.isChecked ? strings.checked : strings.unchecked) : null,
      isLoading ? this.#progress(entry) : null,
      entry.page ? element("a", { href: entry.page, target: "_blank", rel: "noreferrer" }, strings.hubPage(entry.name)) : null,
      this.#actions(entry, { isInUse, isLoading, record }));
  }

  #recordOf(entry) {
    if (typeof entry.source !== "string") return undefined;
    const address = new URL(entry.source, document.baseURI).href;
    return this.#stored.find((record) => record.address === address);
  }

  #badge(entry, isInUse, record) {
    let text = "";
    if (isInUse) text = strings.stateInUse;
    else if (record?.isDone) text = strings.stateDownloaded;
    else if (record) text = strings.statePart(record.whole, record.bytes);
    return text ? element("span", { class: "badge" }, text) : null;
  }

  #progress(entry) {
    const bar = element("progress", { max: 1, "aria-label": strings.modelLoading(entry.name) });
    showProgress(bar, this.#engine.loading);
    return bar;
  }

  #actions(entry, { isInUse, isLoading, record }) {
    const action = (text, onclick, properties = {}) => button(text, onclick, {
      "aria-label": strings.modelButton(text, entry.name), "data-key": `${text} ${entry.id}`, ...properties,
    });
    const row = element("div", { class: "row" });
    if (isLoading) row.append(action(strings.cancel, () => this.#engine.cancelLoading()));
    else if (!isInUse) {
      const isHere = record?.isDone || entry.isOnDisk;
      row.append(action(isHere ? strings.use : record ? strings.getGoOn : strings.get, () => this.#use(entry), { class: "primary" }));
    }
    if (record && !isInUse && !isLoading) row.append(action(strings.remove, () => this.#discard(record), { class: "link" }));
    return row.childElementCount ? row : null;
  }

  async #discard(record) {
    await this.#engine.medley.discard(record.key).catch(() => {});
    this.#own = this.#own.filter(({ source }) => source !== record.address);
    await this.#refresh();
  }
}

function showProgress(bar, { done, total }) {
  if (total) bar.value = done / total;
  else bar.removeAttribute("value");
}
