// Where a model's bytes lie in this browser: a private file where there is one, else the Cache API, else memory.
// A record of what is whole lies beside the bytes and is written after them: a page that closes in between
// understates what is here and never overstates it.

const FOLDER = "medley-models";
const CACHE = "medley-models";
const inMemory = new Map();

/** The best store this browser has for `key`. */
export async function openStore(key) {
  for (const Store of [PrivateFile, CachedPieces]) {
    try {
      return await Store.open(key);
    } catch (error) {
      // Another page of this site reads or writes it: a second copy elsewhere would be waste.
      if (error.name === "NoModificationAllowedError") throw error;
    }
  }
  if (!inMemory.has(key)) inMemory.set(key, new MemoryPieces(key));
  return inMemory.get(key);
}

/** The records of all kept models. */
export async function stored() {
  const lists = await Promise.all([PrivateFile.list(), CachedPieces.list()].map((list) => list.catch(() => [])));
  const records = [...lists.flat(), ...[...inMemory.values()].map((store) => store.record)];
  // The texts are for the engine, and longer than all else.
  return records.filter((record) => record.whole > 0).map(({ files, ...record }) => record);
}

/** Deletes a kept model. */
export async function discard(key) {
  inMemory.delete(key);
  await PrivateFile.remove(key).catch(ignoreMissing);
  await CachedPieces.remove(key).catch(ignoreMissing);
}

/** Reads slices of a file or blob without waiting, as the engine asks for them. */
export function readerOf(blob, place) {
  const reader = new FileReaderSync();
  const read = (offset, length) => new Uint8Array(reader.readAsArrayBuffer(blob.slice(offset, offset + length)));
  return { size: blob.size, read, close() {}, place };
}

function emptyRecord(key) {
  return { key, name: "", address: "", bytes: null, whole: 0, etag: null, pieceBytes: null, isChecked: false, isDone: false, files: {} };
}

function ignoreMissing(error) {
  if (error.name === "QuotaExceededError" || error.name === "NoModificationAllowedError") throw error;
}

class PrivateFile {
  static async open(key) {
    const folder = await PrivateFile.#folder();
    const file = await folder.getFileHandle(`${key}.safetensors`, { create: true });
    if (!file.createSyncAccessHandle) throw new Error("no synchronous access");
    const store = new PrivateFile();
    store.folder = folder;
    store.file = file;
    store.record = (await PrivateFile.#readRecord(folder, `${key}.json`)) ?? emptyRecord(key);
    // A record may outlive its file, not the other way round.
    if ((await file.getFile()).size < store.record.whole) store.record = emptyRecord(key);
    return store;
  }

  static async list() {
    const folder = await PrivateFile.#folder();
    const records = [];
    for await (const name of folder.keys()) {
      if (name.endsWith(".json")) records.push(await PrivateFile.#readRecord(folder, name));
    }
    return records.filter(Boolean);
  }

  static async remove(key) {
    const folder = await PrivateFile.#folder();
    await folder.removeEntry(`${key}.json`).catch(ignoreMissing);
    await folder.removeEntry(`${key}.safetensors`);
  }

  async append(piece) {
    this.handle ??= await this.file.createSyncAccessHandle();
    const written = this.handle.write(piece, { at: this.record.whole });
    if (written < piece.length) throw Object.assign(new Error("no room"), { name: "QuotaExceededError" });
    this.handle.flush();
    this.record.whole += piece.length;
    await this.save();
  }

  async restart() {
    this.record.whole = 0;
    this.record.isDone = false;
    await this.save();
  }

  async save() {
    const file = await this.folder.getFileHandle(`${this.record.key}.json`, { create: true });
    const handle = await file.createSyncAccessHandle();
    try {
      const text = new TextEncoder().encode(JSON.stringify(this.record));
      handle.truncate(0);
      handle.write(text, { at: 0 });
      handle.flush();
    } finally {
      handle.close();
    }
  }

  async reader() {
    const size = this.record.whole;
    try {
      this.handle ??= await this.file.createSyncAccessHandle();
    } catch {
      // Another page of this site is reading it.
      return readerOf((await this.file.getFile()).slice(0, size), "file");
    }
    const { handle } = this;
    const read = (offset, length) => {
      const bytes = new Uint8Array(length);
      const count = handle.read(bytes, { at: offset });
      if (count < length) throw new Error("the kept file is cut short");
      return bytes;
    };
    return { size, read, close: () => this.release(), place: "file" };
  }

  release() {
    this.handle?.close();
    this.handle = undefined;
  }

  static async #folder() {
    const root = await navigator.storage.getDirectory();
    return root.getDirectoryHandle(FOLDER, { create: true });
  }

  static async #readRecord(folder, name) {
    try {
      const file = await folder.getFileHandle(name);
      return JSON.parse(await (await file.getFile()).text());
    } catch {
      // Absent, or cut short by a crash: its bytes are fetched again.
      return null;
    }
  }
}

class CachedPieces {
  static async open(key) {
    const store = new CachedPieces();
    store.cache = await caches.open(CACHE);
    const record = await store.cache.match(CachedPieces.#address(key, "record"));
    store.record = record ? await record.json() : emptyRecord(key);
    return store;
  }

  static async list() {
    const cache = await caches.open(CACHE);
    const requests = (await cache.keys()).filter(({ url }) => url.endsWith("/record"));
    return Promise.all(requests.map(async (request) => (await cache.match(request)).json()));
  }

  static async remove(key) {
    const cache = await caches.open(CACHE);
    for (const request of await cache.keys()) {
      if (request.url.startsWith(CachedPieces.#address(key, ""))) await cache.delete(request);
    }
  }

  async append(piece) {
    const { key, whole, pieceBytes } = this.record;
    await this.cache.put(CachedPieces.#address(key, whole / pieceBytes), new Response(piece));
    this.record.whole += piece.length;
    await this.save();
  }

  async restart() {
    this.record.whole = 0;
    this.record.isDone = false;
    await this.save();
  }

  async save() {
    await this.cache.put(CachedPieces.#address(this.record.key, "record"), Response.json(this.record));
  }

  async reader() {
    const { key, whole, pieceBytes } = this.record;
    const pieces = Array.from({ length: Math.ceil(whole / pieceBytes) }, async (_, index) => {
      const piece = await this.cache.match(CachedPieces.#address(key, index));
      return piece.blob();
    });
    return readerOf(new Blob(await Promise.all(pieces)), "cache");
  }

  release() {}

  // Nothing is ever asked of this address: the Cache API wants one.
  static #address(key, part) {
    return new URL(`/medley-models/${key}/${part}`, location.origin).href;
  }
}

class MemoryPieces {
  pieces = [];

  constructor(key) {
    this.record = emptyRecord(key);
  }

  async append(piece) {
    // A blob may lie on the browser's disk; an array never does.
    this.pieces.push(new Blob([piece]));
    this.record.whole += piece.length;
  }

  async restart() {
    this.pieces = [];
    Object.assign(this.record, { whole: 0, isDone: false });
  }

  async save() {}

  async reader() {
    return readerOf(new Blob(this.pieces), "memory");
  }

  release() {}
}
