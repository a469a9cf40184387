/**
 * A quantized model whose scales can be changed from run to run.
 *
 * @module
 */
import { attributeOf, intOf } from "../file/attributes.ts";
import type { OnnxModel } from "../file/model.ts";
import type { NodeProto, TensorProto } from "../file/proto.ts";
import { readTensor } from "../file/tensor_data.ts";
import { GraphEditor } from "../graph/graph_editor.ts";
import { removeUnusedInitializers } from "../graph/unused.ts";
import { type OnnxFeeds, type OnnxOutput, OnnxRuntime } from "../run/runtime.ts";

/** A scale and a zero point, of values that share them. */
export interface SimulatedParams {
  readonly type: "uint8" | "int8";
  scale: number;
  zeroPoint: number;
}

/** What a constant DequantizeLinear gives; nothing if it is none, or its integers are in blocks. */
export function dequantized(
  node: NodeProto,
  constants: ReadonlyMap<string, TensorProto>,
): { dims: readonly number[]; data: Float32Array } | undefined {
  const [integers, scale, zeroPoint] = node.input.map((name) => constants.get(name));
  if (node.opType !== "DequantizeLinear" || !integers || !scale) return undefined;
  if (attributeOf(node, "block_size")) return undefined;
  const { data, dims } = readTensor(integers);
  const scales = readTensor(scale).data as Float32Array;
  const zeros = zeroPoint && readTensor(zeroPoint).data as ArrayLike<number>;
  const axis = intOf(node, "axis", 1);
  const at = axis < 0 ? axis + dims.length : axis;
  const inner = dims.slice(at + 1).reduce((a, b) => a * b, 1);
  const each = scales.length;
  return {
    dims,
    data: Float32Array.from(data as ArrayLike<number>, (q, i) => {
      const c = each === 1 ? 0 : Math.floor(i / inner) % each;
      return (Number(q) - Number(zeros?.[c] ?? 0)) * scales[c];
    }),
  };
}

/**
 * A quantized model that computes with floats what its integers stand for: weights as floats, activations through
 * QuantizeLinear and DequantizeLinear whose scales are inputs. Values that have the same scale and zero point keep
 * sharing them.
 */
export class Simulation implements AsyncDisposable {
  private constructor(
    private readonly runtime: OnnxRuntime,
    /** The scales, to be changed at will. */
    readonly params: readonly SimulatedParams[],
    private readonly names: readonly string[],
  ) {}

  /** Opens a session. @param where opens the errors. */
  static async open(where: string, quantized: OnnxModel): Promise<Simulation> {
    const model = quantized.clone();
    const { graph, messages } = model;
    const editor = new GraphEditor(graph, messages);
    const constants = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
    const params: SimulatedParams[] = [];
    const names: string[] = [];
    const byKey = new Map<string, string>();
    const input = (scale: TensorProto, zeroPoint: TensorProto) => {
      const [s] = readTensor(scale).data as Float32Array;
      const { data: [z], dtype } = readTensor(zeroPoint);
      const key = `${s} ${z} ${dtype}`;
      const known = byKey.get(key);
      if (known !== undefined) return known;
      const type = dtype as SimulatedParams["type"];
      const name = editor.name(`params_${names.length}`);
      graph.input.push(messages.valueInfo(`${name}_scale`, "float32", []));
      graph.input.push(messages.valueInfo(`${name}_zero`, type, []));
      params.push({ type, scale: s, zeroPoint: Number(z) });
      names.push(name);
      byKey.set(key, name);
      return name;
    };
    for (const node of graph.node) {
      const floats = dequantized(node, constants);
      if (floats) {
        graph.initializer.push(
          messages.tensor(node.output[0], "float32", floats.dims, floats.data),
        );
        editor.remove([node]);
        continue;
      }
      if (node.opType !== "QuantizeLinear" && node.opType !== "DequantizeLinear") continue;
      const [scale, zeroPoint] = node.input.slice(1).map((name) => constants.get(name));
      if (!scale || !zeroPoint) continue;
      const name = input(scale, zeroPoint);
      node.input = [node.input[0], `${name}_scale`, `${name}_zero`];
    }
    editor.apply();
    removeUnusedInitializers(graph);
    // It would take the floats that weights are for new ones, and round these once more.
    const runtime = await OnnxRuntime.open(where, model, { integers: false });
    return new Simulation(runtime, params, names);
  }

  /** The outputs of a sample with the scales as they are now. */
  async run(feeds: OnnxFeeds): Promise<Record<string, OnnxOutput>> {
    const all: Record<string, OnnxFeeds[string]> = { ...feeds };
    this.params.forEach(({ type, scale, zeroPoint }, i) => {
      all[`${this.names[i]}_scale`] = { data: Float32Array.of(scale), dims: [] };
      const array = type === "uint8" ? Uint8Array : Int8Array;
      all[`${this.names[i]}_zero`] = { data: array.of(zeroPoint), dims: [] };
    });
    return await this.runtime.run(all);
  }

  /** Frees the session. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.runtime.release();
  }
}
