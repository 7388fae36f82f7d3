const VERSION = "dev";
const FILES = [];

// Keeps this version of the page, so that it opens without a network. Both lines above are written by the build.
// Models are kept by weights.js. A new version waits until the last page of the old one is closed: a page never
// meets the worker or the module of another version.

const PREFIX = "medley-page-";
const CACHE = PREFIX + VERSION;

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
  return kept ?? fetch(request);
}
