/** Every operator that is imported beside onnxruntime, in the forms that exporters write. */
import type * as ort from "onnxruntime-node";
import { assertEquals } from "@std/assert";
import type { AttributeValue } from "../../../lib/onnx/file/messages.ts";
import type { OnnxDataType } from "../../../lib/onnx/file/data_type.ts";
import { importedOperators } from "../../../lib/onnx/import/operator_table.ts";
import { eachBackend } from "../../backends.ts";
import { messages } from "../files.ts";
import { node, smallModel } from "../small_models.ts";
import { assertSame, feed, type Feeds, noise } from "./against_onnxruntime.ts";

/** A tensor that a case gives: floats that look random, or integers. */
type Value = ort.Tensor;

/** One node, and what it reads. */
interface Case {
  readonly op: string;
  readonly domain?: string;
  readonly opset?: number;
  /** Inputs in order; an empty text leaves one out. */
  readonly given?: readonly (Value | "")[];
  /** Those after them that are constants. */
  readonly constants?: readonly (Value | "")[];
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  readonly outputs?: number;
  readonly tolerance?: number | "bytes";
}

const ints = (...values: number[]) => feed("int64", [values.length], values);
const int = (value: number) => feed("int64", [], [value]);
const floats = (...values: number[]) => feed("float32", [values.length], values);
const scalar = (value: number) => feed("float32", [], [value]);
const typed = (type: OnnxDataType, dims: readonly number[], ...values: number[]) =>
  feed(type, dims, values);
const bools = (dims: readonly number[], ...values: number[]) => feed("bool", dims, values);

/** Numbers above 0. */
function positive(dims: readonly number[]): ort.Tensor {
  const t = noise(dims);
  return feed("float32", dims, Array.from(t.data as Float32Array, (x) => Math.abs(x) + 0.1));
}

const a = noise([2, 3, 4]);
const b = noise([3, 1], 2);

const ARITHMETIC: readonly Case[] = [
  ...["Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean"].map((op) => ({ op, given: [a, b] })),
  ...["Max", "Min", "Sum", "Mean"].map((op) => ({
    op,
    given: [a, b, noise([4], 3), scalar(0.5), noise([2, 1, 1], 4)],
  })),
  ...["Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal"].map((op) => ({
    op,
    given: [typed("int32", [4], 1, 2, 3, -4), typed("int32", [], 2)],
  })),
  ...["And", "Or", "Xor"].map((op) => ({ op, given: [bools([2, 1], 1, 0), bools([2], 0, 1)] })),
  { op: "Not", given: [bools([2], 1, 0)] },
  { op: "Div", given: [ints(7, -7, 8), ints(2, 2, -3)] },
  { op: "Pow", given: [positive([5]), floats(2, 0.5, -1, 3, 0)] },
  { op: "Pow", given: [floats(-2, 3), ints(3, 2)] },
  { op: "Mod", given: [ints(7, -7, 8), ints(3, 3, -3)] },
  { op: "Mod", given: [floats(7.5, -7.5), floats(2, 2)], attributes: { fmod: { i: 1 } } },
  { op: "Where", given: [bools([2, 1], 1, 0), noise([2, 3]), noise([3], 5)] },
  ...("Abs Neg Sign Exp Erf Sin Cos Tan Sinh Cosh Asinh Floor Ceil Round").split(" ")
    .map((op) => ({ op, given: [noise([3, 5])] })),
  ...["Sqrt", "Reciprocal", "Log"].map((op) => ({ op, given: [positive([3, 5])] })),
  { op: "Acosh", given: [floats(1, 1.5, 3, 100)] },
  { op: "Atanh", given: [floats(-0.9, 0, 0.01, 0.5)] },
  { op: "IsNaN", given: [floats(1, NaN, Infinity)] },
  {
    op: "IsInf",
    given: [floats(1, NaN, Infinity, -Infinity)],
    attributes: { detect_negative: { i: 0 } },
  },
  { op: "Clip", given: [a], constants: [scalar(-0.5), scalar(1)] },
  { op: "Clip", given: [a], constants: ["", scalar(0.25)] },
  { op: "Clip", opset: 9, given: [a], attributes: { min: { f: -1 }, max: { f: 0.5 } } },
];

