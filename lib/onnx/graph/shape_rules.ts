/**
 * What operators say of the types and shapes of what they make: a rule each, in one table.
 *
 * @module
 */
import type { NodeProto } from "../file/proto.ts";
import { attributeOf, intOf, intsOf, stringOf } from "../file/attributes.ts";
import { dataTypeName, type OnnxDataType } from "../file/data_type.ts";
import { tensorDims } from "../file/tensor_data.ts";

/** A dimension's size; nothing if only a run tells. */
export type Dim = number | undefined;

/** What is known of a value. */
export interface Fact {
  /** Its element type. */
  readonly dtype?: OnnxDataType;
  /** Its sizes; their number is known if they are there at all. */
  readonly dims?: readonly Dim[];
}

/** A node and what is known of its inputs, each by its number. */
export interface RuleInput {
  /** The node. */
  readonly node: NodeProto;
  /** The element type of an input. */
  dtype(index: number): OnnxDataType | undefined;
  /** The shape of an input. */
  dims(index: number): readonly Dim[] | undefined;
  /** The numbers of an input that is a constant of at most {@linkcode MAX_RANK} of them. */
  numbers(index: number): readonly number[] | undefined;
}

/** What is known of a node's first output. What a rule makes is no longer than what it is given together. */
export type ShapeRule = (given: RuleInput) => Fact;

/**
 * Dimensions that are followed. A value of more has an unknown shape: numbers in a file may ask for
 * billions, and operators that add dimensions for twice as many at every node.
 */
export const MAX_RANK = 64;

/** So many sizes of which nothing is known. */
function unknown(rank: Dim): Dim[] | undefined {
  return rank === undefined || rank > MAX_RANK ? undefined : Array<Dim>(rank).fill(undefined);
}

/** The place that an axis names, which may count from the end; nothing if there is none. */
function place(axis: number, rank: number): number | undefined {
  const at = axis < 0 ? axis + rank : axis;
  return at >= 0 && at < rank ? at : undefined;
}

/** The places that axes name; nothing if one names none. */
function places(axes: readonly number[], rank: number): Set<number> | undefined {
  const all = new Set<number>();
  for (const axis of axes) {
    const at = place(axis, rank);
    if (at === undefined) return undefined;
    all.add(at);
  }
  return all;
}

/** A number as a size; what is none is unknown. */
function size(value: number): Dim {
  return value >= 0 && Number.isSafeInteger(value) ? value : undefined;
}

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

/** All inputs broadcast against each other. */
function broadcastAll({ node, dims }: RuleInput): Dim[] | undefined {
  let all: Dim[] = [];
  for (let i = 0; i < node.input.length; i++) {
    const shape = dims(i);
    if (!shape) return undefined;
    all = broadcast(all, shape);
  }
  return all;
}

/** The sizes that an input of numbers asks for, or if it is no constant how many they are. */
function asked({ dims, numbers }: RuleInput, index: number): readonly Dim[] | undefined {
  return numbers(index)?.map(size) ?? unknown(dims(index)?.[0]);
}

/** As the first input, in shape and type. */
const same: ShapeRule = ({ dtype, dims }) => ({ dtype: dtype(0), dims: dims(0) });

/** The shape of the first input, with elements of another type. */
const like = (dtype: OnnxDataType): ShapeRule => ({ dims }) => ({ dtype, dims: dims(0) });

/** The inputs are broadcast against each other. */
const elementwise: ShapeRule = (given) => ({ dtype: given.dtype(0), dims: broadcastAll(given) });

/** The same, with truth values. */
const comparison: ShapeRule = (given) => ({ dtype: "bool", dims: broadcastAll(given) });

/** As many dimensions as the input has, of sizes that are not worked out here. */
const sameRank: ShapeRule = ({ dtype, dims }) => ({
  dtype: dtype(0),
  dims: unknown(dims(0)?.length),
});

