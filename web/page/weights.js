// Brings a model into this browser: in pieces, checked, kept as they arrive, gone on with where it broke off.

import { nameAt, textsBeside, textsOf } from "./folder.js";
import { discard, openStore, readerOf, stored } from "./storage.js";

/** What is in memory at once of a model on its way into storage; a manifest may ask for less. */
const MAX_PIECE_BYTES = 64 * 2 ** 20;
/** For files without a manifest. */
const PIECE_BYTES = 16 * 2 ** 20;
const RETRIES = 2;

/**
 * Opens `{ file, beside }`, `{ url }` or `{ manifest }` for reading, after fetching what is not here yet.
 *
 * `report(done, total)` hears of bytes; `total` is null where the server does not say.
 * Returns `{ size, read(offset, length), close(), isChecked, place, files }`; `files` are the texts beside the weights.
 */
export async function openWeights(source, report, signal) {
  if (source.file) return { ...readerOf(source.file, "disk"), isChecked: false, files: await textsOf(source.beside ?? {}) };
  const plan = source.manifest ? await readManifest(source.manifest, signal) : await planFor(source.url);
  // Two pages of this site fetch a model once.
  return alone(plan.key, signal, async () => {
    const store = await openStore(plan.key);
    try {
      await download(plan, store, report, signal);
      await dropOlder(plan);
      const { isChecked, files } = store.record;
      return { ...(await store.reader()), isChecked, files };
    } catch (error) {
      store.release();
      throw error;
    }
  });
}

async function readManifest(address, signal) {
  let manifest;
  try {
    const response = await fetch(address, { signal, cache: "no-cache" });
    if (!response.ok) throw failed("HttpError", `status ${response.status}`, { status: response.status });
    manifest = await response.json();
  } catch (error) {
    if (error.name === "HttpError" || error.name === "AbortError") throw error;
    const kept = (await stored()).find((record) => record.address === address && record.isDone);
    if (kept) return { ...kept, pieces: null };
    throw broken(0, null, error);
  }
  const { name, file, bytes, sha256, pieceBytes, pieces } = manifest;
  const isSound = bytes > 0 && pieceBytes > 0 && pieceBytes <= MAX_PIECE_BYTES && pieces?.length === Math.ceil(bytes / pieceBytes);
  if (!isSound) throw failed("DamagedError", "the manifest contradicts itself");
  return { key: sha256, name, address, url: new URL(file, address).href, bytes, pieceBytes, pieces };
}

async function planFor(url) {
  return { key: await keyOf(url), name: nameAt(url), address: url, url, bytes: null, pieceBytes: PIECE_BYTES, pieces: null };
}

async function keyOf(url) {
  const bytes = new TextEncoder().encode(url);
  // Without a secure context there is no digest, and nothing is kept beyond this page either.
  return globalThis.crypto?.subtle ? digest(bytes) : url.replace(/[^\w.-]/g, "_");
}

async function alone(key, signal, task) {
  if (!navigator.locks) return task();
  return navigator.locks.request(`medley-model-${key}`, { signal }, task);
}

async function download(plan, store, report, signal) {
  const { record } = store;
  if (record.isDone) {
    report(record.whole, record.whole);
    return;
  }
  if (record.pieceBytes !== plan.pieceBytes) await store.restart();
  const isChecked = Boolean(plan.pieces && globalThis.crypto?.subtle);
  Object.assign(record, { name: plan.name, address: plan.address, pieceBytes: plan.pieceBytes, bytes: plan.bytes ?? record.bytes, isChecked });
  await checkRoom(record);
  report(record.whole, record.bytes);
  // They are small, and without them the large file is of no use.
  if (!plan.pieces) plan.files = await textsBeside(plan.url, (address) => fetchText(address, record, signal));
  let failures = 0;
  while (!record.isDone) {
    const before = record.whole;
    try {
      await fetchSome(plan, store, report, signal);
      failures = 0;
    } catch (error) {
      if (signal.aborted) throw failed("AbortError", "cancelled");
      failures = record.whole > before ? 1 : failures + 1;
      // A damaged piece is asked for once more: a proxy may have cut it.
      const limit = error.name === "DamagedError" ? 1 : RETRIES;
      const mayPass = error.name === "NetworkError" || error.name === "DamagedError";
      if (!mayPass || failures > limit || !navigator.onLine) throw error;
      await pause(500 * 2 ** failures, signal);
    }
  }
}

/** A text; null where the server has none. */
async function fetchText(address, record, signal) {
  try {
    const response = await fetch(address, { signal, cache: "no-cache" });
    if (response.status === 404) return null;
    if (!response.ok) throw failed("HttpError", `status ${response.status}`, { status: response.status });
    return await response.text();
  } catch (error) {
    if (error.name === "HttpError" || error.name === "AbortError") throw error;
    throw broken(record.whole, record.bytes, error);
  }
}