const ACTIVATIONS: readonly Case[] = [
  ...("Relu Sigmoid Tanh LeakyRelu Elu Selu HardSigmoid HardSwish Softplus Softsign Mish Gelu ThresholdedRelu " +
    "Celu Shrink").split(" ").map((op) => ({ op, given: [a] })),
  ...["LeakyRelu", "Elu", "ThresholdedRelu", "Celu"].map((op) => ({
    op,
    given: [a],
    attributes: { alpha: { f: 0.3 } },
  })),
  { op: "Selu", given: [a], attributes: { alpha: { f: 2 }, gamma: { f: 3 } } },
  { op: "HardSigmoid", given: [a], attributes: { alpha: { f: 0.3 }, beta: { f: 0.1 } } },
  { op: "Shrink", given: [a], attributes: { lambd: { f: 0.3 }, bias: { f: 0.1 } } },
  { op: "Gelu", given: [a], attributes: { approximate: { s: "tanh" } } },
  { op: "PRelu", given: [a], constants: [noise([3, 1], 4)] },
  { op: "Gelu", domain: "com.microsoft", given: [a] },
  { op: "QuickGelu", domain: "com.microsoft", given: [a], attributes: { alpha: { f: 1.5 } } },
];

const SHAPES: readonly Case[] = [
  { op: "Shape", given: [a] },
  { op: "Shape", given: [a], attributes: { start: { i: -2 }, end: { i: 2 } } },
  { op: "Size", given: [a] },
  { op: "ConstantOfShape", given: [ints(2, 3)] },
  {
    op: "ConstantOfShape",
    given: [ints(2)],
    attributes: { value: { t: messages.tensor("", "int32", [1], [7]) } },
  },
  { op: "Range", given: [int(2), int(-5), int(-3)] },
  { op: "Range", given: [scalar(0.5), scalar(2.5), scalar(0.25)] },
  { op: "Dropout", given: [a] },
  { op: "Dropout", given: [a], outputs: 2 },
  { op: "Dropout", opset: 10, given: [a], attributes: { ratio: { f: 0.1 } } },
  { op: "Trilu", given: [noise([2, 3, 4])] },
  { op: "Trilu", given: [noise([4, 3])], constants: [int(-1)], attributes: { upper: { i: 0 } } },
  { op: "Identity", given: [a] },
  { op: "Cast", given: [noise([6])], attributes: { to: { i: 7 } } },
  { op: "Cast", given: [floats(0, -1.5, 2)], attributes: { to: { i: 9 } } },
  { op: "Cast", given: [typed("uint8", [2], 3, 200)], attributes: { to: { i: 1 } } },
  { op: "CastLike", given: [noise([6]), typed("int32", [1], 0)] },
  { op: "Reshape", given: [a], constants: [ints(0, -1)] },
  {
    op: "Reshape",
    given: [noise([0, 3])],
    constants: [ints(3, 0)],
    attributes: { allowzero: { i: 1 } },
  },
  { op: "Flatten", given: [a], attributes: { axis: { i: -1 } } },
  { op: "Squeeze", given: [noise([1, 3, 1])] },
  { op: "Squeeze", given: [noise([1, 3, 1])], constants: [ints(-1)] },
  { op: "Squeeze", opset: 11, given: [noise([1, 3, 1])], attributes: { axes: { ints: [0] } } },
  { op: "Unsqueeze", given: [noise([3, 2])], constants: [ints(0, -1)] },
  { op: "Unsqueeze", opset: 11, given: [noise([3, 2])], attributes: { axes: { ints: [1, 3] } } },
];

