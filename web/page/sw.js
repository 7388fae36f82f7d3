const VERSION = "dev";
const FILES = [];

// Keeps this version of the page, so that it opens without a network. Both lines above are written by the build.
// Models are kept by weights.js. A new version waits until the last page of the old one is closed: a page never
// meets the worker or the module of another version.

const PREFIX = "medley-page-";
const CACHE = PREFIX + VERSION;
/** Kept when they are first fetched: who has a graphics card never needs threads, and few teach. */
const LATER = ["threads/", "learn/"].map((folder) => new URL(folder, self.registration.scope).href);

self.addEventListener("install", (event) => {
  event.waitUntil(store());
});

self.addEventListener("activate", (event) => {
  event.waitUntil(clean());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (FILES.length === 0 || request.method !== "GET" || url.origin !== location.origin) return;
  // Pieces of a model are asked for by range.
  if (request.headers.has("range")) return;
  event.respondWith(answer(request));
});

async function store() {
  const cache = await caches.open(CACHE);
  // The browser's own cache may hold a file of an older version: the server is asked whether it is still right.
  await cache.addAll(FILES.map((file) => new Request(file, { cache: "no-cache" })));
}

async function clean() {
  for (const name of await caches.keys()) {
    if (name.startsWith(PREFIX) && name !== CACHE) await caches.delete(name);
  }
}

async function answer(request) {
  const cache = await caches.open(CACHE);
  const isHome = request.mode === "navigate" && new URL(request.url).pathname === new URL(self.registration.scope).pathname;
  // The query chooses an engine; it never names another file.
  const kept = await cache.match(isHome ? "index.html" : request, { ignoreSearch: true });
  if (kept) return isolated(kept);
  const fetched = await fetch(request);
  if (fetched.ok && LATER.some((folder) => request.url.startsWith(folder))) await cache.put(request, fetched.clone());
  return isolated(fetched);
}

/** With the headers that let threads share memory, for hosts that do not send them. */
function isolated(response) {
  if (response.type !== "basic" && response.type !== "default") return response;
  const { body, status, statusText } = response;
  const headers = new Headers(response.headers);
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "require-corp");
  return new Response(body, { status, statusText, headers });
}
