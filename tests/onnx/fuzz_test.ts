import { assert } from "@std/assert";
import { GraphView } from "../../lib/onnx/graph/graph_view.ts";
import { loadOnnx } from "../../lib/onnx/file/model_file.ts";
import { OnnxError } from "../../lib/onnx/file/onnx_error.ts";
import { walkGraphs } from "../../lib/onnx/file/subgraphs.ts";
import { readTensor } from "../../lib/onnx/file/tensor_data.ts";
import { manualSeed, nextUniform } from "../../lib/tensor/random.ts";
import { UniqueNames } from "../../lib/onnx/graph/unique_names.ts";
import { fileOf, variedGraph } from "./files.ts";

const FILES = 10_000;

/** A random integer from 0 to below `limit`. */
function random(limit: number): number {
  return Math.floor(nextUniform() * limit);
}

/** Ways to spoil a file at a place, given by the bytes to remove there and those to put instead. */
const spoilers: (() => [number, number[]])[] = [
  () => [1, [random(256)]],
  () => [random(16), []],
  () => [0, Array.from({ length: random(8) + 1 }, () => random(256))],
  () => [1, [0xff]],
  // Lengths and numbers of up to ten bytes.
  () => [1, [...Array(random(9)).fill(0xff), random(128)]],
  () => [4, [random(256), random(256), random(256), random(256)]],
  () => [Infinity, []],
];

function spoil(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  let all = [...bytes];
  for (let times = random(4) + 1; times > 0; times--) {
    const at = random(all.length + 1);
    const [removed, added] = spoilers[random(spoilers.length)]();
    all = [...all.slice(0, at), ...added, ...all.slice(at + removed)];
  }
  return Uint8Array.from(all);
}

/** Looks at all there is in a model; gives the bytes that its tensors took. */
function lookThrough(graph: Parameters<typeof walkGraphs>[0]): number {
  let bytes = 0;
  for (const inner of walkGraphs(graph)) {
    const view = new GraphView(inner);
    for (const node of inner.node) node.input.forEach((name) => [view.type(name), view.uses(name)]);
    for (const tensor of inner.initializer) {
      try {
        const { data } = readTensor(tensor);
        bytes += "byteLength" in data ? data.byteLength : data.length;
      } catch (error) {
        // Complex numbers are whole and yet not read.
        if (!(error instanceof OnnxError && error.message.includes("cannot be read"))) throw error;
      }
    }
  }
  new UniqueNames(graph).name("x");
  return bytes;
}

Deno.test(`loadOnnx: each of ${FILES} spoilt files is a whole model or a clear error`, async () => {
  const file = fileOf(variedGraph());
  manualSeed(5);
  let models = 0;
  for (let i = 0; i < FILES; i++) {
    const bytes = spoil(file);
    try {
      const model = await loadOnnx(bytes);
      models++;
      // Packed elements take up to four times as much as in the file, 1-byte integers eight times.
      assert(lookThrough(model.graph) <= 8 * bytes.length);
      model.toBytes();
    } catch (error) {
      assert(error instanceof OnnxError, `file ${i}: ${error instanceof Error && error.stack}`);
      assert(error.message.startsWith("loadOnnx: ") && error.message.length < 2000, error.message);
    }
  }
  // Some changes do no harm, and most do.
  assert(models > FILES / 50 && models < FILES / 2, `${models} models`);
});

Deno.test("loadOnnx: noise is no model", async () => {
  manualSeed(6);
  for (let i = 0; i < 1000; i++) {
    const noise = Uint8Array.from({ length: random(400) }, () => random(256));
    const error = await loadOnnx(noise).catch((error) => error);
    assert(error instanceof OnnxError, `noise ${i}: ${error}`);
  }
});