const MOVEMENT: readonly Case[] = [
  { op: "Transpose", given: [a] },
  { op: "Transpose", given: [a], attributes: { perm: { ints: [0, 2, 1] } } },
  { op: "Expand", given: [b], constants: [ints(2, 1, 4)] },
  { op: "Tile", given: [noise([2, 3])], constants: [ints(2, 2)] },
  { op: "Concat", given: [a, noise([2, 1, 4], 5)], attributes: { axis: { i: -2 } } },
  { op: "Concat", given: [ints(1, 2), ints(3)], attributes: { axis: { i: 0 } } },
  { op: "Split", given: [noise([5, 2])], outputs: 2, attributes: { num_outputs: { i: 2 } } },
  {
    op: "Split",
    given: [noise([2, 6])],
    constants: [ints(1, 2, 3)],
    outputs: 3,
    attributes: { axis: { i: -1 } },
  },
  { op: "Split", opset: 11, given: [noise([4, 2])], outputs: 2 },
  { op: "Slice", given: [a], constants: [ints(1, -3), ints(2, 9), ints(1, 2)] },
  { op: "Slice", given: [a], constants: [ints(-1), ints(-9), ints(-1), ints(-2)] },
  { op: "Slice", given: [a], constants: [ints(1), feed("int64", [1], [2 ** 53]), ints(2)] },
  {
    op: "Slice",
    opset: 9,
    given: [a],
    attributes: { starts: { ints: [1] }, ends: { ints: [3] }, axes: { ints: [2] } },
  },
  { op: "Gather", given: [a, typed("int64", [2, 2], 0, -1, 2, 1)], attributes: { axis: { i: 1 } } },
  { op: "Gather", given: [a], constants: [int(-1)], attributes: { axis: { i: 2 } } },
  { op: "GatherElements", given: [noise([3, 3]), typed("int64", [2, 3], 1, 2, 0, -1, 0, 0)] },
  { op: "GatherND", given: [a, typed("int64", [2, 2], 0, 1, 1, -1)] },
  {
    op: "GatherND",
    given: [a, typed("int64", [2, 1], 1, 2)],
    attributes: { batch_dims: { i: 1 } },
  },
  { op: "Pad", given: [a], constants: [ints(0, 1, 2, 0, 0, 1), scalar(0.5)] },
  { op: "Pad", given: [a], constants: [ints(0, 0, -1, 0, 1, 0)] },
  ...["reflect", "edge"].map((mode) => ({
    op: "Pad",
    given: [a],
    constants: [ints(2, 1), "", ints(-1)],
    opset: 18,
    attributes: { mode: { s: mode } },
  } as Case)),
  {
    op: "Pad",
    opset: 9,
    given: [a],
    attributes: { pads: { ints: [0, 1, 0, 0, 0, 2] }, value: { f: 3 } },
  },
  { op: "OneHot", given: [ints(0, 2, -1)], constants: [int(3), floats(-1, 2)] },
  {
    op: "OneHot",
    given: [typed("int64", [2, 1], 1, 0)],
    constants: [int(2), floats(0, 1)],
    attributes: { axis: { i: 1 } },
  },
  { op: "SpaceToDepth", given: [noise([1, 2, 4, 6])], attributes: { blocksize: { i: 2 } } },
  ...["DCR", "CRD"].map((mode) => ({
    op: "DepthToSpace",
    given: [noise([1, 8, 2, 3])],
    attributes: { blocksize: { i: 2 }, mode: { s: mode } },
  })),
];

const PRODUCTS: readonly Case[] = [
  { op: "MatMul", given: [noise([2, 3, 4]), noise([4, 5], 2)] },
  { op: "MatMul", given: [noise([2, 3, 4])], constants: [noise([4, 5], 2)] },
  { op: "MatMul", given: [noise([2, 1, 3, 4]), noise([3, 4, 2], 2)] },
  { op: "MatMul", given: [noise([4]), noise([2, 4, 3], 2)] },
  {
    op: "Gemm",
    given: [noise([3, 4])],
    constants: [noise([5, 4], 2), noise([5], 3)],
    attributes: { transB: { i: 1 } },
  },
  { op: "Gemm", given: [noise([3, 4])], constants: [noise([4, 5], 2)] },
  {
    op: "Gemm",
    given: [noise([4, 3]), noise([4, 5], 2), noise([3, 1], 3)],
    attributes: { transA: { i: 1 }, alpha: { f: 0.5 }, beta: { f: 2 } },
  },
];

const r = noise([2, 3, 4], 6);