/** The places that a window takes along each axis behind batch and channels; open where `auto_pad` decides. */
function slid(
  node: NodeProto,
  dims: readonly Dim[] | undefined,
  window: readonly Dim[] | undefined,
): Dim[] | undefined {
  const plain = ["NOTSET", "VALID"].includes(stringOf(node, "auto_pad", "NOTSET")) &&
    !intOf(node, "ceil_mode", 0);
  const at = (name: string, i: number, fallback: number) => intsOf(node, name)?.[i] ?? fallback;
  return dims?.slice(2).map((size, i) => {
    const length = window?.[i];
    if (size === undefined || length === undefined || !plain) return undefined;
    const pads = at("pads", i, 0) + at("pads", i + window!.length, 0);
    const reach = at("dilations", i, 1) * (length - 1) + 1;
    const places = Math.floor((size + pads - reach) / at("strides", i, 1)) + 1;
    return places >= 0 ? places : undefined;
  });
}

/** Batch and channels stay, the rest is what windows leave. */
const pool: ShapeRule = ({ node, dtype, dims }) => {
  const from = dims(0);
  const places = slid(node, from, intsOf(node, "kernel_shape"));
  return { dtype: dtype(0), dims: from && [...from.slice(0, 2), ...places!] };
};

/** Batch and channels stay, one number is left of the rest. */
const globalPool: ShapeRule = ({ dtype, dims }) => ({
  dtype: dtype(0),
  dims: dims(0)?.map((dim, i) => i < 2 ? dim : 1),
});

const conv: ShapeRule = ({ node, dtype, dims }) => {
  const [from, weight] = [dims(0), dims(1)];
  const places = slid(node, from, intsOf(node, "kernel_shape") ?? weight?.slice(2));
  return { dtype: dtype(0), dims: from && [from[0], weight?.[0], ...places!] };
};

/** Floats of the scale's type. */
const dequantize: ShapeRule = ({ dtype, dims }) => ({ dtype: dtype(1), dims: dims(0) });

/** How a Constant node may keep its value, beside a tensor. */
const SPELLED_VALUES: readonly [attribute: string, dtype: OnnxDataType, list: boolean][] = [
  ["value_float", "float32", false],
  ["value_floats", "float32", true],
  ["value_int", "int64", false],
  ["value_ints", "int64", true],
  ["value_string", "string", false],
  ["value_strings", "string", true],
];

const constant: ShapeRule = ({ node }) => {
  const tensor = attributeOf(node, "value")?.t;
  if (tensor) return { dtype: dataTypeName(tensor.dataType), dims: tensorDims(tensor) };
  for (const [name, dtype, list] of SPELLED_VALUES) {
    const attribute = attributeOf(node, name);
    if (!attribute) continue;
    const { floats, ints, strings } = attribute;
    return { dtype, dims: list ? [floats.length + ints.length + strings.length] : [] };
  }
  return {};
};

const cast: ShapeRule = ({ node, dims }) => ({
  dtype: dataTypeName(intOf(node, "to", 0)),
  dims: dims(0),
});

/** Some of the sizes of the input, as numbers. */
const shape: ShapeRule = ({ node, dims }) => {
  const rank = dims(0)?.length;
  if (rank === undefined) return { dtype: "int64", dims: [undefined] };
  const within = (at: number) => Math.min(Math.max(at < 0 ? at + rank : at, 0), rank);
  const count = within(intOf(node, "end", rank)) - within(intOf(node, "start", 0));
  return { dtype: "int64", dims: [Math.max(count, 0)] };
};

const constantOfShape: ShapeRule = (given) => {
  const value = attributeOf(given.node, "value")?.t;
  return { dtype: value ? dataTypeName(value.dataType) : "float32", dims: asked(given, 0) };
};

/** Elements of the second or third input, as the truth values say. */
const where: ShapeRule = (given) => ({ dtype: given.dtype(1), dims: broadcastAll(given) });

const transpose: ShapeRule = ({ node, dtype, dims }) => {
  const from = dims(0);
  const perm = intsOf(node, "perm") ?? from?.map((_, i) => from.length - 1 - i);
  return { dtype: dtype(0), dims: perm?.map((axis) => from?.[axis]) };
};

