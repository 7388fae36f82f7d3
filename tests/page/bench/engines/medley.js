// Medley's module as the page's worker uses it.

const FILES = ["config.json", "vocab.txt"];

export async function open({ page, device, threads, prompt }) {
  const { openEngine } = await import(`/${page}/module.js`);
  const texts = await Promise.all(FILES.map(async (name) => [name, await (await fetch(`/model/${name}`)).text()]));
  const weights = await (await fetch("/model/model.safetensors")).blob();
  const picture = new Uint8Array(await (await fetch("/model/picture.png")).arrayBuffer());
  const reader = new FileReaderSync();
  const read = (offset, length) => new Uint8Array(reader.readAsArrayBuffer(weights.slice(offset, offset + length)));

  const { engine: medley, memory } = await openEngine(device, "bench-fallen", threads);
  medley.load(weights.size, read, () => true, Object.fromEntries(texts));
  return {
    see: () => medley.see(1, picture.slice()).then(() => {}),
    async write(count, heard) {
      const length = prompt.length + count;
      const [best] = await medley.caption(1, { strategy: "greedy", minLength: length, maxLength: length }, () => (heard(), true));
      // The prompt is cut off, and the words of this vocabulary say their ids.
      return best.text.split(" ").map((word) => Number(word.slice(1)));
    },
    memory: () => memory.buffer.byteLength,
  };
}
