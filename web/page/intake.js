// The ways a photo comes in: dropped, pasted, picked, from a folder, from the samples.

import { MAX_PHOTOS } from "./gallery.js";
import { strings } from "./strings.js";
import { byId, element } from "./element.js";
import { clearNotice, showNotice } from "./notice.js";

const PICTURE = /\.(jpe?g|jfif|png|webp|gif|bmp|tiff?|avif|heic|heif|jxl)$/i;

/** By name, as people count: 2 before 10. */
const { compare } = new Intl.Collator(undefined, { numeric: true });

export class Intake {
  #gallery;

  constructor(gallery, camera) {
    this.#gallery = gallery;
    const files = byId("file-input");
    const folder = byId("folder-input");
    const ways = { files: () => files.click(), camera: () => camera().open(), folder: () => this.#openFolder() };
    byId("choose").addEventListener("click", ways.files);
    for (const way of document.querySelectorAll("[data-way]")) way.addEventListener("click", ways[way.dataset.way]);
    for (const input of [files, folder]) {
      input.addEventListener("change", () => {
        this.take([...input.files].map((file) => ({ blob: file, name: file.webkitRelativePath || file.name })), input === folder);
        // The same file chosen twice is still a choice.
        input.value = "";
      });
    }
    document.addEventListener("paste", (event) => this.#paste(event));
    this.#hearDrops();
    this.#showSamples();
  }

  chooseFiles() {
    byId("file-input").click();
  }

  /** Takes `[{ blob, name }]`; of a folder only what looks like a photo. */
  take(found, isFolder = false) {
    const place = byId("intake-notice");
    clearNotice(place);
    // A single file of another kind is shown with what is wrong with it.
    const photos = isFolder || found.length > 1 ? found.filter(isPicture) : found;
    // The browser lists a folder in no order.
    if (isFolder) photos.sort((left, right) => compare(left.name, right.name));
    if (photos.length === 0) {
      showNotice(place, strings.noPhotosFound);
      return;
    }
    const kept = this.#gallery.add(photos);
    if (kept < photos.length) showNotice(place, strings.tooManyPhotos(MAX_PHOTOS, photos.length));
    else if (!isFolder && photos.length < found.length) {
      showNotice(place, strings.leftOut(found.length - photos.length), [[strings.dismiss, () => clearNotice(place)]]);
    }
  }

  async #openFolder() {
    if (!window.showDirectoryPicker) {
      byId("folder-input").click();
      return;
    }
    try {
      const folder = await window.showDirectoryPicker({ id: "photos", mode: "read", startIn: "pictures" });
      this.take(await filesIn(folder, `${folder.name}/`), true);
    } catch (error) {
      if (error.name !== "AbortError") byId("folder-input").click();
    }
  }

  #paste(event) {
    const files = [...(event.clipboardData?.files ?? [])].filter((file) => file.type.startsWith("image/"));
    if (files.length === 0) return; // Text goes where the cursor is.
    event.preventDefault();
    this.take(files.map((file) => ({ blob: file, name: file.name })));
  }

  #hearDrops() {
    const { classList } = document.body;
    const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
    // Every element crossed says enter and leave.
    let depth = 0;
    addEventListener("dragenter", (event) => {
      if (holdsFiles(event) && ++depth === 1) classList.add("dragging");
    });
    addEventListener("dragleave", (event) => {
      if (holdsFiles(event) && --depth === 0) classList.remove("dragging");
    });
    addEventListener("dragover", (event) => {
      if (holdsFiles(event)) event.preventDefault();
    });
    addEventListener("drop", async (event) => {
      depth = 0;
      classList.remove("dragging");
      if (!holdsFiles(event)) return;
      event.preventDefault();
      const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
      const hasFolder = entries.some((entry) => entry.isDirectory);
      if (hasFolder) this.take((await Promise.all(entries.map(filesOf))).flat(), true);
      else this.take([...event.dataTransfer.files].map((file) => ({ blob: file, name: file.name })));
    });
  }

  #showSamples() {
    byId("samples").append(...strings.samples.map(({ file, name }) => {
      const href = `samples/${file}`;
      const onclick = async () => {
        try {
          const response = await fetch(href);
          if (!response.ok) throw new Error(`status ${response.status}`);
          this.take([{ blob: await response.blob(), name: file }]);
        } catch {
          showNotice(byId("intake-notice"), strings.sampleMissing);
        }
      };
      return element("li", {}, element("button", { type: "button", class: "sample", onclick, "aria-label": strings.sampleAlt(name) },
        element("img", { src: href, alt: "", width: 96, height: 96, decoding: "async" }), element("span", { "aria-hidden": "true" }, name)));
    }));
  }
}

function isPicture({ blob, name }) {
  return PICTURE.test(name) || (blob.type.startsWith("image/") && blob.type !== "image/svg+xml");
}

/** Files of a folder opened through the File System Access API, with those of the folders inside. */
async function filesIn(folder, path) {
  const found = [];
  for await (const entry of folder.values()) {
    if (entry.kind === "directory") found.push(...(await filesIn(entry, `${path}${entry.name}/`)));
    else if (PICTURE.test(entry.name)) found.push({ blob: await entry.getFile(), name: path + entry.name });
  }
  return found;
}

/** Files of a dropped entry. */
async function filesOf(entry) {
  if (entry.isFile) {
    const blob = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [{ blob, name: entry.fullPath.slice(1) }];
  }
  const reader = entry.createReader();
  const found = [];
  // A reader hands out a hundred at a time.
  for (;;) {
    const entries = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (entries.length === 0) return found;
    found.push(...(await Promise.all(entries.map(filesOf))).flat());
  }
}
