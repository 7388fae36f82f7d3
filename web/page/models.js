// The models on offer. Nothing here loads anything.

import { WEIGHTS, folderOf, nameAt, nameOnDisk } from "./folder.js";
import { strings } from "./strings.js";

const HUB = "huggingface.co";

/** Where this page may fetch from; the Content-Security-Policy in index.html says the same. */
const HOSTS = [/(^|\.)huggingface\.co$/, /\.hf\.co$/];

export const builtIn = {
  id: "tiny",
  name: strings.builtIn,
  about: strings.models.tiny,
  source: "models/medley-tiny.json",
  can: ["caption", "answer", "match"],
  bytes: 20_947_226,
  licence: undefined,
};

const hub = [
  { folder: "blip-image-captioning-base", about: strings.models.captionBase, can: ["caption"], bytes: 990e6 },
  { folder: "blip-image-captioning-large", about: strings.models.captionLarge, can: ["caption"], bytes: 1.88e9 },
  { folder: "blip-vqa-base", about: strings.models.vqaBase, can: ["answer"], bytes: 1.54e9 },
  { folder: "blip-itm-base-coco", about: strings.models.itmBase, can: ["match"], bytes: 895e6 },
];

/** Every card of the picker, the built-in model first. */
export function offered() {
  const published = hub.map(({ folder, ...rest }) => ({
    id: folder,
    name: folder,
    licence: "BSD-3-Clause",
    page: `https://huggingface.co/Salesforce/${folder}`,
    source: `https://huggingface.co/Salesforce/${folder}/resolve/main/${WEIGHTS}`,
    ...rest,
  }));
  return [builtIn, ...published];
}

/** What the built-in model's manifest adds to its card. */
export async function readBuiltInManifest() {
  try {
    const response = await fetch(builtIn.source);
    if (!response.ok) return;
    const { bytes, licence, can } = await response.json();
    Object.assign(builtIn, { bytes, licence, can: can ?? builtIn.can });
  } catch {
    // The card does without; loading says what is wrong.
  }
}

/** A model of the visitor's: from an address, a file, or the files of a folder, which must have weights. */
export function ownModel(source) {
  if (typeof source === "string") return { id: source, name: nameAt(source), source };
  const file = source instanceof File ? source : folderOf(source).file;
  const name = nameOnDisk(file);
  return { id: `disk:${name}:${file.size}`, name, source, bytes: file.size, isOnDisk: true };
}

/** The address of a model's file, from what a visitor types; that of its folder or its page on the hub will do. */
export function addressOf(text) {
  if (!text || !URL.canParse(text, document.baseURI)) return "";
  const url = new URL(text, document.baseURI);
  const page = url.hostname === HUB && /^\/([^/]+\/[^/]+)(\/tree\/([^/]+))?\/?$/.exec(url.pathname);
  if (page) return new URL(`/${page[1]}/resolve/${page[3] ?? "main"}/${WEIGHTS}`, url).href;
  // What the hub calls a file's page shows the file and is none.
  if (url.hostname === HUB) url.pathname = url.pathname.replace(/^(\/[^/]+\/[^/]+)\/blob\//, "$1/resolve/");
  return url.pathname.endsWith("/") ? new URL(WEIGHTS, url).href : url.href;
}

/** Whether the page may fetch from an address: `""`, or the sentence that says why not. */
export function refusal(address) {
  if (!address) return strings.modelUrlBad;
  const url = new URL(address);
  if (!/^https?:$/.test(url.protocol) || !/\.(safetensors|json)$/.test(url.pathname)) return strings.modelUrlBad;
  const isAllowed = url.origin === location.origin || (url.protocol === "https:" && HOSTS.some((host) => host.test(url.hostname)));
  return isAllowed ? "" : strings.modelUrlElsewhere(url.host);
}

/** What a loaded model can do, as the words of its card. */
export function abilities(model) {
  return [model.canCaption && "caption", model.canAnswer && "answer", model.canMatch && "match"].filter(Boolean);
}

/** The sentence for what a model cannot do, out of `strings.cannotCaption` and its sisters. */
export function cannot(sentences, can) {
  return (can.length === 1 && sentences[can[0]]) || sentences.both;
}