const concat: ShapeRule = ({ node, dtype, dims }) => {
  const shapes = node.input.map((_, i) => dims(i));
  const rank = shapes.find((each) => each)?.length;
  if (rank === undefined) return { dtype: dtype(0) };
  const axis = place(intOf(node, "axis", 1), rank);
  return {
    dtype: dtype(0),
    dims: Array.from({ length: rank }, (_, i) => {
      const sizes = shapes.map((each) => each?.[i]);
      if (i !== axis) return sizes.find((each) => each !== undefined);
      return sizes.reduce<Dim>((sum, each) => size(sum! + each!), 0); // what is unknown gives NaN
    }),
  };
};

const squeeze: ShapeRule = ({ node, dtype, dims, numbers }) => {
  const from = dims(0);
  if (!from) return { dtype: dtype(0) };
  const axes = intsOf(node, "axes") ?? numbers(1);
  if (axes) {
    const gone = places(axes, from.length);
    return { dtype: dtype(0), dims: gone && from.filter((_, i) => !gone.has(i)) };
  }
  // Without axes, all that are 1 go.
  const known = !node.input[1] && from.every((dim) => dim !== undefined);
  return { dtype: dtype(0), dims: known ? from.filter((dim) => dim !== 1) : undefined };
};

const unsqueeze: ShapeRule = ({ node, dtype, dims, numbers }) => {
  const from = dims(0);
  const axes = intsOf(node, "axes") ?? numbers(1);
  if (!from || !axes) return { dtype: dtype(0) };
  const rank = from.length + axes.length;
  const added = places(axes, rank);
  if (added?.size !== axes.length) return { dtype: dtype(0) };
  const rest = from.values();
  return {
    dtype: dtype(0),
    dims: Array.from({ length: rank }, (_, i) => added.has(i) ? 1 : rest.next().value),
  };
};

const gather: ShapeRule = ({ node, dtype, dims }) => {
  const [data, indices] = [dims(0), dims(1)];
  const axis = data && place(intOf(node, "axis", 0), data.length);
  if (axis === undefined || !indices) return { dtype: dtype(0) };
  return { dtype: dtype(0), dims: [...data!.slice(0, axis), ...indices, ...data!.slice(axis + 1)] };
};

const slice: ShapeRule = ({ node, dtype, dims, numbers }) => {
  const from = dims(0);
  if (!from) return { dtype: dtype(0) };
  const [starts, ends, axes] = ["starts", "ends", "axes"].map((name, i) =>
    intsOf(node, name) ?? numbers(i + 1)
  );
  const steps = numbers(4);
  const named = axes ?? starts?.map((_, i) => i);
  const at = named && places(named, from.length);
  const open = !starts || !ends || !at || at.size !== starts.length || node.input[3] && !axes;
  if (open) return { dtype: dtype(0), dims: unknown(from.length) };
  const sliced = [...from];
  for (const [i, axis] of [...at].entries()) {
    const whole = from[axis];
    const plain = whole !== undefined && (steps?.[i] ?? 1) === 1 && (!node.input[4] || steps);
    const within = (value: number) =>
      Math.min(Math.max(value < 0 ? value + whole! : value, 0), whole!);
    sliced[axis] = plain ? size(Math.max(within(ends[i]) - within(starts[i]), 0)) : undefined;
  }
  return { dtype: dtype(0), dims: sliced };
};

/** How many elements a shape has; NaN if that is not known. */
function count(dims: readonly Dim[] | undefined): number {
  return dims?.reduce<number>((product, dim) => product * (dim ?? NaN), 1) ?? NaN;
}

const reshape: ShapeRule = ({ node, dtype, dims, numbers }) => {
  const from = dims(0);
  const kept = intOf(node, "allowzero", 0) === 0;
  const target = numbers(1)?.map((each, i) => each === 0 && kept ? from?.[i] : size(each));
  if (!target) return { dtype: dtype(0), dims: unknown(dims(1)?.[0]) };
  // A −1 takes what is left.
  const rest = numbers(1)!.indexOf(-1);
  if (rest < 0) return { dtype: dtype(0), dims: target };
  const left = count(from) / count(target.with(rest, 1));
  return { dtype: dtype(0), dims: target.with(rest, size(left)) };
};