/** One request: the next piece, or all the rest from a server that knows no ranges. */
async function fetchSome(plan, store, report, signal) {
  const { record } = store;
  const from = record.whole;
  const to = Math.min(from + record.pieceBytes, record.bytes ?? Infinity) - 1;
  let response;
  try {
    // The browser's cache would keep a second copy.
    response = await fetch(plan.url, { headers: { Range: `bytes=${from}-${to}` }, signal, cache: "no-store" });
  } catch (error) {
    throw broken(from, record.bytes, error);
  }
  const isPartial = response.status === 206;
  if (response.status === 416 && from > 0) return record.bytes === null || record.bytes === from ? finish(plan, store) : store.restart();
  if (response.status >= 500) throw broken(from, record.bytes, new Error(`status ${response.status}`));
  if (!response.ok) throw failed("HttpError", `status ${response.status}`, { status: response.status });

  const total = totalOf(response, isPartial);
  const etag = response.headers.get("etag");
  const isOther = (record.etag && etag && record.etag !== etag) || (record.bytes !== null && total !== null && record.bytes !== total);
  if (isOther && plan.pieces) {
    // The manifest says what is right; each piece shows whether this is.
    record.etag = etag;
  } else if (isOther) {
    Object.assign(record, { etag, bytes: total });
    await response.body?.cancel();
    return store.restart();
  }
  record.etag = etag ?? record.etag;
  if (record.bytes === null && total !== null) {
    record.bytes = total;
    await checkRoom(record);
  }
  const isShort = await cut(plan, store, response, isPartial ? 0 : from, report);
  if (record.whole === record.bytes || (record.bytes === null && (isShort || !isPartial))) await finish(plan, store);
}

/** Cuts a response into pieces and keeps the whole ones; tells whether the last was shorter. */
async function cut(plan, store, response, skip, report) {
  const { record } = store;
  const room = () => Math.min(record.pieceBytes, (record.bytes ?? Infinity) - record.whole);
  let piece = new Uint8Array(room());
  let filled = 0;
  for await (const bytes of chunks(response, record)) {
    let chunk = bytes.subarray(Math.min(skip, bytes.length));
    skip -= bytes.length - chunk.length;
    while (chunk.length > 0 && piece.length > 0) {
      const part = chunk.subarray(0, piece.length - filled);
      piece.set(part, filled);
      filled += part.length;
      chunk = chunk.subarray(part.length);
      report(record.whole + filled, record.bytes);
      if (filled < piece.length) continue;
      await keep(plan, store, piece);
      filled = 0;
      if (room() !== piece.length) piece = new Uint8Array(room());
    }
  }
  if (filled === 0) return false;
  if (record.bytes !== null) throw broken(record.whole, record.bytes, new Error("the response was cut short"));
  await keep(plan, store, piece.subarray(0, filled));
  return true;
}

/** A response's bytes as they arrive; leaving early hangs up. */
async function* chunks(response, record) {
  const reader = response.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error) => {
        throw broken(record.whole, record.bytes, error);
      });
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

async function keep(plan, store, piece) {
  if (store.record.isChecked) {
    const index = Math.floor(store.record.whole / plan.pieceBytes);
    if ((await digest(piece)) !== plan.pieces[index]) throw failed("DamagedError", `piece ${index} does not have its checksum`);
  }
  await store.append(piece);
}

async function finish(plan, store) {
  Object.assign(store.record, { isDone: true, bytes: store.record.whole, files: plan.files ?? {} });
  await store.save();
}

/** An older version of the same model is of no use to anyone. */
async function dropOlder(plan) {
  for (const record of await stored()) {
    if (record.address !== plan.address || record.key === plan.key) continue;
    // Another page of this site may still be reading it.
    await discard(record.key).catch(() => {});
  }
}

function totalOf(response, isPartial) {
  if (isPartial) {
    const total = /\/(\d+)$/.exec(response.headers.get("content-range") ?? "")?.[1];
    return total ? Number(total) : null;
  }
  // The length of a compressed response is not that of the file.
  const length = response.headers.get("content-encoding") ? null : response.headers.get("content-length");
  return length ? Number(length) : null;
}

async function checkRoom({ bytes, whole }) {
  const { quota, usage } = (await navigator.storage?.estimate?.()) ?? {};
  if (bytes && quota && quota - usage < bytes - whole) throw failed("QuotaExceededError", "no room for the model");
}

async function digest(bytes) {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(failed("AbortError", "cancelled"));
    }, { once: true });
  });
}

function broken(done, total, cause) {
  return failed("NetworkError", String(cause?.message ?? cause), { done, total });
}

function failed(name, message, details) {
  return Object.assign(new Error(message), { name, ...details });
}
