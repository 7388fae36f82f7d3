// Captions as files to take away.

import { strings } from "./strings.js";
import { announce, byId, element, setText } from "./element.js";
import { zip } from "./zip.js";

/** Each form makes a file from `[{ file_name, text, confidence }]`. */
export const forms = {
  text: (rows) => ({ name: "captions.txt", blob: plain(rows.map(({ file_name, text }) => `${file_name}\t${text}\n`), "text/plain") }),
  jsonl: (rows) => ({ name: "metadata.jsonl", blob: plain(rows.map((row) => `${JSON.stringify(row)}\n`), "application/jsonl") }),
  csv: (rows) => ({
    name: "captions.csv",
    blob: plain(["file_name,text,confidence\r\n", ...rows.map((row) => `${[row.file_name, row.text, row.confidence].map(quoted).join()}\r\n`)], "text/csv"),
  }),
  zip: (rows) => ({ name: "captions.zip", blob: zip(sidecars(rows)) }),
};

export class Exporter {
  constructor(gallery) {
    const dialog = byId("export");
    const buttons = [...dialog.querySelectorAll("[data-form]")];
    byId("export-open").addEventListener("click", () => {
      const { length } = rowsOf(gallery);
      setText(byId("export-state"), strings.exportState(length));
      for (const choice of buttons) choice.disabled = length === 0;
      dialog.showModal();
    });
    for (const choice of buttons) {
      choice.addEventListener("click", () => {
        const { name, blob } = forms[choice.dataset.form](rowsOf(gallery));
        save(name, blob);
        setText(byId("export-state"), strings.exported(name));
        announce(strings.exported(name));
      });
    }
  }
}

function rowsOf(gallery) {
  return gallery.photos.filter((photo) => photo.caption).map(({ name, caption }) => ({
    file_name: name, text: caption.text, confidence: Number(caption.confidence.toFixed(4)),
  }));
}

function plain(lines, type) {
  return new Blob(lines, { type: `${type};charset=utf-8` });
}

function quoted(value) {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** `holiday/a.jpg` gets `holiday/a.txt`; a second one of that name gets a number. */
function sidecars(rows) {
  const taken = new Set();
  return rows.map(({ file_name, text }) => {
    const stem = file_name.replace(/\.[^./]+$/, "");
    let name = `${stem}.txt`;
    for (let count = 2; taken.has(name); count++) name = `${stem}-${count}.txt`;
    taken.add(name);
    return { name, text: `${text}\n` };
  });
}

/** Has the browser save a file. */
export function save(name, blob) {
  const href = URL.createObjectURL(blob);
  element("a", { href, download: name }).click();
  // The browser has the address by now, but may not have read it.
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
}
