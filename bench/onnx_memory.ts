/**
 * What the command line holds in memory at most while it quantizes models of a given size: as a multiple of the
 * float model, saved as one file and with external data. Linux only, which tells the peak of a process.
 *
 * Run: `deno task bench:onnx-memory`, or with sizes in MiB as arguments. A model of 2 GiB or more is saved with
 * external data alone. It needs room for two float models among the temporary files.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { loadOnnx, saveOnnx } from "../mod.ts";
import { loadMessages } from "../lib/onnx/file/messages.ts";
import { newModel } from "../lib/onnx/graph/new_model.ts";
import { peakOf } from "./peak_memory.ts";

const SIZES = [384, 2304];
const CLI = fileURLToPath(new URL("../cli.ts", import.meta.url));

/** Numbers that look random, around 0 and so small that products of matrices stay small. */
function noise(count: number, width: number, seed: number): Float32Array<ArrayBuffer> {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 32 - 0.5) * 3.5 / Math.sqrt(width);
  });
}

/** Writes a model of products in a row with external data, one weight after the other, and two samples. */
async function write(folder: string, mebibytes: number): Promise<string> {
  const width = mebibytes >= 2048 ? 8192 : 4096;
  const bytes = 4 * width ** 2;
  const count = Math.max(1, Math.round(mebibytes * 2 ** 20 / bytes));
  const messages = await loadMessages("bench");
  const { protobuf: { create, toBinary }, onnx } = messages;
  const names = Array.from({ length: count }, (_, i) => `w${i}`);
  const model = newModel(messages, {
    name: "products",
    opset: 17,
    input: [messages.valueInfo("x", "float32", ["n", width])],
    output: [messages.valueInfo(`r${count - 1}`, "float32", ["n", width])],
    node: names.flatMap((name, i) => [
      messages.node({
        opType: "MatMul",
        input: [i ? `r${i - 1}` : "x", name],
        output: [`h${i}`],
      }),
      messages.node({ opType: "Relu", input: [`h${i}`], output: [`r${i}`] }),
    ]),
    initializer: names.map((name, i) => {
      const place = { location: "data", offset: String(i * bytes), length: String(bytes) };
      const externalData = Object.entries(place).map(([key, value]) =>
        create(onnx.StringStringEntryProtoSchema, { key, value })
      );
      const dims = [BigInt(width), BigInt(width)];
      const parts = { name, dims, dataType: 1, dataLocation: 1, externalData };
      return create(onnx.TensorProtoSchema, parts);
    }),
  });
  using data = await Deno.open(`${folder}/data`, { write: true, create: true });
  for (let row = 0; row < count * width; row += 64) {
    const rows = new Uint8Array(noise(64 * width, width, row).buffer);
    for (let at = 0; at < rows.length;) at += await data.write(rows.subarray(at));
  }
  await Deno.writeFile(`${folder}/external.onnx`, toBinary(onnx.ModelProtoSchema, model.proto));
  const lines = [1, 2].map((i) => JSON.stringify({ x: [Array.from(noise(width, 1, i))] }));
  await Deno.writeTextFile(`${folder}/samples.jsonl`, lines.join("\n"));
  return `${folder}/external.onnx`;
}

/** Quantizes a model in a process of its own. */
async function measure(folder: string, path: string, bytes: number) {
  const out = `${folder}/quantized.onnx`;
  const start = performance.now();
  const args = ["run", "-A", CLI, "quantize", path, "--data", `${folder}/samples.jsonl`];
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args, "--out", out, "--force"],
    stdout: "null",
  }).spawn();
  const peak = await peakOf(child);
  if (!(await child.status).success) throw new Error(`bench: ${path} was not quantized`);
  return {
    "float, MB": Math.round(bytes / 1e6),
    "quantized, MB": Math.round((await Deno.stat(out)).size / 1e6),
    "peak, MB": Math.round(peak / 1e6),
    "times": (peak / bytes).toFixed(2),
    "seconds": ((performance.now() - start) / 1000).toFixed(1),
  };
}

const rows: Record<string, Awaited<ReturnType<typeof measure>>> = {};
for (const size of Deno.args.length ? Deno.args.map(Number) : SIZES) {
  const folder = await Deno.makeTempDir();
  try {
    const external = await write(folder, size);
    const { size: bytes } = await Deno.stat(`${folder}/data`);
    rows[`${size} MiB, external data`] = await measure(folder, external, bytes);
    if (bytes >= 2 ** 31) continue;
    const single = `${folder}/single.onnx`;
    await saveOnnx(await loadOnnx(external), single);
    rows[`${size} MiB, one file`] = await measure(folder, single, bytes);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
console.table(rows);
