// candle's captioner, as candle/src/lib.rs exports it.

const FIRST = 8;

export async function open({ layers, prompt, barred }) {
  const module = await WebAssembly.compileStreaming(fetch("/candle/candle_page_bench.wasm"));
  // What wasm-bindgen would fill in; nothing here calls it.
  const imports = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    imports[from] ??= {};
    imports[from][name] = () => {
      throw new Error(`${name} is not there`);
    };
  }
  const { exports } = await WebAssembly.instantiate(module, imports);
  const given = (bytes) => {
    const place = exports.reserve(bytes.length);
    new Uint8Array(exports.memory.buffer, place, bytes.length).set(bytes);
    return place;
  };
  const fetched = async (name) => new Uint8Array(await (await fetch(`/model/${name}`)).arrayBuffer());

  const weights = await fetched("model.safetensors");
  exports.load(given(weights), weights.length, layers);
  const pixels = await fetched("pixels.f32");
  const place = given(pixels);
  const next = (ids) => {
    new Uint32Array(exports.memory.buffer, words, ids.length).set(ids);
    return exports.next(words, ids.length, barred);
  };
  const words = exports.reserve(4 * prompt.length);
  return {
    see() {
      new Uint8Array(exports.memory.buffer, place, pixels.length).set(pixels);
      exports.see(place, pixels.length, FIRST);
      return Array.from(new Float32Array(exports.memory.buffer, place, FIRST));
    },
    write(count, heard) {
      exports.begin();
      const written = [];
      while (written.length < count) {
        written.push(next(written.length === 0 ? prompt : written.slice(-1)));
        heard();
      }
      return written;
    },
    memory: () => exports.memory.buffer.byteLength,
  };
}
