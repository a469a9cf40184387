/**
 * Running a model and looking at what it computes on the way.
 *
 * @module
 */
import type { NodeProto } from "../file/proto.ts";
import type { OnnxModel } from "../file/model.ts";
import { type OnnxFeeds, type OnnxOutput, OnnxRuntime } from "../run/runtime.ts";
import { producers } from "../file/topological_order.ts";
import { UniqueNames } from "../graph/unique_names.ts";

/** What is known of one activation of one sample. */
export interface SeenActivation {
  /** Its least and greatest value; nothing if one of its values is NaN or infinite. */
  readonly range: { readonly min: number; readonly max: number } | undefined;
  /**
   * Its values, or if only ranges were asked for the least and the greatest; they are valid until
   * {@linkcode ActivationReader.free} is called.
   */
  readonly data: Float32Array;
  /** Its shape; that of the data. */
  readonly dims: readonly number[];
}

/** The operators that see a range, in the order of their outputs. */
const REDUCTIONS = ["ReduceMin", "ReduceMax", "ReduceSum"] as const;

/** Values that reductions are added for at once; the time that onnxruntime takes to open them grows faster than they. */
const MOST_REDUCED = 512;

/** Bytes of one sample's activations that are read in less time than their reductions are opened in. */
const READ_BYTES = 1 << 26;

/** A model whose outputs are the values, or what the reductions make of them. */
function observedModel(
  model: OnnxModel,
  values: readonly string[],
  reduced: boolean,
): { observed: OnnxModel; outputs: string[][] } {
  const observed = model.clone();
  const { graph, messages } = observed;
  const names = new UniqueNames(graph);
  const made = producers(graph);
  // Right behind what makes them: onnxruntime takes a time that grows with the square of how far away they are.
  const first: NodeProto[] = [];
  const after = new Map<NodeProto, NodeProto[]>();
  const add = (opType: string, value: string) => {
    const name = names.name(`${value}/${opType}`);
    const attributes: Record<string, { i: number }> = reduced ? { keepdims: { i: 0 } } : {};
    const node = messages.node({ name, opType, input: [value], output: [name], attributes });
    const maker = made.get(value);
    if (!maker) first.push(node);
    else if (!after.get(maker)?.push(node)) after.set(maker, [node]);
    return name;
  };
  const outputs = values.map((value) => {
    if (reduced) return REDUCTIONS.map((opType) => add(opType, value));
    // An input of a graph cannot be its output as well.
    return [made.has(value) ? value : add("Identity", value)];
  });
  graph.node = [...first, ...graph.node.flatMap((node) => [node, ...after.get(node) ?? []])];
  graph.output = outputs.length > 0
    ? outputs.flat().map((name) => messages.valueInfo(name, "float32"))
    : graph.output.filter(({ type }) => type?.value.case === "tensorType");
  return { observed, outputs };
}

/** A session that gives what is looked at, and the names of that for each value. */
interface Observed {
  readonly runtime: OnnxRuntime;
  readonly outputs: readonly (readonly string[])[];
  /** Whether it gives what reductions make of the values, not these themselves. */
  readonly reduced: boolean;
}

/**
 * Runs samples and gives the activations of each: only their ranges, or their values too. Ranges are found by
 * onnxruntime itself; if there are very many, the values are read for them, unless they turn out to be large.
 */
export class ActivationReader implements AsyncDisposable {
  private constructor(
    private readonly rangesOnly: boolean,
    private readonly openObserved: (reduced: boolean) => Promise<Observed>,
    private observed: Observed,
  ) {}

  /** Opens a session for the values of a model with these names. */
  static async open(
    where: string,
    model: OnnxModel,
    values: readonly string[],
    options: { rangesOnly: boolean; threads?: number },
  ): Promise<ActivationReader> {
    const { rangesOnly, threads } = options;
    const open = async (reduced: boolean) => {
      const { observed, outputs } = observedModel(model, values, reduced);
      return { runtime: await OnnxRuntime.open(where, observed, { threads }), outputs, reduced };
    };
    const reduced = rangesOnly && values.length <= MOST_REDUCED;
    return new ActivationReader(rangesOnly, open, await open(reduced));
  }

  /** Runs one sample; what is known of each value, in the order of their names. */
  async read(feeds: OnnxFeeds): Promise<SeenActivation[]> {
    const { runtime, outputs, reduced } = this.observed;
    // Where nothing is looked at, it is run all the same, so that a sample that it cannot take is found.
    const results = await runtime.run(feeds);
    const tensors = outputs.map((names) => names.map((name) => results[name]));
    if (reduced) return tensors.map((each) => ofReductions(each.map(numbers)));
    const seen = tensors.map(([tensor]) => new Activation(numbers(tensor), tensor.dims));
    if (!this.rangesOnly) return seen;
    const bytes = seen.reduce((sum, { data }) => sum + data.byteLength, 0);
    const ranges = seen.map(({ range, data }) =>
      data.length === 0 ? nothing() : { range, ...ends(range) }
    );
    this.free(seen);
    if (bytes > READ_BYTES) await this.reduce();
    return ranges;
  }

  /** Has onnxruntime find the ranges from now on. */
  private async reduce(): Promise<void> {
    const { runtime } = this.observed;
    this.observed = await this.openObserved(true);
    await runtime.release();
  }

  /** Gives the memory of activations back now, not when the garbage collector finds them. */
  free(activations: readonly SeenActivation[]): void {
    for (const { data: { buffer } } of activations) {
      // What is empty has none, and may be shared.
      const full = buffer instanceof ArrayBuffer && !buffer.detached && buffer.byteLength > 0;
      if (full) buffer.transfer(0);
    }
  }

  /** Frees the session. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.observed.runtime.release();
  }
}

/** An activation of which nothing but the numbers is known yet. */
class Activation implements SeenActivation {
  private known: SeenActivation["range"] | null = null;

  constructor(readonly data: Float32Array, readonly dims: readonly number[]) {}

  /** Looked for when it is first asked for. */
  get range(): SeenActivation["range"] {
    return this.known === null ? this.known = scan(this.data) : this.known;
  }
}

function numbers({ data }: OnnxOutput): Float32Array {
  return data as Float32Array;
}

/** An activation without elements; one of its own each, for its memory is given back. */
function nothing(): SeenActivation {
  return { range: { min: 0, max: 0 }, data: new Float32Array(0), dims: [0] };
}

/** An activation of which only the ends of its range are left, for those who ask no more. */
export function onlyEnds(seen: SeenActivation): SeenActivation {
  const { data, range } = seen;
  return data.length > 2 ? { range, ...ends(range) } : seen;
}

/** A range as the only values. */
function ends(range: SeenActivation["range"]): Pick<SeenActivation, "data" | "dims"> {
  return { data: Float32Array.of(range?.min ?? NaN, range?.max ?? NaN), dims: [2] };
}

/** What the reductions say of an activation. */
function ofReductions(reductions: readonly Float32Array[]): SeenActivation {
  const [min, max, sum] = reductions.map(([x]) => x);
  // Of nothing, the least is infinite and the greatest negative.
  if (min > max) return nothing();
  const fine = Number.isFinite(min) && Number.isFinite(max) && !Number.isNaN(sum);
  const range = fine ? { min, max } : undefined;
  return { range, ...ends(range) };
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
