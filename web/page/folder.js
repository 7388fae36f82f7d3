// A model as it is published: a folder with its weights in one file and small texts beside them.

export const WEIGHTS = "model.safetensors";

/** What the engine makes use of; in each list the first that is there. */
const TEXTS = [["config.json"], ["tokenizer.json", "vocab.txt"], ["preprocessor_config.json"]];

/** The weights among files from disk and the texts in the same folder, `{ file, beside }`; null without weights. */
export function folderOf(files) {
  const all = [...files];
  const weights = all.filter(({ name }) => name.endsWith(".safetensors"));
  const named = weights.filter(({ name }) => name === WEIGHTS);
  // A folder may hold others, such as an optimizer's state in a folder of its own.
  const file = named.sort((left, right) => depthOf(left) - depthOf(right))[0] ?? (weights.length === 1 ? weights[0] : undefined);
  if (!file) return null;
  const near = new Map(all.filter((other) => pathOf(other) === pathOf(file)).map((other) => [other.name, other]));
  const beside = {};
  for (const names of TEXTS) {
    const name = names.find((name) => near.has(name));
    if (name) beside[name] = near.get(name);
  }
  return { file, beside };
}

/** Fetches the texts beside weights, by name; `get(address)` answers null for what is not there. */
export async function textsBeside(url, get) {
  const texts = {};
  // A file of another name is one of Medley's own, with all of this inside.
  if (!isFolder(url)) return texts;
  for (const names of TEXTS) {
    for (const name of names) {
      const text = await get(new URL(name, url).href);
      if (text === null) continue;
      texts[name] = text;
      break;
    }
  }
  return texts;
}

/** Reads the texts beside a file from disk. */
export async function textsOf(beside) {
  const read = Object.entries(beside).map(async ([name, file]) => [name, await file.text()]);
  return Object.fromEntries(await Promise.all(read));
}

/** What a visitor would call the model at an address: the folder's name where the file's says nothing. */
export function nameAt(address) {
  const parts = new URL(address).pathname.split("/").filter(Boolean).map(decodeURIComponent);
  const file = parts.pop() ?? address;
  if (file !== WEIGHTS) return file.replace(/\.(safetensors|json)$/, "");
  // …/resolve/REVISION/ on a hub
  if (parts.at(-2) === "resolve") parts.splice(-2);
  return parts.pop() ?? WEIGHTS;
}

/** What a visitor would call a model from disk. */
export function nameOnDisk({ name, webkitRelativePath }) {
  const folder = webkitRelativePath?.split("/").at(-2);
  return name === WEIGHTS && folder ? folder : name.replace(/\.safetensors$/, "");
}

function isFolder(url) {
  return new URL(url).pathname.endsWith(`/${WEIGHTS}`);
}

function pathOf({ name, webkitRelativePath }) {
  return (webkitRelativePath ?? "").slice(0, -name.length);
}

function depthOf(file) {
  return pathOf(file).split("/").length;
}
