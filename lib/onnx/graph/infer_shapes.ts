/**
 * Element types and shapes in a graph, as far as the file and its operators tell.
 *
 * @module
 */
import type { GraphProto, NodeProto, TensorProto } from "../file/proto.ts";
import { attributeOf, intOf, intsOf } from "../file/attributes.ts";
import { dataTypeName, type OnnxDataType } from "../file/data_type.ts";
import { GraphView } from "./graph_view.ts";
import { readTensor, tensorDims } from "../file/tensor_data.ts";

/** A dimension's size; nothing if only a run tells. */
export type Dim = number | undefined;

/** What is known of a value. */
interface Fact {
  readonly dtype?: OnnxDataType;
  readonly dims?: readonly Dim[];
}

/** The output is as the first input: in shape and type. */
const SAME = new Set(
  ("Abs Acos Acosh Asin Asinh Atan Atanh BatchNormalization Ceil Celu Clip Cos Cosh CumSum Dropout Elu Erf " +
    "Exp Floor Gelu HardSigmoid HardSwish Hardmax Identity InstanceNormalization LRN LayerNormalization " +
    "LeakyRelu Log LogSoftmax LpNormalization MeanVarianceNormalization Mish Neg PRelu Reciprocal Relu " +
    "Round ScatterElements ScatterND Selu Shrink Sigmoid Sign Sin Sinh Softmax Softplus Softsign Sqrt " +
    "Tan Tanh ThresholdedRelu Trilu").split(" "),
);

/** The inputs are broadcast against each other; those listed apart give truth values. */
const BROADCAST = new Set("Add Div Max Mean Min Mod Mul Pow Sub Sum".split(" "));
const COMPARE = new Set(
  "And Equal Greater GreaterOrEqual Less LessOrEqual Or Xor".split(" "),
);

/** The output has as many dimensions as the input, of sizes that are not worked out here. */
const SAME_RANK = new Set(
  ("AveragePool Conv ConvTranspose DepthToSpace GlobalAveragePool GlobalLpPool GlobalMaxPool LpPool MaxPool " +
    "Pad Resize SpaceToDepth Split Tile TopK Upsample").split(" "),
);

/** The output has the shape of the input and integers of 64 bits or truth values in it. */
const LIKE: Readonly<Record<string, OnnxDataType>> = { IsInf: "bool", IsNaN: "bool", Not: "bool" };

/** Two shapes broadcast; a size that may be 1 at run time stays open. */
function broadcast(a: readonly Dim[], b: readonly Dim[]): Dim[] {
  const rank = Math.max(a.length, b.length);
  const at = (dims: readonly Dim[], i: number) => {
    const index = i - rank + dims.length;
    return index < 0 ? 1 : dims[index];
  };
  return Array.from({ length: rank }, (_, i) => {
    const [x, y] = [at(a, i), at(b, i)];
    if (x === 1) return y;
    if (y === 1) return x;
    return x ?? y;
  });
}

/**
 * Element types and shapes of the values in a graph, found in one walk through its operators. What is not
 * known is left open, never guessed.
 */
export class ShapeFacts {
  /** Who makes and reads the values. */
  readonly view: GraphView;
  private readonly facts = new Map<string, Fact>();
  private readonly constants = new Map<string, TensorProto>();
  private readonly inputs: ReadonlySet<string>;

  /**
   * @param graph its nodes in topological order, as files have them. Later changes are not seen.
   * @param outer the facts of the graph around it.
   * @param fixed whether initializers that are listed as inputs too are constants, as they are up to
   * version 3 of the file format.
   */
  constructor(
    graph: GraphProto,
    private readonly outer?: ShapeFacts,
    fixed = false,
  ) {
    this.view = new GraphView(graph);
    this.inputs = new Set(fixed ? [] : graph.input.map(({ name }) => name));
    for (const node of graph.node) {
      const constant = node.opType === "Constant" ? attributeOf(node, "value")?.t : undefined;
      if (constant) this.constants.set(node.output[0], constant);
      node.output.forEach((name, i) => {
        if (name) this.facts.set(name, this.made(node, i, this.declared(name)));
      });
    }
  }

  /** The element type of a value. */
  dtype(name: string): OnnxDataType | undefined {
    return this.fact(name).dtype;
  }

  /** The shape of a value; its rank is known if it is there at all. */
  dims(name: string): readonly Dim[] | undefined {
    return this.fact(name).dims;
  }

  /** The constant with this name: an initializer that no caller can replace, or a Constant node's. */
  constant(name: string): TensorProto | undefined {
    if (this.inputs.has(name)) return undefined;
    return this.constants.get(name) ?? this.view.initializer(name) ?? this.outer?.constant(name);
  }

  /** The numbers of a small constant. */
  private numbers(name: string | undefined): number[] | undefined {
    const tensor = name ? this.constant(name) : undefined;
    if (!tensor || tensorDims(tensor).length > 1) return undefined;
    const { data } = readTensor(tensor);
    return Array.from(data as ArrayLike<number | bigint>, Number);
  }