const expand: ShapeRule = (given) => {
  const [from, target] = [given.dims(0), asked(given, 1)];
  return { dtype: given.dtype(0), dims: from && target ? broadcast(from, target) : undefined };
};

/** A matrix of what is before an axis and of what is from it on. */
const flatten: ShapeRule = ({ node, dtype, dims }) => {
  const from = dims(0);
  const axis = intOf(node, "axis", 1);
  const at = from && (axis < 0 ? axis + from.length : axis);
  const sizes = [from?.slice(0, at), from?.slice(at)].map((part) => size(count(part)));
  return { dtype: dtype(0), dims: sizes };
};

/** Each dimension so many times as long. */
const tile: ShapeRule = ({ dtype, dims, numbers }) => {
  const [from, repeats] = [dims(0), numbers(1)];
  const fits = repeats?.length === from?.length;
  return { dtype: dtype(0), dims: from?.map((dim, i) => size(fits ? dim! * repeats![i] : NaN)) };
};

/** Each dimension longer at its start and its end, or shorter. */
const pad: ShapeRule = ({ node, dtype, dims, numbers }) => {
  const from = dims(0);
  const pads = node.input[3] ? undefined : intsOf(node, "pads") ?? numbers(1);
  return {
    dtype: dtype(0),
    dims: from?.map((dim, i) => size(dim! + pads?.[i]! + pads?.[i + from.length]!)),
  };
};

/** Numbers from a first one up to a last one. */
const range: ShapeRule = ({ dtype, numbers }) => {
  const [start, end, step] = [0, 1, 2].map((i) => numbers(i)?.[0] ?? NaN);
  return { dtype: dtype(0), dims: [size(Math.max(Math.ceil((end - start) / step), 0))] };
};

/** The sizes of the parts along the axis that is split, as far as they are known. */
function parts({ node, numbers }: RuleInput, whole: Dim): Dim[] {
  const listed = intsOf(node, "split") ?? numbers(1);
  const open = !listed && node.input[1];
  const part = open ? NaN : Math.ceil(whole! / node.output.length); // the last may be smaller
  return node.output.map((_, i) =>
    size(listed ? listed[i] : Math.min(part, Math.max(whole! - i * part, 0)))
  );
}

/** Every part of a Split. */
function split(given: RuleInput): Fact[] {
  const from = given.dims(0);
  const axis = from && place(intOf(given.node, "axis", 0), from.length);
  const dtype = given.dtype(0);
  if (axis === undefined) return given.node.output.map(() => ({ dtype }));
  return parts(given, from![axis]).map((part) => ({ dtype, dims: from!.with(axis, part) }));
}

const gemm: ShapeRule = ({ node, dtype, dims }) => {
  const m = dims(0)?.[intOf(node, "transA", 0) ? 1 : 0];
  const n = dims(1)?.[intOf(node, "transB", 0) ? 0 : 1];
  return { dtype: dtype(0), dims: [m, n] };
};

/** Stacks of matrices, broadcast. */
const matMul: ShapeRule = ({ dtype, dims }) => {
  const [a, b] = [dims(0), dims(1)];
  if (!a || !b || a.length < 2 || b.length < 2) return { dtype: dtype(0) };
  const stack = broadcast(a.slice(0, -2), b.slice(0, -2));
  return { dtype: dtype(0), dims: [...stack, a.at(-2), b.at(-1)] };
};

/** The input without the dimensions that were reduced, or with 1 for them. */
function reduced(given: RuleInput, axes: readonly number[] | undefined): Dim[] | undefined {
  const from = given.dims(0);
  const gone = from && places(axes ?? from.keys().toArray(), from.length);
  if (!gone) return undefined;
  return intOf(given.node, "keepdims", 1) === 1
    ? from.map((dim, i) => gone.has(i) ? 1 : dim)
    : from.filter((_, i) => !gone.has(i));
}

