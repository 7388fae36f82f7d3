// An engine in its thread: opens it, lets it see the picture and write, and says how long each took.
//
// An engine is a module with `open(options)`, which answers `{ see, write, memory }`:
// `see()` runs the image encoder and answers its first numbers, or nothing;
// `write(count, heard)` writes so many tokens, greedily, tells `heard` after each and answers their ids;
// `memory()` is what its module holds, in bytes, where that can be known.

let engine;

const calls = {
  async open({ name, options }) {
    const start = performance.now();
    engine = await (await import(`./engines/${name}.js`)).open(options);
    return { ms: performance.now() - start };
  },
  async see() {
    const start = performance.now();
    const states = await engine.see();
    return { ms: performance.now() - start, states };
  },
  async write({ count }) {
    const times = [performance.now()];
    const ids = await engine.write(count, () => times.push(performance.now()));
    const [first, ...later] = times.slice(1).map((time, index) => time - times[index]);
    return { first, later, ids };
  },
  memory: () => engine.memory(),
};

self.addEventListener("message", async ({ data: { call, args } }) => {
  try {
    postMessage({ result: await calls[call](args ?? {}) });
  } catch (error) {
    postMessage({ error: String(error?.stack ?? error) });
  }
});