const REDUCTIONS: readonly Case[] = [
  ...("ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceSumSquare ReduceLogSum " +
    "ReduceLogSumExp").split(" ").flatMap((op): Case[] => [
      {
        op,
        given: [positive([2, 3, 4])],
        constants: [ints(1, -1)],
        attributes: { keepdims: { i: 0 } },
      },
      { op, given: [positive([2, 3])] },
    ]),
  ...["ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd"].map((op) => ({
    op,
    given: [typed("int32", [2, 2], 3, -2, 5, 4)],
    constants: [ints(0)],
  })),
  { op: "ReduceSum", given: [r], attributes: { noop_with_empty_axes: { i: 1 } } },
  {
    op: "ReduceMean",
    opset: 13,
    given: [r],
    attributes: { axes: { ints: [-1] }, keepdims: { i: 1 } },
  },
  ...["ArgMax", "ArgMin"].flatMap((op): Case[] => [
    { op, given: [r], attributes: { axis: { i: 1 }, keepdims: { i: 0 } } },
    {
      op,
      given: [typed("int32", [1, 4], 2, 2, 1, 1)],
      attributes: { axis: { i: -1 }, select_last_index: { i: 1 } },
    },
  ]),
  ...["Softmax", "LogSoftmax", "Hardmax"].flatMap((op): Case[] => [
    { op, given: [r] },
    { op, given: [r], attributes: { axis: { i: 1 } } },
    { op, opset: 11, given: [r] },
  ]),
  { op: "CumSum", given: [r], constants: [int(-1)] },
  {
    op: "CumSum",
    given: [r],
    constants: [int(1)],
    attributes: { exclusive: { i: 1 }, reverse: { i: 1 } },
  },
];

const image = noise([2, 4, 3, 5], 7);

const NORMALIZATION: readonly Case[] = [
  {
    op: "BatchNormalization",
    given: [image],
    constants: [noise([4], 1), noise([4], 2), noise([4], 3), positive([4])],
  },
  { op: "LayerNormalization", given: [r], constants: [noise([4], 1), noise([4], 2)] },
  {
    op: "LayerNormalization",
    given: [r],
    constants: [noise([4], 1)],
    attributes: { epsilon: { f: 0.1 } },
  },
  {
    op: "LayerNormalization",
    given: [r],
    constants: [noise([3, 4], 1), noise([3, 4], 2)],
    attributes: { axis: { i: 1 } },
    outputs: 3,
  },
  { op: "InstanceNormalization", given: [image], constants: [noise([4], 1), noise([4], 2)] },
  {
    op: "GroupNormalization",
    opset: 21,
    given: [image],
    constants: [noise([4], 1), noise([4], 2)],
    attributes: { num_groups: { i: 2 }, epsilon: { f: 0.01 } },
  },
  { op: "LpNormalization", given: [r], attributes: { p: { i: 1 }, axis: { i: 1 } } },
  { op: "LpNormalization", given: [r] },
  { op: "MeanVarianceNormalization", given: [image] },
  { op: "LRN", given: [image], attributes: { size: { i: 3 }, alpha: { f: 0.2 }, bias: { f: 2 } } },
];

/** A recurrent net of 3 numbers into 2. */
function recurrent(op: string, gates: number, more: Partial<Case> = {}, directions = 1): Case {
  const rows = 2 * gates;
  return {
    op,
    given: [noise([4, 2, 3])],
    constants: [
      noise([directions, rows, 3], 1),
      noise([directions, rows, 2], 2),
      noise([directions, 2 * rows], 3),
    ],
    outputs: op === "LSTM" ? 3 : 2,
    ...more,
    attributes: { hidden_size: { i: 2 }, ...more.attributes },
  };
}

const both = { direction: { s: "bidirectional" } };