/** Along axes, which are attributes or an input; all if there are none. */
const reduce: ShapeRule = (given) => {
  const { node, dims, numbers } = given;
  const dtype = given.dtype(0);
  const listed = intsOf(node, "axes") ?? numbers(1);
  if (listed?.length) return { dtype, dims: reduced(given, listed) };
  const open = !listed && node.input[1];
  if (open) {
    return { dtype, dims: intOf(node, "keepdims", 1) === 1 ? unknown(dims(0)?.length) : undefined };
  }
  if (intOf(node, "noop_with_empty_axes", 0)) return { dtype, dims: dims(0) };
  return { dtype, dims: reduced(given, undefined) };
};

/** The place of the greatest or least along one axis. */
const arg: ShapeRule = (given) => ({
  dtype: "int64",
  dims: reduced(given, [intOf(given.node, "axis", 0)]),
});

/** The rules with the operators that they are of. */
const OPERATORS: readonly [rule: ShapeRule, operators: string][] = [
  [
    same,
    "Abs Acos Acosh Asin Asinh Atan Atanh BatchNormalization Ceil Celu Clip Cos Cosh CumSum Dropout Elu Erf " +
    "Exp Floor Gelu HardSigmoid HardSwish Hardmax Identity InstanceNormalization LRN LayerNormalization " +
    "LeakyRelu Log LogSoftmax LpNormalization MeanVarianceNormalization Mish Neg PRelu Reciprocal Relu " +
    "Round ScatterElements ScatterND Selu Shrink Sigmoid Sign Sin Sinh Softmax Softplus Softsign Sqrt " +
    "Tan Tanh ThresholdedRelu Trilu",
  ],
  [like("bool"), "IsInf IsNaN Not"],
  [elementwise, "Add Div Max Mean Min Mod Mul Pow Sub Sum"],
  [comparison, "And Equal Greater GreaterOrEqual Less LessOrEqual Or Xor"],
  [sameRank, "ConvTranspose DepthToSpace Resize SpaceToDepth TopK Upsample"],
  [pool, "AveragePool LpPool MaxPool"],
  [globalPool, "GlobalAveragePool GlobalLpPool GlobalMaxPool"],
  [reduce, "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin"],
  [reduce, "ReduceProd ReduceSum ReduceSumSquare"],
  [arg, "ArgMax ArgMin"],
  [cast, "Cast"],
  [concat, "Concat"],
  [constant, "Constant"],
  [constantOfShape, "ConstantOfShape"],
  [conv, "Conv"],
  [dequantize, "DequantizeLinear"],
  [expand, "Expand"],
  [flatten, "Flatten"],
  [gather, "Gather"],
  [gemm, "Gemm"],
  [matMul, "MatMul"],
  [pad, "Pad"],
  [range, "Range"],
  [reshape, "Reshape"],
  [shape, "Shape"],
  [() => ({ dtype: "int64", dims: [] }), "Size"],
  [slice, "Slice"],
  [(given) => split(given)[0], "Split"],
  [squeeze, "Squeeze"],
  [tile, "Tile"],
  [transpose, "Transpose"],
  [unsqueeze, "Unsqueeze"],
  [where, "Where"],
];

/** The rule of each of ONNX's own operators of which something is known. */
export const SHAPE_RULES: ReadonlyMap<string, ShapeRule> = new Map(
  OPERATORS.flatMap(([rule, operators]) => operators.split(" ").map((name) => [name, rule])),
);

/** The places of what the first output holds. */
const positions = (_: RuleInput, { dims }: Fact): Fact[] => [{ dtype: "int64", dims }];

/** What is known of the outputs after the first, of operators where something is. */
export const LATER_OUTPUTS: ReadonlyMap<string, (given: RuleInput, first: Fact) => Fact[]> =
  new Map([
    ["MaxPool", positions],
    ["Split", (given: RuleInput) => split(given).slice(1)],
    ["TopK", positions],
  ]);
