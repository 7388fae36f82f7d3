// The page: makes its parts, and shows what concerns all of them.

import { byId, announce, fillTexts, setText } from "./element.js";
import { percent, sizeOf, strings } from "./strings.js";
import { builtIn, readBuiltInManifest } from "./models.js";
import { clearNotice, sentenceFor, showNotice } from "./notice.js";
import { Camera } from "./camera.js";
import { Conversation } from "./conversation.js";
import { Engine } from "./engine.js";
import { Exporter } from "./export.js";
import { Gallery } from "./gallery.js";
import { Intake } from "./intake.js";
import { Matching } from "./matching.js";
import { Picker } from "./picker.js";
import { Searching } from "./searching.js";
import { Stage } from "./stage.js";
import { Strip } from "./strip.js";
import { Teaching } from "./teaching.js";

const DEVICES = ["auto", "cpu", "gpu", "software"];

fillTexts();
const engine = new Engine();
const gallery = new Gallery(engine);
const picker = new Picker(engine);
const openPicker = () => picker.open();
new Stage(engine, gallery, openPicker);
new Conversation(engine, gallery, openPicker);
new Matching(engine, gallery, openPicker);
const strip = new Strip(gallery);
new Searching(engine, gallery, strip);
new Exporter(gallery);
new Teaching(engine, gallery);
const intake = new Intake(gallery, () => camera);
const camera = new Camera((photo) => intake.take([photo]), () => intake.chooseFiles());

engine.addEventListener("change", drawEngine);
engine.addEventListener("model", () => announce(strings.modelReady(engine.entry.name)));
prepareTheme();
closeByBackdrop();

const asked = new URLSearchParams(location.search).get("device");
const started = engine.start(DEVICES.includes(asked) ? asked : "auto", builtIn);
readBuiltInManifest();
// What it keeps it fetches: the first visit's engine and model go first.
started.finally(() => {
  navigator.serviceWorker?.register("sw.js").catch(() => {
    // Without it the page needs a network the next time; nothing else is lost.
  });
});

function drawEngine() {
  const { loading, entry, trouble, model } = engine;
  const pill = byId("engine-pill");
  setText(pill, engine.description);
  pill.title = strings.enginePill(engine.description);

  let text = model || loading ? (entry?.name ?? strings.modelNone) : strings.modelNone;
  if (loading?.stage === "fetch") text = strings.modelFetching(loading.entry.name, loading.done, loading.total);
  else if (loading) text = strings.modelReading(loading.entry.name);
  setText(byId("model-pill"), text);
  byId("model-pill").ariaLabel = strings.modelPill(text);

  const bar = byId("loading");
  bar.hidden = !loading;
  if (loading?.total) {
    bar.value = loading.done / loading.total;
    bar.setAttribute("aria-valuetext", `${percent(bar.value)}, ${sizeOf(loading.done, loading.total)}`);
  } else bar.removeAttribute("value");

  drawTrouble(trouble);
}

/** In the picker too where it is open: what lies under a dialog is seen by nobody. */
function drawTrouble(trouble) {
  const isPicking = byId("picker").open;
  clearNotice(byId("picker-notice"));
  if (trouble) showNotice(byId(isPicking ? "picker-notice" : "page-notice"), troubleSentence(trouble), troubleSteps(trouble, isPicking));
  else clearNotice(byId("page-notice"));
}

function troubleSentence(error) {
  if (error.isOpening && error.isAbsent) return strings.trouble.noEngine;
  return sentenceFor(error, error.isOpening ? () => strings.trouble.noDevice : strings.trouble.model);
}

/** What may help: the device's fault asks for another, the model's for another model. */
function troubleSteps(error, isPicking) {
  const again = [strings.again, () => engine.load(error.entry ?? builtIn)];
  const another = [strings.pickAnother, openPicker];
  const cpu = [strings.useCpu, () => engine.restart("cpu")];
  const ownWay = isPicking ? [again] : [again, another];
  if (error.name === "UnsupportedError") return [];
  if (error.isOpening || error.name === "DeviceLostError" || error.name === "EngineError") {
    const restart = [error.isOpening ? strings.again : strings.startAgain, () => engine.restart()];
    return engine.canUseCpu ? [cpu, restart] : [restart];
  }
  if (error.name === "MemoryError") {
    const smaller = engine.entry?.id === builtIn.id ? [] : [[strings.useBuiltIn, () => engine.load(builtIn)]];
    return [...smaller, ...(isPicking ? [] : [another])];
  }
  if (error.entry && error.entry.id !== builtIn.id && !engine.model) return [[strings.useBuiltIn, () => engine.load(builtIn)], ...ownWay];
  return ownWay;
}

function prepareTheme() {
  const toggle = byId("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
  const draw = () => {
    toggle.ariaLabel = toggle.title = isDark() ? strings.themeLight : strings.themeDark;
  };
  toggle.addEventListener("click", () => {
    const theme = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem("theme", theme);
    } catch {
      // Without storage the choice lasts as long as the page.
    }
    draw();
  });
  system.addEventListener("change", draw);
  draw();
}

/** A click beside a dialog closes it, as Escape does. */
function closeByBackdrop() {
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close();
    });
  }
}