const RECURRENT: readonly Case[] = [
  recurrent("RNN", 1),
  recurrent("RNN", 1, { attributes: { ...both, activations: { strings: ["Relu", "Tanh"] } } }, 2),
  recurrent("GRU", 3, { attributes: { linear_before_reset: { i: 1 } } }),
  recurrent("GRU", 3, { attributes: { direction: { s: "reverse" } } }),
  recurrent("GRU", 3, { attributes: { ...both, linear_before_reset: { i: 1 } } }, 2),
  recurrent("LSTM", 4),
  recurrent("LSTM", 4, { attributes: both }, 2),
  recurrent("LSTM", 4, { attributes: { clip: { f: 0.5 } } }),
  recurrent("LSTM", 4, {
    constants: [
      noise([1, 8, 3], 1),
      noise([1, 8, 2], 2),
      noise([1, 16], 3),
      typed("int32", [2], 4, 4),
      noise([1, 2, 2], 4),
      noise([1, 2, 2], 5),
      noise([1, 6], 6),
    ],
  }),
];

const planes = noise([2, 4, 7, 6], 8);

const WINDOWS: readonly Case[] = [
  { op: "Conv", given: [planes], constants: [noise([3, 4, 3, 3], 1), noise([3], 2)] },
  {
    op: "Conv",
    given: [planes, noise([4, 2, 3, 2], 1)],
    attributes: {
      group: { i: 2 },
      strides: { ints: [2, 1] },
      pads: { ints: [1, 0, 2, 1] },
      dilations: { ints: [2, 1] },
    },
  },
  {
    op: "Conv",
    given: [planes],
    constants: [noise([4, 1, 3, 3], 1)],
    attributes: { group: { i: 4 }, strides: { ints: [2, 2] }, auto_pad: { s: "SAME_UPPER" } },
  },
  {
    op: "Conv",
    given: [noise([1, 2, 9])],
    constants: [noise([3, 2, 4], 1)],
    attributes: { auto_pad: { s: "SAME_LOWER" } },
  },
  {
    op: "Conv",
    given: [noise([1, 2, 4, 5, 6])],
    constants: [noise([3, 2, 2, 2, 2], 1)],
    attributes: { pads: { ints: [1, 1, 1, 1, 1, 1] } },
  },
  {
    op: "ConvTranspose",
    given: [planes],
    constants: [noise([4, 3, 2, 2], 1), noise([3], 2)],
    attributes: { strides: { ints: [2, 2] } },
  },
  {
    op: "ConvTranspose",
    given: [planes],
    constants: [noise([4, 2, 3, 3], 1)],
    attributes: {
      group: { i: 2 },
      strides: { ints: [2, 3] },
      pads: { ints: [1, 0, 0, 1] },
      output_padding: { ints: [1, 1] },
    },
  },
  {
    op: "ConvTranspose",
    given: [planes],
    constants: [noise([4, 2, 3, 3], 1)],
    attributes: { strides: { ints: [2, 2] }, auto_pad: { s: "SAME_UPPER" } },
  },
  {
    op: "MaxPool",
    given: [planes],
    attributes: {
      kernel_shape: { ints: [3, 2] },
      strides: { ints: [2, 2] },
      pads: { ints: [1, 0, 1, 1] },
    },
  },
  {
    op: "MaxPool",
    given: [planes],
    attributes: { kernel_shape: { ints: [2, 2] }, dilations: { ints: [2, 3] } },
    outputs: 2,
  },
  {
    op: "MaxPool",
    given: [planes],
    attributes: { kernel_shape: { ints: [3, 3] }, strides: { ints: [2, 2] }, ceil_mode: { i: 1 } },
  },
  {
    op: "MaxPool",
    given: [typed("uint8", [1, 1, 4], 1, 9, 200, 3)],
    attributes: { kernel_shape: { ints: [2] } },
  },
  ...[0, 1].map((count): Case => ({
    op: "AveragePool",
    given: [planes],
    attributes: {
      kernel_shape: { ints: [3, 3] },
      strides: { ints: [2, 2] },
      pads: { ints: [1, 1, 0, 1] },
      count_include_pad: { i: count },
    },
  })),
  {
    op: "AveragePool",
    given: [planes],
    attributes: { kernel_shape: { ints: [2, 2] }, auto_pad: { s: "SAME_UPPER" } },
  },
  { op: "LpPool", given: [planes], attributes: { kernel_shape: { ints: [2, 2] }, p: { i: 3 } } },
  { op: "GlobalAveragePool", given: [planes] },
  { op: "GlobalMaxPool", given: [planes] },
  { op: "Upsample", opset: 9, given: [planes], constants: [floats(1, 1, 2, 2)] },
  {
    op: "Resize",
    opset: 10,
    given: [planes],
    constants: [floats(1, 1, 2, 3)],
    attributes: { mode: { s: "linear" } },
  },
  ...["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"].flatMap((mode) =>
    ["nearest", "linear", "cubic"].map((kind): Case => ({
      op: "Resize",
      given: [planes],
      constants: ["", "", ints(2, 4, 5, 13)],
      attributes: { mode: { s: kind }, coordinate_transformation_mode: { s: mode } },
    }))
  ),
  {
    op: "Resize",
    given: [planes],
    constants: ["", floats(0.7, 1.7)],
    attributes: { axes: { ints: [2, 3] }, nearest_mode: { s: "floor" } },
  },
];