  private fact(name: string): Fact {
    const known = this.facts.get(name);
    if (known || !name) return known ?? {};
    const declared = this.declared(name);
    return declared.dtype || declared.dims ? declared : this.outer?.fact(name) ?? {};
  }

  /** What the file itself says. */
  private declared(name: string): Fact {
    const written = this.view.type(name);
    return {
      dtype: written?.dtype,
      dims: written?.dims?.map((dim) => typeof dim === "number" ? dim : undefined),
    };
  }

  /** What the operator tells, and what the file adds to it. */
  private made(node: NodeProto, index: number, declared: Fact): Fact {
    const inferred = node.domain && node.domain !== "ai.onnx" ? {} : this.infer(node, index);
    const dims = inferred.dims && declared.dims && inferred.dims.length === declared.dims.length
      ? inferred.dims.map((dim, i) => dim ?? declared.dims![i])
      : inferred.dims ?? declared.dims;
    return { dtype: inferred.dtype ?? declared.dtype, dims };
  }

  private infer(node: NodeProto, index: number): Fact {
    const { opType, input } = node;
    const dtype = this.dtype(input[0]);
    const dims = () => this.dims(input[0]);
    const open = (rank: number | undefined): Dim[] | undefined =>
      rank === undefined ? undefined : Array<Dim>(rank).fill(undefined);
    if (SAME.has(opType)) {
      return index === 0 ? { dtype, dims: dims() } : {};
    }
    if (LIKE[opType]) return { dtype: LIKE[opType], dims: dims() };
    if (BROADCAST.has(opType) || COMPARE.has(opType)) {
      const shapes = input.map((name) => this.dims(name));
      const all = shapes.every((shape) => shape !== undefined);
      return {
        dtype: COMPARE.has(opType) ? "bool" : dtype,
        dims: all ? shapes.reduce<readonly Dim[]>((a, b) => broadcast(a, b!), []) : undefined,
      };
    }
    if (SAME_RANK.has(opType)) {
      const counts = index === 1 && (opType === "TopK" || opType === "MaxPool");
      return { dtype: counts ? "int64" : dtype, dims: this.windowed(node) };
    }
    switch (opType) {
      case "Constant": {
        const tensor = attributeOf(node, "value")?.t;
        return tensor ? { dtype: dataTypeName(tensor.dataType), dims: tensorDims(tensor) } : {};
      }
      case "Cast":
        return { dtype: dataTypeName(intOf(node, "to", 0)), dims: dims() };
      case "Shape":
        return { dtype: "int64", dims: [this.shapeLength(node)] };
      case "Size":
        return { dtype: "int64", dims: [] };
      case "ConstantOfShape": {
        const value = attributeOf(node, "value")?.t;
        const target = this.numbers(input[0]);
        return {
          dtype: value ? dataTypeName(value.dataType) : "float32",
          dims: target ?? open(this.dims(input[0])?.[0]),
        };
      }
      case "Where": {
        const shapes = input.map((name) => this.dims(name));
        const all = shapes.every((shape) => shape !== undefined);
        return {
          dtype: this.dtype(input[1]),
          dims: all ? shapes.reduce<readonly Dim[]>((a, b) => broadcast(a, b!), []) : undefined,
        };
      }
      case "Transpose": {
        const from = dims();
        const perm = intsOf(node, "perm") ?? from?.map((_, i) => from.length - 1 - i);
        return { dtype, dims: perm?.map((axis) => from?.[axis]) };
      }
      case "Concat": {
        const shapes = input.map((name) => this.dims(name));
        const rank = shapes.find((shape) => shape)?.length;
        if (rank === undefined) return { dtype };
        const at = intOf(node, "axis", 1);
        const axis = at < 0 ? at + rank : at;
        return {
          dtype,
          dims: Array.from({ length: rank }, (_, i) => {
            const sizes = shapes.map((shape) => shape?.[i]);
            if (i !== axis) return sizes.find((size) => size !== undefined);
            return sizes.every((size) => size !== undefined)
              ? sizes.reduce<number>((sum, size) => sum + size!, 0)
              : undefined;
          }),
        };
      }
      case "Squeeze":
        return { dtype, dims: this.squeezed(node) };
      case "Unsqueeze": {
        const from = dims();
        const axes = intsOf(node, "axes") ?? this.numbers(input[1]);
        if (!from || !axes) return { dtype };
        const rank = from.length + axes.length;
        const added = new Set(axes.map((axis) => axis < 0 ? axis + rank : axis));
        const rest = [...from];
        return {
          dtype,
          dims: Array.from({ length: rank }, (_, i) => added.has(i) ? 1 : rest.shift()),
        };
      }
      case "Gather": {
        const [data, indices] = [dims(), this.dims(input[1])];
        if (!data || !indices) return { dtype };
        const at = intOf(node, "axis", 0);
        const axis = at < 0 ? at + data.length : at;
        return { dtype, dims: [...data.slice(0, axis), ...indices, ...data.slice(axis + 1)] };
      }
      case "Slice":
        return { dtype, dims: this.sliced(node) };
      case "Reshape": {
        const target = this.numbers(input[1]);
        const from = dims();
        return {
          dtype,
          dims: target
            ? target.map((size, i) => size > 0 ? size : size === 0 ? from?.[i] : undefined)
            : open(this.dims(input[1])?.[0]),
        };
      }
      case "Expand": {
        const from = dims();
        const target = this.numbers(input[1]) ?? open(this.dims(input[1])?.[0]);
        return { dtype, dims: from && target ? broadcast(from, target) : undefined };
      }
      case "Flatten":
        return { dtype, dims: [undefined, undefined] };
      case "Gemm": {
        const [a, b] = [dims(), this.dims(input[1])];
        const m = a?.[intOf(node, "transA", 0) ? 1 : 0];
        const n = b?.[intOf(node, "transB", 0) ? 0 : 1];
        return { dtype, dims: [m, n] };
      }
      case "MatMul": {
        const [a, b] = [dims(), this.dims(input[1])];
        if (!a || !b || a.length < 2 || b.length < 2) return { dtype };
        const stack = broadcast(a.slice(0, -2), b.slice(0, -2));
        return { dtype, dims: [...stack, a.at(-2), b.at(-1)] };
      }
      case "ArgMax":
      case "ArgMin":
      case "ReduceL1":
      case "ReduceL2":
      case "ReduceLogSum":
      case "ReduceLogSumExp":
      case "ReduceMax":
      case "ReduceMean":
      case "ReduceMin":
      case "ReduceProd":
      case "ReduceSum":
      case "ReduceSumSquare":
        return { dtype: opType.startsWith("Arg") ? "int64" : dtype, dims: this.reduced(node) };
      default:
        return {};
    }
  }

