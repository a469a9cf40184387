/**
 * How long `prepareOnnx` takes as a model grows: blocks of one kind in a row, twice as many nodes from column to
 * column. Each time is what the processor spent, whatever else the machine does, the least of a few rounds; with
 * its ratio to that of half the nodes.
 *
 * Run: `deno task bench:prepare`, or with kinds of blocks as arguments.
 *
 * @module
 */
import { processorTime } from "../lib/files/processor_time.ts";
import { type OnnxModel, prepareOnnx } from "../mod.ts";
import { loadMessages } from "../lib/onnx/file/messages.ts";
import { GraphEditor } from "../lib/onnx/graph/graph_editor.ts";
import { newModel } from "../lib/onnx/graph/new_model.ts";

const SIZES = [600, 1200, 2400, 4800, 9600];
const ROUNDS = 3;

/** Adds one block behind a value and returns the last one. */
type Block = (graph: GraphEditor, x: string, index: number) => string;

/** Blocks that repeat, and what stands around them. */
interface Kind {
  /** How many nodes a block has. */
  readonly nodes: number;
  readonly shape: readonly number[];
  readonly block: Block;
  readonly before?: Block;
  readonly after?: Block;
}

const number = (graph: GraphEditor, value: number) => graph.constant("n", "float32", [], [value]);
const row = (graph: GraphEditor, values: readonly number[]) =>
  graph.constant("row", "float32", [values.length], values);
const conv: Block = (graph, x, i) =>
  graph.add("conv", "Conv", [
    x,
    graph.constant("w", "float32", [2, 2, 1, 1], [0.5, i / 1e4, -0.5, 1]),
  ]);
const layerNorm: Block = (graph, x) => {
  const axes = { axes: { ints: [-1] } };
  const d = graph.add("n", "Sub", [x, graph.add("n", "ReduceMean", [x], axes)]);
  const square = graph.add("n", "Pow", [d, number(graph, 2)]);
  const variance = graph.add("n", "ReduceMean", [square], axes);
  const std = graph.add("n", "Sqrt", [graph.add("n", "Add", [variance, number(graph, 1e-5)])]);
  const scaled = graph.add("n", "Mul", [
    graph.add("n", "Div", [d, std]),
    row(graph, [1, 2, 3, 4]),
  ]);
  return graph.add("n", "Add", [scaled, row(graph, [4, 3, 2, 1])]);
};
const mulAdd: Block = (graph, x) =>
  graph.add("s", "Add", [graph.add("s", "Mul", [x, number(graph, 0.99)]), number(graph, 0.01)]);
const relu: Block = (graph, x) => graph.add("r", "Relu", [x]);

const IMAGE = [1, 2, 4, 4];
const ROW = [1, 4];
const KINDS: Readonly<Record<string, Kind>> = {
  "LayerNorm": { nodes: 9, shape: ROW, block: layerNorm },
  "Conv + BatchNorm": {
    nodes: 2,
    shape: IMAGE,
    block: (graph, x, i) =>
      graph.add("bn", "BatchNormalization", [
        conv(graph, x, i),
        ...[[1, 2], [0, 1], [0, -1], [1, 3]].map((values) => row(graph, values)),
      ]),
  },
  "Mul + Add after Conv": { nodes: 2, shape: IMAGE, before: conv, block: mulAdd },
  "Mul + Add before Conv": { nodes: 2, shape: IMAGE, before: relu, block: mulAdd, after: conv },
  "Div + Mul": {
    nodes: 2,
    shape: IMAGE,
    before: relu,
    block: (graph, x) =>
      graph.add("f", "Mul", [
        graph.add("f", "Div", [x, number(graph, 1.01)]),
        number(graph, 1.02),
      ]),
  },
  "Identity + Reshape": {
    nodes: 2,
    shape: IMAGE,
    block: (graph, x) =>
      graph.add("m", "Reshape", [
        graph.add("m", "Identity", [x]),
        graph.constant("shape", "int64", [4], [0, 0, 0, 0]),
      ]),
  },
  "MatMul + Add": {
    nodes: 2,
    shape: ROW,
    block: (graph, x) => {
      const weight = graph.constant("w", "float32", [4, 4], Array(16).fill(0.1));
      return graph.add("g", "Add", [
        graph.add("g", "MatMul", [x, weight]),
        row(graph, [1, 2, 3, 4]),
      ]);
    },
  },
};

const messages = await loadMessages("bench");

function modelOf({ nodes, shape, before, block, after = relu }: Kind, size: number): OnnxModel {
  const model = newModel(messages, {
    name: "bench",
    opset: 13,
    input: [messages.valueInfo("x", "float32", shape)],
    output: [messages.valueInfo("y", "float32")],
  });
  const editor = new GraphEditor(model.graph, messages);
  let x = before ? before(editor, "x", 0) : "x";
  for (let i = 0; i < size / nodes; i++) x = block(editor, x, i);
  editor.append(editor.node("end", "Sigmoid", [after(editor, x, 0)], ["y"]));
  editor.apply();
  return model;
}

async function milliseconds(kind: Kind, size: number): Promise<number> {
  let least = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const model = modelOf(kind, size);
    const start = processorTime();
    await prepareOnnx(model);
    least = Math.min(least, processorTime() - start);
  }
  return least;
}

const wanted = Deno.args.length ? Deno.args : Object.keys(KINDS);
const rows: Record<string, Record<string, string>> = {};
for (const name of wanted) {
  const kind = KINDS[name];
  if (!kind) throw new Error(`there is no ${name}; kinds are ${Object.keys(KINDS).join(", ")}`);
  await milliseconds(kind, SIZES[0]); // compiled now
  let before: number | undefined;
  rows[name] = {};
  for (const size of SIZES) {
    const ms = await milliseconds(kind, size);
    rows[name][size] = `${ms.toFixed(0)} ms${before ? ` ×${(ms / before).toFixed(2)}` : ""}`;
    before = ms;
  }
}
console.table(rows);