/** Bytes that look random. */
function byteNoise(type: "uint8" | "int8", dims: readonly number[], seed = 1): ort.Tensor {
  const least = type === "int8" ? -128 : 0;
  const numbers = Array.from(
    noise(dims, seed).data as Float32Array,
    (x) => Math.floor((x + 2) * 64) + least,
  );
  return feed(type, dims, numbers);
}

/** A scale and a zero point. */
function parameters(type: "uint8" | "int8", scale: number, zero: number): ort.Tensor[] {
  return [scalar(scale), typed(type, [], zero)];
}

const ms = "com.microsoft";

/** A node on two tensors of bytes, both fed or one constant. */
function twoBytes(op: string, type: "uint8" | "int8", constant: boolean): Case {
  const zero = type === "uint8" ? 120 : -7;
  const a = [byteNoise(type, [20, 30, 40]), ...parameters(type, 0.031317, zero)];
  const b = [byteNoise(type, [30, 40], 2), ...parameters(type, 0.017171, zero + 9)];
  const y = parameters(type, 0.051234, zero - 3);
  return constant
    ? { op, domain: ms, given: [a[0]], constants: [...a.slice(1), ...b, ...y], tolerance: "bytes" }
    : { op, domain: ms, given: [...a, ...b, ...y], tolerance: "bytes" };
}

/** A node on one tensor of bytes. */
function oneByte(op: string, type: "uint8" | "int8", more: Partial<Case> = {}): Case {
  const zero = type === "uint8" ? 100 : -5;
  return {
    op,
    domain: ms,
    given: [byteNoise(type, [1, 3, 6, 8])],
    constants: [...parameters(type, 0.04, zero), ...parameters(type, 0.02, zero + 11)],
    tolerance: 0,
    ...more,
  };
}

/** A product of bytes: the second operand has a scale a column, or one. */
function byteProduct(
  op: string,
  types: readonly ["uint8" | "int8", "uint8" | "int8"],
  perColumn: boolean,
  constant: boolean,
): Case {
  const [a, b] = types;
  const n = 7;
  const scales = Array.from({ length: n }, (_, i) => 0.01 + 0.003 * i);
  const right = perColumn
    ? [floats(...scales), typed(b, [n], ...scales.map((_, i) => b === "int8" ? i - 3 : 120 + i))]
    : parameters(b, 0.02, b === "int8" ? 0 : 128);
  const left = [byteNoise(a, [5, 19]), ...parameters(a, 0.03, a === "int8" ? 4 : 130)];
  const weight = byteNoise(b, [19, n], 2);
  const y = parameters(a, 0.6, a === "int8" ? -3 : 101);
  const bias = typed("int32", [n], ...scales.map((_, i) => 1000 * (i - 3)));
  const rest = [...left.slice(1), weight, ...right, ...op === "QGemm" ? [bias] : [], ...y];
  return constant
    ? {
      op,
      domain: op === "QGemm" ? ms : undefined,
      given: [left[0]],
      constants: rest,
      tolerance: 0,
    }
    : { op, domain: op === "QGemm" ? ms : undefined, given: [left[0], ...rest], tolerance: 0 };
}

