// Serves folders to this machine so that their pages may share memory between threads.

import { createReadStream, statSync } from "node:fs";
import http from "node:http";
import { extname, join, normalize } from "node:path";
import { pipeline } from "node:stream";

const TYPES = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".json": "application/json", ".wasm": "application/wasm" };

/** A server of `{ path: folder }` on a free port of 127.0.0.1. */
export async function serve(folders) {
  const server = http.createServer((request, response) => {
    const [, first, rest] = /^\/([^/]*)\/(.*)$/.exec(normalize(decodeURIComponent(new URL(request.url, "http://localhost").pathname))) ?? [];
    const path = first in folders ? join(folders[first], rest) : "";
    const stat = path ? statSync(path, { throwIfNoEntry: false }) : undefined;
    if (!stat?.isFile()) return response.writeHead(404).end();
    response.writeHead(200, {
      "Content-Length": stat.size,
      "Content-Type": TYPES[extname(path)] ?? "application/octet-stream",
      "Cross-Origin-Embedder-Policy": "require-corp",
      "Cross-Origin-Opener-Policy": "same-origin",
    });
    pipeline(createReadStream(path), response, () => {});
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { address: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() };
}