  /** Batch and channels where they are plain to see, the other sizes open. */
  private windowed({ opType, input }: NodeProto): Dim[] | undefined {
    const from = this.dims(input[0]);
    if (!from) return undefined;
    const weight = this.dims(input[1]);
    return from.map((dim, i) => {
      if (opType.startsWith("Global") && i > 1) return 1;
      if (opType === "Conv") return i === 0 ? dim : i === 1 ? weight?.[0] : undefined;
      if (opType.endsWith("Pool")) return i < 2 ? dim : undefined;
      return undefined;
    });
  }

  private shapeLength(node: NodeProto): Dim {
    const rank = this.dims(node.input[0])?.length;
    if (rank === undefined) return undefined;
    const within = (at: number) => Math.min(Math.max(at < 0 ? at + rank : at, 0), rank);
    return Math.max(within(intOf(node, "end", rank)) - within(intOf(node, "start", 0)), 0);
  }

  private squeezed(node: NodeProto): Dim[] | undefined {
    const from = this.dims(node.input[0]);
    const axes = intsOf(node, "axes") ?? this.numbers(node.input[1]);
    if (!from) return undefined;
    if (!axes) {
      return from.every((dim) => dim !== undefined) ? from.filter((dim) => dim !== 1) : undefined;
    }
    const gone = new Set(axes.map((axis) => axis < 0 ? axis + from.length : axis));
    return from.filter((_, i) => !gone.has(i));
  }

  private sliced(node: NodeProto): Dim[] | undefined {
    const from = this.dims(node.input[0]);
    if (!from) return undefined;
    const [starts, ends, axes] = ["starts", "ends", "axes"].map((name, i) =>
      intsOf(node, name) ?? this.numbers(node.input[i + 1])
    );
    const steps = this.numbers(node.input[4]);
    const unknown = node.input[3] && !axes;
    if (!starts || !ends || unknown) return from.map(() => undefined);
    const dims = [...from];
    for (const [i, start] of starts.entries()) {
      const at = axes?.[i] ?? i;
      const axis = at < 0 ? at + from.length : at;
      const size = from[axis];
      const plain = size !== undefined && (steps?.[i] ?? 1) === 1 && (!node.input[4] || steps);
      const within = (value: number) =>
        Math.min(Math.max(value < 0 ? value + size! : value, 0), size!);
      dims[axis] = plain ? Math.max(within(ends[i]) - within(start), 0) : undefined;
    }
    return dims;
  }

  private reduced(node: NodeProto): Dim[] | undefined {
    const from = this.dims(node.input[0]);
    if (!from) return undefined;
    const arg = node.opType.startsWith("Arg");
    const listed = arg
      ? [intOf(node, "axis", 0)]
      : intsOf(node, "axes") ?? this.numbers(node.input[1]);
    const keep = intOf(node, "keepdims", 1) === 1;
    if (!arg && !listed && node.input[1]) return keep ? from.map(() => undefined) : undefined;
    if (!listed?.length && intOf(node, "noop_with_empty_axes", 0)) return [...from];
    const axes = new Set(
      (listed?.length ? listed : from.map((_, i) => i)).map((axis) =>
        axis < 0 ? axis + from.length : axis
      ),
    );
    return keep ? from.map((dim, i) => axes.has(i) ? 1 : dim) : from.filter((_, i) => !axes.has(i));
  }
}