/** Convolutions of bytes: plain, in groups, by channels, with the weight constant or fed. */
function convolutionsOfBytes(): Case[] {
  const shapes: [number[], number, Record<string, AttributeValue>][] = [
    [[6, 4, 3, 3], 1, { pads: { ints: [1, 1, 1, 1] } }],
    [[6, 2, 3, 2], 2, { strides: { ints: [2, 1] }, pads: { ints: [0, 1, 1, 0] } }],
    [[4, 1, 3, 3], 4, { strides: { ints: [2, 1] }, auto_pad: { s: "SAME_UPPER" } }],
    [[4, 1, 3, 2], 4, { dilations: { ints: [2, 1] }, pads: { ints: [1, 0, 2, 1] } }],
    [[8, 4, 1, 1], 1, {}],
  ];
  return shapes.flatMap(([shape, group, more]) => {
    const [n] = shape;
    const x = byteNoise("uint8", [2, 4, 9, 8]);
    const w = byteNoise("int8", shape, 2);
    const zero = typed("uint8", [], 117);
    const attributes = { ...more, group: { i: group } };
    const scales = floats(...Array.from({ length: n }, (_, i) => 0.011 + 0.0023 * i));
    const bias = typed("int32", [n], ...Array.from({ length: n }, (_, i) => 500 * (i - 2)));
    const zeros = typed("int8", [n], ...new Array(n).fill(0));
    const rest = [
      scalar(0.0313),
      zero,
      w,
      scales,
      zeros,
      scalar(0.31),
      typed("uint8", [], 99),
      bias,
    ];
    return [
      { op: "QLinearConv", given: [x], constants: rest, attributes, tolerance: 0 },
      { op: "QLinearConv", given: [x, ...rest], attributes, tolerance: 0 },
      {
        op: "ConvInteger",
        given: [x, byteNoise("uint8", shape, 2)],
        constants: [zero],
        attributes,
      },
    ];
  });
}

const BYTES: readonly Case[] = [
  {
    op: "QuantizeLinear",
    given: [noise([2, 3, 4])],
    constants: parameters("uint8", 0.013, 128),
    tolerance: 0,
  },
  { op: "QuantizeLinear", given: [noise([2, 3])], constants: [scalar(0.5)], tolerance: 0 },
  {
    op: "QuantizeLinear",
    given: [noise([2, 3, 4])],
    constants: [floats(0.02, 0.01, 0.03), typed("int8", [3], 0, -3, 5)],
    attributes: { axis: { i: 1 } },
    tolerance: 0,
  },
  {
    op: "DequantizeLinear",
    given: [byteNoise("int8", [3, 4])],
    constants: [floats(0.02, 0.01, 0.03), typed("int8", [3], 0, -3, 5)],
    attributes: { axis: { i: 0 } },
    tolerance: 0,
  },
  {
    op: "DequantizeLinear",
    given: [typed("int32", [2], 100000, -7)],
    constants: [scalar(0.01)],
    tolerance: 0,
  },
  { op: "DynamicQuantizeLinear", given: [noise([3, 5])], outputs: 3, tolerance: 0 },
  {
    op: "MatMulInteger",
    given: [byteNoise("uint8", [3, 5]), byteNoise("int8", [5, 2], 2)],
    constants: [typed("uint8", [], 12)],
  },
  {
    op: "MatMulInteger",
    given: [byteNoise("uint8", [2, 3, 5]), byteNoise("uint8", [5, 2], 2)],
    constants: [typed("uint8", [], 12), typed("uint8", [], 200)],
  },
  ...[true, false].flatMap((constant) => [
    byteProduct("QLinearMatMul", ["uint8", "int8"], true, constant),
    byteProduct("QLinearMatMul", ["uint8", "uint8"], false, constant),
    byteProduct("QLinearMatMul", ["int8", "int8"], false, constant),
    byteProduct("QGemm", ["uint8", "int8"], true, constant),
    byteProduct("QGemm", ["int8", "int8"], false, constant),
  ]),
  ...convolutionsOfBytes(),
  {
    op: "MatMulIntegerToFloat",
    domain: ms,
    given: [byteNoise("uint8", [2, 3, 8]), byteNoise("int8", [8, 4], 2)],
    constants: [
      scalar(0.02),
      scalar(0.03),
      typed("uint8", [], 7),
      typed("int8", [], 0),
      noise([4]),
    ],
  },
  ...["QLinearAdd", "QLinearMul"].flatMap((op) => [
    twoBytes(op, "uint8", true),
    twoBytes(op, "int8", true),
    twoBytes(op, "uint8", false),
  ]),
  ...(["uint8", "int8"] as const).flatMap((type) => [
    oneByte("QLinearSigmoid", type),
    oneByte("QLinearLeakyRelu", type, { attributes: { alpha: { f: 0.2 } } }),
    oneByte("QLinearSoftmax", type, {
      attributes: { axis: { i: -1 }, opset: { i: 13 } },
      constants: [
        ...parameters(type, 0.04, type === "uint8" ? 100 : -5),
        ...parameters(type, 1 / 256, type === "uint8" ? 0 : -128),
      ],
    }),
    oneByte("QLinearAveragePool", type, {
      attributes: {
        kernel_shape: { ints: [3, 3] },
        strides: { ints: [2, 2] },
        pads: { ints: [1, 1, 1, 1] },
      },
    }),
  ]),
  oneByte("QLinearGlobalAveragePool", "uint8", { attributes: { channels_last: { i: 0 } } }),
  {
    op: "QLinearConcat",
    domain: ms,
    given: [],
    constants: [
      ...parameters("uint8", 0.05, 100),
      ...[byteNoise("uint8", [2, 3]), ...parameters("uint8", 0.05, 100)],
      ...[byteNoise("uint8", [2, 5], 3), ...parameters("uint8", 0.03, 90)],
    ],
    attributes: { axis: { i: 1 } },
    tolerance: 0,
  },
];

