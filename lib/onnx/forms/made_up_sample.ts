/**
 * Inputs for models of which nobody gave a sample.
 *
 * @module
 */
import type { OnnxDataType } from "../file/data_type.ts";
import type { OnnxModel } from "../file/model.ts";
import { elementCount, tensorDims } from "../file/tensor_data.ts";
import { isOp } from "../graph/operator.ts";
import { GraphView } from "../graph/graph_view.ts";
import { ShapeFacts } from "../graph/infer_shapes.ts";
import {
  type OnnxElements,
  type OnnxFeed,
  type OnnxFeeds,
  OnnxRuntime,
  type OnnxValueInfo,
} from "../run/runtime.ts";

/** Lengths that are tried for sizes which are left open. */
const LENGTHS = [8, 32, 64, 224, 1];

/** Elements of an input beyond which none is made up. */
const MOST_ELEMENTS = 1 << 24;

/** Operators that an index goes through. */
const PASSES = ["Cast", "Identity", "Reshape", "Slice", "Squeeze", "Unsqueeze"];

/** How open sizes are filled in, and where the numbers begin. */
interface Filling {
  readonly length: number;
  readonly batch: number;
  readonly seed: number;
}

/** The size of a dimension of which at most a name is known. */
function openSize(name: string | undefined, { batch, length }: Filling): number {
  // Exporters write sums, as of what was said before and what is said now.
  const parts = (name ?? "").split("+").map((part) => part.trim());
  return parts.reduce((sum, part) => {
    const number = /^\d+$/.test(part) ? Math.min(Number(part), MOST_ELEMENTS) : undefined;
    return sum + (number ?? (/batch/i.test(part) ? batch : /past/i.test(part) ? 0 : length));
  }, 0);
}

/** How many rows the tables have that values are looked up in. */
function tableSizes({ graph }: OnnxModel): Map<string, number> {
  const facts = new ShapeFacts(graph);
  const { view } = facts;
  const found = new Map<string, number>();
  for (const node of graph.node) {
    const table = isOp(node, "Gather") ? facts.constant(node.input[0]) : undefined;
    const rows = table && tensorDims(table)[0];
    if (!rows) continue;
    let [, name] = node.input;
    for (let maker = view.producer(name); maker && isOp(maker, ...PASSES);) {
      [name] = maker.input;
      maker = view.producer(name);
    }
    if (view.isInput(name)) found.set(name, Math.min(rows, found.get(name) ?? rows));
  }
  return found;
}

/** Elements that look random, the same each time. */
function elements(
  dtype: OnnxDataType,
  count: number,
  rows: number,
  seed: number,
): OnnxElements | undefined {
  let state = seed;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const floats = () => Float32Array.from({ length: count }, () => 2 * random() - 1);
  const index = () => rows > 2 ? Math.floor(random() * rows) : rows - 1;
  switch (dtype) {
    case "float32":
      return floats();
    case "float64":
      return Float64Array.from(floats());
    case "float16": {
      const { Float16Array: halves } = globalThis as { Float16Array?: Float16ArrayConstructor };
      return halves ? new halves(floats()) : floats();
    }
    case "int64":
      return BigInt64Array.from({ length: count }, () => BigInt(index()));
    case "int32":
      return Int32Array.from({ length: count }, index);
    case "uint8":
      return Uint8Array.from({ length: count }, () => Math.floor(256 * random()));
    case "bool":
      return new Uint8Array(count).fill(1);
  }
}

/** A tensor for an input; nothing if none can be made. */
function feedFor(
  { dims, dtype }: OnnxValueInfo,
  filling: Filling,
  rows: number,
): OnnxFeed | undefined {
  if (!dims) return undefined;
  const sizes = dims.map((size, i) => {
    if (typeof size === "number") return size;
    return size === undefined && i === 0 ? filling.batch : openSize(size, filling);
  });
  const count = elementCount(sizes);
  const data = count <= MOST_ELEMENTS ? elements(dtype, count, rows, filling.seed) : undefined;
  return data && { data, dims: sizes };
}

/**
 * Inputs that a float model takes: random floats, rows of tables where these are looked up, ones for other integers;
 * sizes that are left open have the first length with which it runs.
 *
 * @param where opens the errors.
 * @param count how many samples there are, each with numbers of its own.
 * @param lengths that are tried for sizes which are left open.
 * @param batch the size of a batch that is left open.
 * @returns none if none were found.
 */
export async function madeUpSamples(
  where: string,
  model: OnnxModel,
  count: number,
  lengths: readonly number[] = LENGTHS,
  batch = 1,
): Promise<OnnxFeeds[]> {
  const view = new GraphView(model.graph);
  if (view.inputs.length === 0) return [{}];
  const rows = tableSizes(model);
  const make = (inputs: readonly OnnxValueInfo[], filling: Filling) => {
    const feeds = inputs.map((input, i) =>
      [
        input.name,
        feedFor(input, { ...filling, seed: filling.seed + i }, rows.get(input.name) ?? 2),
      ] as const
    );
    return feeds.every(([, feed]) => feed) ? Object.fromEntries(feeds) as OnnxFeeds : undefined;
  };
  try {
    await using runtime = await OnnxRuntime.open(where, model);
    for (const length of lengths) {
      const sample = make(runtime.inputs, { length, batch, seed: 1 });
      if (!sample || !await runs(runtime, sample)) continue;
      const more = Array.from(
        { length: count - 1 },
        (_, i) => make(runtime.inputs, { length, batch, seed: 1000 * (i + 1) })!,
      );
      return [sample, ...more];
    }
  } catch {
    // What keeps it from opening is said when it is to run.
  }
  return [];
}

/** Whether a model takes a sample; other lengths may fit. */
async function runs(runtime: OnnxRuntime, sample: OnnxFeeds): Promise<boolean> {
  return await runtime.run(sample).then(() => true, () => false);
}

/** One such sample, if there is one. */
export async function madeUpSample(
  where: string,
  model: OnnxModel,
): Promise<OnnxFeeds | undefined> {
  return (await madeUpSamples(where, model, 1))[0];
}
