/**
 * Running a model and looking at what it computes on the way.
 *
 * @module
 */
import type { NodeProto } from "../file/proto.ts";
import type { OnnxModel } from "../file/model.ts";
import { type OnnxFeeds, OnnxRuntime } from "../run/runtime.ts";
import { UniqueNames } from "../graph/unique_names.ts";

/** What is known of one activation of one sample. */
export interface SeenActivation {
  /** Its least and greatest value; nothing if one of its values is NaN or infinite. */
  readonly range: { readonly min: number; readonly max: number } | undefined;
  /** Its values, if they were asked for; they are valid until {@linkcode ActivationReader.free} is called. */
  readonly data: Float32Array;
  /** Its shape; that of the data. */
  readonly dims: readonly number[];
}

/** The operators that see a range, in the order of their outputs. */
const REDUCTIONS = ["ReduceMin", "ReduceMax", "ReduceSum"] as const;

/** A model whose outputs are the values, or what the reductions make of them. */
function observedModel(
  model: OnnxModel,
  values: readonly string[],
  rangesOnly: boolean,
): { observed: OnnxModel; outputs: string[][] } {
  const observed = model.clone();
  const { graph, messages } = observed;
  const names = new UniqueNames(graph);
  const made = new Set(graph.node.flatMap(({ output }) => output));
  const nodes: NodeProto[] = [];
  const add = (opType: string, value: string) => {
    const name = names.name(`${value}/${opType}`);
    const attributes: Record<string, { i: number }> = rangesOnly ? { keepdims: { i: 0 } } : {};
    nodes.push(messages.node({ name, opType, input: [value], output: [name], attributes }));
    return name;
  };
  const outputs = values.map((value) => {
    if (rangesOnly) return REDUCTIONS.map((opType) => add(opType, value));
    // An input of a graph cannot be its output as well.
    return [made.has(value) ? value : add("Identity", value)];
  });
  graph.node = [...graph.node, ...nodes];
  graph.output = outputs.flat().map((name) => messages.valueInfo(name, "float32"));
  return { observed, outputs };
}

/**
 * Runs samples and gives the activations of each: only their ranges, which onnxruntime finds itself, or their
 * values too.
 */
export class ActivationReader implements AsyncDisposable {
  private constructor(
    private readonly runtime: OnnxRuntime,
    private readonly outputs: readonly (readonly string[])[],
    private readonly rangesOnly: boolean,
  ) {}

  /** Opens a session for the values of a model with these names. */
  static async open(
    where: string,
    model: OnnxModel,
    values: readonly string[],
    options: { rangesOnly: boolean },
  ): Promise<ActivationReader> {
    const { rangesOnly } = options;
    const { observed, outputs } = observedModel(model, values, rangesOnly);
    return new ActivationReader(await OnnxRuntime.open(where, observed), outputs, rangesOnly);
  }

  /** Runs one sample; what is known of each value, in the order of their names. */
  async read(feeds: OnnxFeeds): Promise<SeenActivation[]> {
    if (this.outputs.length === 0) return []; // nothing to run for
    const results = await this.runtime.run(feeds);
    return this.outputs.map((names) => {
      const tensors = names.map((name) => results[name]);
      const arrays = tensors.map(({ data }) => data as Float32Array);
      if (!this.rangesOnly) {
        return { range: scan(arrays[0]), data: arrays[0], dims: tensors[0].dims };
      }
      const [min, max, sum] = arrays.map(([x]) => x);
      // Of nothing, the least is infinite and the greatest negative.
      if (min > max) return { range: { min: 0, max: 0 }, data: new Float32Array(0), dims: [0] };
      const fine = Number.isFinite(min) && Number.isFinite(max) && !Number.isNaN(sum);
      return { range: fine ? { min, max } : undefined, data: Float32Array.of(min, max), dims: [2] };
    });
  }

  /** Gives the memory of activations back now, not when the garbage collector finds them. */
  free(activations: readonly SeenActivation[]): void {
    for (const { data: { buffer } } of activations) {
      if (buffer instanceof ArrayBuffer && !buffer.detached) buffer.transfer(0);
    }
  }

  /** Frees the session. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.runtime.release();
  }
}

/** The least and the greatest number; nothing if one is NaN or infinite. */
function scan(data: Float32Array): { min: number; max: number } | undefined {
  if (data.length === 0) return { min: 0, max: 0 };
  let min = data[0];
  let max = min;
  // Stays 0 for finite numbers and becomes NaN for others.
  let odd = 0;
  for (let i = 0; i < data.length; i++) {
    const x = data[i];
    if (x < min) min = x;
    if (x > max) max = x;
    odd += x * 0;
  }
  return odd === 0 ? { min, max } : undefined;
}