const CASES = [
  ...BYTES,
  ...WINDOWS,
  ...REDUCTIONS,
  ...NORMALIZATION,
  ...RECURRENT,
  ...ARITHMETIC,
  ...ACTIVATIONS,
  ...SHAPES,
  ...MOVEMENT,
  ...PRODUCTS,
];

/** The model of a case, and what it is fed with. */
function modelOf(one: Case) {
  const { op, domain, opset = 20, given = [], constants = [], attributes, outputs = 1 } = one;
  const names = [...given, ...constants].map((value, i) => value === "" ? "" : `x${i}`);
  const feeds: Feeds = Object.fromEntries(
    given.flatMap((value, i) => value === "" ? [] : [[`x${i}`, value] as const]),
  );
  const made = Array.from({ length: outputs }, (_, i) => `y${i}`);
  const model = smallModel({
    opset,
    domains: domain ? { [domain]: 1 } : {},
    inputs: Object.fromEntries(
      Object.entries(feeds).map((
        [name, { type, dims }],
      ) => [name, [type as OnnxDataType, ...dims]]),
    ),
    outputs: made,
    constants: constants.flatMap((value, i) =>
      value === "" ? [] : [
        messages.tensor(
          `x${given.length + i}`,
          value.type as OnnxDataType,
          value.dims,
          value.data as never,
        ),
      ]
    ),
    nodes: [node(op, names, made, attributes, domain)],
  });
  // The types of outputs, which the shape rules do not tell of all operators, are left to onnxruntime.
  for (const output of model.graph.output) output.type = undefined;
  return { model, feeds };
}

for (const op of [...new Set(CASES.map(({ op }) => op))]) {
  eachBackend(`${op} as in onnxruntime`, async (device) => {
    for (const one of CASES.filter((each) => each.op === op)) {
      const { model, feeds } = modelOf(one);
      await assertSame(model, feeds, device, one.tolerance);
    }
  });
}

Deno.test("every operator that is imported is tested beside onnxruntime", () => {
  const tested = new Set(CASES.map(({ op, domain }) => domain ? `${domain}:${op}` : op));
  // Those that onnxruntime has not, or that are no operator of one node.
  const elsewhere = new Set(["Constant", "If", "Loop", "Swish", "RMSNormalization"]);
  const missing = importedOperators().filter((name) => !tested.has(name) && !elsewhere.has(name));
  assertEquals(missing, []);
});
