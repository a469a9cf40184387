/**
 * What goes together in what layers read: the products of their inputs with each other, added up by onnxruntime.
 *
 * @module
 */
import type { OnnxSamples } from "../calibration/calibrate.ts";
import type { OnnxModel } from "../file/model.ts";
import { OnnxError } from "../file/onnx_error.ts";
import { GraphEditor } from "../graph/graph_editor.ts";
import { removeUnusedInitializers, removeUnusedNodes } from "../graph/unused.ts";
import { copyFeeds, type OnnxFeeds, OnnxRuntime } from "../run/runtime.ts";

/** A value that layers read, and how long its rows are. */
export interface ReadValue {
  readonly name: string;
  readonly columns: number;
}

/** What is to be added up, and over what. */
export interface ProductsJob {
  /** Opens the errors. */
  readonly where: string;
  readonly model: OnnxModel;
  /** In the order of the graph. */
  readonly values: readonly ReadValue[];
  readonly samples: OnnxSamples;
  /** Ends the work after the sample that it is at. */
  readonly signal?: AbortSignal;
}

/** `XᵀX` over all rows of a value, columns × columns. */
export interface InputProducts extends ReadValue {
  /** They are gone when who is told of them returns. */
  readonly products: Float32Array<ArrayBuffer>;
}

/** Bytes of sums that are held at a time, if samples can be run as often as one likes. */
const AT_A_TIME = 12 << 20;

/** Whether samples can be gone through again: what makes them for one turn gives itself. */
function isOneTurn(samples: OnnxSamples): boolean {
  const from = samples as Partial<Iterable<unknown> & AsyncIterable<unknown>>;
  const turn: unknown = from[Symbol.asyncIterator]?.() ?? from[Symbol.iterator]?.();
  return turn === samples;
}

/** Values whose sums are held together: neighbours, so that most of the graph is left out for the first of them. */
function groupsOf(values: readonly ReadValue[], most: number): ReadValue[][] {
  const groups: ReadValue[][] = [];
  let bytes = 0;
  for (const value of values) {
    const own = 4 * value.columns ** 2;
    if (groups.length === 0 || bytes + own > most) [bytes] = [0, groups.push([])];
    bytes += own;
    groups.at(-1)!.push(value);
  }
  return groups;
}

/** The part of a model that makes some values, with their products as its outputs. */
function productsModel(
  model: OnnxModel,
  values: readonly ReadValue[],
): { model: OnnxModel; outputs: string[] } {
  const made = model.clone();
  const { graph, messages } = made;
  const editor = new GraphEditor(graph, messages);
  const outputs = values.map(({ name, columns }) => {
    const shape = editor.constant(`rows_of_${columns}`, "int64", [2], [-1, columns]);
    const [rows, turned, products] = ["rows", "turned", "products"].map((part) =>
      editor.name(`${name}/${part}`)
    );
    const nodes = [
      editor.node(rows, "Reshape", [name, shape], [rows]),
      editor.node(turned, "Transpose", [rows], [turned]),
      editor.node(products, "MatMul", [turned, rows], [products]),
    ];
    const producer = editor.view.producer(name);
    if (producer) editor.insertAfter(producer, ...nodes);
    else editor.prepend(...nodes);
    return products;
  });
  editor.apply();
  graph.output = outputs.map((name) => messages.valueInfo(name, "float32"));
  removeUnusedNodes(graph);
  removeUnusedInitializers(graph);
  graph.valueInfo = [];
  return { model: made, outputs };
}

/** The sums of some values, and a copy of the first sample; nothing if there are no samples. */
async function sumsOf(
  { where, model, samples, signal }: ProductsJob,
  values: readonly ReadValue[],
): Promise<{ sums: Float32Array<ArrayBuffer>[]; first: OnnxFeeds } | undefined> {
  const part = productsModel(model, values);
  const sums = values.map(({ columns }) => new Float32Array(columns ** 2));
  await using runtime = await OnnxRuntime.open(where, part.model);
  let first: OnnxFeeds | undefined;
  let count = 0;
  for await (const feeds of samples) {
    signal?.throwIfAborted();
    first ??= await copyFeeds(feeds);
    const outputs = await runtime.run(feeds);
    for (const [i, name] of part.outputs.entries()) {
      const more = outputs[name].data as Float32Array<ArrayBuffer>;
      checkFinite(where, more, values[i], count);
      const sum = sums[i];
      for (let k = 0; k < sum.length; k++) sum[k] += more[k];
      // Now, not when the garbage collector finds it.
      more.buffer.transfer(0);
    }
    count++;
  }
  return first && { sums, first };
}

/**
 * Adds up the products of what layers read, some values at a time, so that memory stays small: of samples that can be gone
 * through again, such as an array, all are run for each of these.
 *
 * @param seen is told of a value once it is known.
 * @returns a copy of the first sample.
 * @throws {OnnxError} if there are no samples, or what was seen is not finite.
 */
export async function inputProducts(
  job: ProductsJob,
  seen: (products: InputProducts) => void,
): Promise<OnnxFeeds> {
  const { values, samples, where } = job;
  let first: OnnxFeeds | undefined;
  for (const group of groupsOf(values, isOneTurn(samples) ? Infinity : AT_A_TIME)) {
    const found = await sumsOf(job, group);
    if (!found) break;
    first ??= found.first;
    for (const value of group) {
      const products = found.sums.shift()!;
      seen({ ...value, products });
      products.buffer.transfer(0);
    }
  }
  if (first) return first;
  throw new OnnxError(
    `${where}: there are no samples, and no inputs were found that the float model takes; give some as data`,
  );
}

/** @throws {OnnxError} if a square in the products is none of a finite number. */
function checkFinite(
  where: string,
  products: Float32Array,
  { name, columns }: ReadValue,
  sample: number,
): void {
  for (let k = 0; k < columns; k++) {
    if (Number.isFinite(products[k * columns + k])) continue;
    throw new OnnxError(
      `${where}: ${
        JSON.stringify(name)
      } holds a NaN, an infinity or a number whose square is one in sample ` +
        `${sample} (counted from 0); leave that sample out, or mend it`,
    );
  }
}
