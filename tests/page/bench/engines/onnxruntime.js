// onnxruntime-web over the graphs of export.py, keys and values kept between tokens.

const MODULES = { wasm: "/ort/ort.wasm.min.mjs", webgpu: "/ort/ort.webgpu.min.mjs" };

export async function open({ provider = "wasm", threads = 1, prompt, barred, isEncoderOnly = false }) {
  const ort = await import(MODULES[provider]);
  ort.env.wasm.wasmPaths = "/ort/";
  ort.env.wasm.numThreads = threads;
  // A software adapter counts as a fallback.
  ort.env.webgpu.forceFallbackAdapter = true;
  const session = (name) => ort.InferenceSession.create(`/model/${name}.onnx`, { executionProviders: [provider], graphOptimizationLevel: "all" });
  const encoder = await session("encoder");
  const first = isEncoderOnly ? null : await session("first");
  const step = isEncoderOnly ? null : await session("step");
  const ids = (values) => new ort.Tensor("int64", BigInt64Array.from(values, BigInt), [1, values.length]);
  const pixels = new ort.Tensor("float32", new Float32Array(await (await fetch("/model/pixels.f32")).arrayBuffer()), [1, 3, 384, 384]);

  let states;
  return {
    async see() {
      ({ states } = await encoder.run({ pixels }));
      return Array.from(states.data.subarray(0, 8));
    },
    async write(count, heard) {
      const { logits, ...caches } = await first.run({ ids: ids(prompt), states });
      const written = [best(logits.data, barred)];
      heard();
      while (written.length < count) {
        const position = ids([prompt.length + written.length - 1]);
        const { logits, ...grown } = await step.run({ ids: ids(written.slice(-1)), position, ...caches });
        for (const [name, tensor] of Object.entries(grown)) caches[name.replace("new.", "")] = tensor;
        written.push(best(logits.data, barred));
        heard();
      }
      return written;
    },
    memory: () => 0,
  };
}

function best(scores, barred) {
  let found = barred === 0 ? 1 : 0;
  for (let id = 0; id < scores.length; id++) if (scores[id] > scores[found] && id !== barred) found = id;
  return found;
}
