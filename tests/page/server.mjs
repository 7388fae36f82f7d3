// Serves the built page to this machine, as a plain static host would, and breaks on request.

import { readFileSync } from "node:fs";
import http from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository, and the page that web/build.sh made. */
export const root = fileURLToPath(new URL("../../", import.meta.url));
export const dist = process.env.MEDLEY_PAGE ?? join(root, "web/dist");

const TYPES = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".jpg": "image/jpeg",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
  ".wasm": "application/wasm",
  ".webmanifest": "application/manifest+json",
};
/** Bytes written between two looks at whether to break. */
const STEP_BYTES = 256 * 1024;

/** A server on a free port of 127.0.0.1. */
export class Server {
  /** `{ path, range, sent }` of every request, in their order. */
  log = [];
  #http = http.createServer((request, response) => this.#answer(request, response));
  #mounted = [];
  #faults = new Map();
  #isolated = {};
  #policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(readFileSync(join(dist, "index.html"), "utf8"))[1];

  static async start() {
    const server = new Server();
    await new Promise((resolve) => server.#http.listen(0, "127.0.0.1", resolve));
    server.address = `http://127.0.0.1:${server.#http.address().port}/`;
    return server;
  }

  stop() {
    this.#http.close();
    this.#http.closeAllConnections();
  }

  /** Serves the files of folders from here on too, as if they lay in one. */
  mount(path, ...folders) {
    this.#mounted.push({ path, folders });
  }

  /** Hangs up when this many bytes of a file were sent in all; `times` says how often. */
  breakAfter(path, bytes, times = 1) {
    this.#fault(path, { breakAt: bytes, breaks: times, sent: 0 });
  }

  /** Flips a bit of a file's byte. */
  damage(path, offset) {
    this.#fault(path, { damaged: offset });
  }

  /** Sends `change(text)` instead of a file's text. */
  rewrite(path, change) {
    this.#fault(path, { change });
  }

  /** Sends the headers that let threads share memory. */
  isolate() {
    this.#isolated = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };
  }

  /** Serves all as it is again. */
  mend() {
    this.#faults.clear();
    this.#isolated = {};
  }

  /** Bytes sent of a file. */
  sent(path) {
    return this.log.filter((entry) => entry.path === path).reduce((sum, { sent }) => sum + sent, 0);
  }

  #fault(path, fault) {
    this.#faults.set(path, { ...this.#faults.get(path), ...fault });
  }

  #read(path) {
    const mount = this.#mounted.find((mount) => path.startsWith(mount.path));
    const places = mount ? mount.folders.map((folder) => join(folder, path.slice(mount.path.length))) : [join(dist, path)];
    for (const place of places) {
      try {
        return readFileSync(place);
      } catch {
        // It may lie in the next one.
      }
    }
    return null;
  }

  async #answer(request, response) {
    let path = normalize(decodeURIComponent(new URL(request.url, this.address).pathname)).slice(1);
    if (path === "" || path.endsWith("/")) path += "index.html";
    const entry = { path, range: request.headers.range ?? null, sent: 0 };
    this.log.push(entry);
    const fault = this.#faults.get(path) ?? {};
    let bytes = this.#read(path);
    if (!bytes) return response.writeHead(404).end();
    if (fault.change) bytes = Buffer.from(fault.change(bytes.toString()));
    if (fault.damaged !== undefined) bytes[fault.damaged] ^= 1;
    const headers = {
      "Accept-Ranges": "bytes",
      "Cache-Control": "no-cache",
      // A <meta> policy does not reach workers.
      "Content-Security-Policy": this.#policy,
      "Content-Type": TYPES[extname(path)] ?? "application/octet-stream",
      ...this.#isolated,
    };
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(entry.range ?? "") ?? [];
    if (from !== undefined && Number(from) >= bytes.length) return response.writeHead(416).end();
    const part = from === undefined ? bytes : bytes.subarray(Number(from), to === "" ? undefined : Number(to) + 1);
    if (from !== undefined) headers["Content-Range"] = `bytes ${from}-${Number(from) + part.length - 1}/${bytes.length}`;
    response.writeHead(from === undefined ? 200 : 206, { ...headers, "Content-Length": part.length });
    await this.#send(response, part, entry, fault);
  }

  async #send(response, bytes, entry, fault) {
    for (let at = 0; at < bytes.length; at += STEP_BYTES) {
      const step = bytes.subarray(at, at + STEP_BYTES);
      if (fault.breaks > 0 && fault.sent + step.length > fault.breakAt) {
        fault.breaks--;
        response.destroy();
        return;
      }
      if (!response.write(step)) await drained(response);
      if (response.destroyed) return;
      entry.sent += step.length;
      if (fault.breaks > 0) fault.sent += step.length;
    }
    response.end();
  }
}

/** Waits until there is room for more, or nobody to take it. */
function drained(response) {
  return new Promise((resolve) => {
    const end = () => {
      response.off("drain", end).off("close", end);
      resolve();
    };
    response.on("drain", end).on("close", end);
  });
}
