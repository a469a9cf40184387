/**
 * What is computed between layers, in a backend's operations, and the ONNX nodes that do the same.
 *
 * @module
 */
import type {
  Backend,
  ChannelsLast,
  CumSumArgs,
  GatherArgs,
  MatmulArgs,
  NormalizeArgs,
  Operand,
  PadArgs,
  ReduceArgs,
  ReduceKind,
  Rows,
  SoftmaxArgs,
  StridedArgs,
} from "../../backend/backend.ts";
import type { Expression } from "../../backend/expression.ts";
import { pixelOrder } from "../../backend/pixel_walk.ts";
import { contiguousStrides } from "../../backend/strides.ts";
import type { DType } from "../../numbers/dtype.ts";
import { float16Value } from "../../numbers/float16.ts";
import { bfloat16Value } from "../../numbers/rounding.ts";
import { numelOf, sameShape } from "../../numbers/shape.ts";
import { typeOf } from "./element_types.ts";
import { expressionNodes } from "./expression_nodes.ts";
import { float, type Input, ints, type Nodes } from "./nodes.ts";
import { stridedNodes } from "./strided_nodes.ts";

/** What an operation was asked for. */
export interface Asked {
  /** The tensors that it reads. */
  readonly operands: readonly Operand[];
  /** What it was given besides. */
  readonly rest: readonly unknown[];
  /** The shape of what it makes. */
  readonly shape: readonly number[];
  /** Its dtype. */
  readonly dtype: DType;
}

/** An operation of the backend that has an ONNX form. */
interface Operation {
  /** What is told by the arguments of the backend's method. */
  read(args: readonly unknown[]): Asked;
  /** Adds the nodes; returns the last one. `operands` have the shapes that the operation reads them in. */
  write(nodes: Nodes, inputs: readonly Input[], asked: Asked): Input;
}

/** An operation of an operand and a record, which makes what `shape` says of the operand's dtype. */
function unary<Args>(
  shape: (x: Operand, args: Args) => readonly number[],
  write: (nodes: Nodes, x: Input, args: Args, operand: Operand) => Input,
  dtype: (x: Operand, args: Args) => DType = (x) => x.dtype,
): Operation {
  return {
    read: (given) => {
      const [x, args] = given as [Operand, Args];
      return { operands: [x], rest: [args], shape: shape(x, args), dtype: dtype(x, args) };
    },
    write: (nodes, [x], { operands, rest }) => write(nodes, x, rest[0] as Args, operands[0]),
  };
}

/** The neighbouring dimensions that rows run along; undefined where they begin or end inside of one. */
function axesOf(shape: readonly number[], { outer, n }: Rows): number[] | undefined {
  let first = 0;
  while (first < shape.length && numelOf(shape.slice(0, first)) < outer) first++;
  while (first < shape.length - 1 && shape[first] === 1 && n > 1) first++;
  let end = first + 1;
  while (end < shape.length && numelOf(shape.slice(first, end)) < n) end++;
  const found = numelOf(shape.slice(0, first)) === outer && numelOf(shape.slice(first, end)) === n;
  return found ? shape.map((_, d) => d).slice(first, end) : undefined;
}

/** The shape without some dimensions. */
function without(shape: readonly number[], axes: readonly number[]): number[] {
  return shape.filter((_, d) => !axes.includes(d));
}

/** An operation along one dimension, which keeps the shape. */
function along<Args extends Rows>(
  write: (nodes: Nodes, x: Input, axis: number, args: Args) => Input,
): Operation {
  return unary<Args>(({ shape }) => shape, (nodes, x, args, { shape }) => {
    const axes = axesOf(shape, args);
    if (axes?.length === 1) return write(nodes, x, axes[0], args);
    const y = write(nodes, nodes.reshape(x, [args.outer, args.n, args.inner]), 1, args);
    return nodes.reshape(y, shape);
  });
}

/** What is found along dimensions, which the result is without. */
const reduce: Operation = unary<ReduceArgs>(
  ({ shape }, args) => {
    const axes = axesOf(shape, args);
    return axes ? without(shape, axes) : [args.outer, args.inner];
  },
  (nodes, x, args, { shape }) => {
    const { kind, outer, n, inner } = args;
    const found = axesOf(shape, args);
    const place = kind.startsWith("arg");
    // Places are counted along one dimension.
    const one = !found || place && found.length > 1;
    const whole = one ? nodes.reshape(x, [outer, n, inner]) : x;
    const axes = one ? [1] : found;
    const y = place
      ? nodes.add(REDUCTIONS[kind], [whole], { axis: axes[0], keepdims: 0 })
      : nodes.add(REDUCTIONS[kind], [whole, ints(axes)], { keepdims: 0 });
    return one && found ? nodes.reshape(y, without(shape, found)) : y;
  },
  (_, { dtype }) => dtype,
);

const REDUCTIONS: Readonly<Record<ReduceKind, string>> = {
  sum: "ReduceSum",
  mean: "ReduceMean",
  prod: "ReduceProd",
  amax: "ReduceMax",
  amin: "ReduceMin",
  argmax: "ArgMax",
  argmin: "ArgMin",
};

/** The number that an element's bits stand for. */
function ofBits(bits: number, { isFloat, name }: DType): number {
  if (!isFloat) return bits | 0;
  if (name === "float16") return float16Value(bits);
  if (name === "bfloat16") return bfloat16Value(bits);
  return new Float32Array(Uint32Array.of(bits).buffer)[0];
}

/** A product's leading dimensions, broadcast, with those of its matrices. */
function productShape(a: Operand, b: Operand, { transposeB = false }: MatmulArgs): number[] {
  const rank = Math.max(a.shape.length, b.shape.length);
  const lead = Array.from({ length: rank - 2 }, (_, d) => {
    const [x, y] = [a, b].map(({ shape }) => shape[shape.length - rank + d] ?? 1);
    return x === 1 ? y : x;
  });
  return [...lead, a.shape.at(-2)!, b.shape.at(transposeB ? -2 : -1)!];
}

/** Whether indices choose whole slices along a dimension: which it is, and their own shape. */
function slicesAlong(x: Operand, index: Operand, args: GatherArgs): number | undefined {
  const own = contiguousStrides(x.shape);
  return x.shape.map((_, at) => at).find((at) => {
    const shape = [...x.shape.slice(0, at), ...index.shape, ...x.shape.slice(at + 1)];
    const strides = [...own.slice(0, at), ...index.shape.map(() => 0), ...own.slice(at + 1)];
    return args.stride === own[at] && args.size === x.shape[at] && sameShape(shape, args.shape) &&
      sameShape(strides, args.strides);
  });
}

/** The mean and the variance of rows taken out, the factors multiplied: for those that are one a column. */
function normalizeNodes(nodes: Nodes, inputs: readonly Input[], { operands, rest }: Asked): Input {
  const [x, weight, bias] = inputs;
  const [{ rows, n, center, eps, groups, spread }] = rest as [NormalizeArgs];
  const matrix = nodes.reshape(x, [rows, n]);
  const shaped = (factor: Input) => {
    const all = nodes.reshape(factor, [groups, n / spread, 1]);
    const wide = spread > 1 ? nodes.add("Expand", [all, ints([groups, n / spread, spread])]) : all;
    return nodes.reshape(wide, [groups, n]);
  };
  let y: Input;
  const whole = center && groups === 1 && spread === 1 && weight.kind !== "none";
  if (whole) {
    const factors = [weight, bias].filter(({ kind }) => kind !== "none").map(shaped)
      .map((factor) => nodes.reshape(factor, [n]));
    y = nodes.add("LayerNormalization", [matrix, ...factors], { axis: -1, epsilon: { f: eps } });
    return nodes.reshape(y, operands[0].shape);
  }
  const mean = nodes.add("ReduceMean", [matrix, ints([1])], { keepdims: 1 });
  const centred = center ? nodes.add("Sub", [matrix, mean]) : matrix;
  const square = nodes.add("Mul", [centred, centred]);
  const variance = nodes.add("ReduceMean", [square, ints([1])], { keepdims: 1 });
  const deviation = nodes.add("Sqrt", [nodes.add("Add", [variance, float(eps)])]);
  y = nodes.add("Div", [centred, deviation]);
  if (groups > 1) y = nodes.reshape(y, [rows / groups, groups, n]);
  if (weight.kind !== "none") y = nodes.add("Mul", [y, shaped(weight)]);
  if (bias.kind !== "none") y = nodes.add("Add", [y, shaped(bias)]);
  return nodes.reshape(y, operands[0].shape);
}

/** The operations that have an ONNX form, by the backend's names. */
export const OPERATIONS = {
  pointwise: {
    read: ([expression, operands, shape, dtype]) => ({
      ...{ operands: operands as Operand[], rest: [expression] },
      ...{ shape: shape as number[], dtype: dtype as DType },
    }),
    write: (nodes, inputs, { operands, rest, dtype }) =>
      expressionNodes(nodes, rest[0] as Expression, {
        inputs,
        dtypes: operands.map((x) => x.dtype),
        dtype,
      }),
  },
  relu: unary(({ shape }) => shape, (nodes, x) => nodes.add("Relu", [x])),
  cast: {
    read: ([x, dtype]) => {
      const operand = x as Operand;
      return { operands: [operand], rest: [], shape: operand.shape, dtype: dtype as DType };
    },
    write: (nodes, [x], { operands: [{ dtype: from }], dtype }) => {
      const [a, b] = [typeOf(from), typeOf(dtype)];
      return a.name === b.name ? x : nodes.add("Cast", [x], { to: b.code });
    },
  },
  strided: unary<StridedArgs>(
    (_, { shape }) => shape,
    (nodes, x, args, { shape }) => stridedNodes(nodes, x, shape, args),
  ),
  toContiguous: {
    // Told by the shape that the memory has.
    read: ([given]) => {
      const { buffer, shape, dtype } = given as ChannelsLast;
      return { operands: [{ buffer, shape: pixelOrder(shape), dtype }], rest: [], shape, dtype };
    },
    write: (nodes, [x], { shape }) => {
      const rank = shape.length;
      const perm = [0, rank - 1, ...Array.from({ length: rank - 2 }, (_, d) => d + 1)];
      return nodes.add("Transpose", [x], { perm: { ints: perm } });
    },
  },
  cat: {
    read: ([xs, dim]) => {
      const operands = xs as Operand[];
      const at = dim as number;
      const size = operands.reduce((sum, { shape }) => sum + shape[at], 0);
      const [{ shape, dtype }] = operands;
      return { operands, rest: [at], shape: shape.with(at, size), dtype };
    },
    write: (nodes, inputs, { rest }) => nodes.add("Concat", inputs, { axis: rest[0] as number }),
  },
  pad: unary<PadArgs>(
    (_, { shape }) => shape,
    (nodes, x, { shape, before, mode, bits }, { shape: own, dtype }) => {
      const after = own.map((size, d) => shape[d] - size - before[d]);
      const value = ofBits(bits, dtype);
      const filled = mode === "constant" && value !== 0
        ? [dtype.isFloat ? float(value) : { kind: "int" as const, values: [value], dims: [] }]
        : [];
      return nodes.add("Pad", [x, ints([...before, ...after]), ...filled], {
        mode: { s: mode },
      });
    },
  ),
  gather: {
    read: ([x, index, args]) => ({
      ...{ operands: [x as Operand, index as Operand], rest: [args] },
      ...{ shape: (args as GatherArgs).shape, dtype: (x as Operand).dtype },
    }),
    write: (nodes, [x, index], { operands: [of, at], rest }) => {
      const args = rest[0] as GatherArgs;
      const axis = slicesAlong(of, at, args);
      if (axis !== undefined) return nodes.add("Gather", [x, index], { axis });
      const along = contiguousStrides(of.shape).indexOf(args.stride);
      return nodes.add("GatherElements", [x, index], { axis: along });
    },
  },
  reduce,
  softmax: along<SoftmaxArgs>((nodes, x, axis, { log }) =>
    nodes.add(log ? "LogSoftmax" : "Softmax", [x], { axis })
  ),
  cumsum: along<CumSumArgs>((nodes, x, axis, { exclusive, reverse }) =>
    nodes.add("CumSum", [x, { kind: "int", values: [axis], dims: [] }], {
      exclusive: Number(exclusive),
      reverse: Number(reverse),
    })
  ),
  normalize: {
    read: ([x, args]) => {
      const { weight, bias } = args as NormalizeArgs;
      const { shape, dtype } = x as Operand;
      const none = { ...x as Operand, shape: [0] };
      return { operands: [x as Operand, weight ?? none, bias ?? none], rest: [args], shape, dtype };
    },
    write: (nodes, [x, w, b], asked) => {
      const { weight, bias } = asked.rest[0] as NormalizeArgs;
      const none: Input = { kind: "none" };
      return normalizeNodes(nodes, [x, weight ? w : none, bias ? b : none], asked);
    },
  },
  linear: {
    read: ([x, w, bias]) => {
      const [a, b] = [x as Operand, w as Operand];
      return {
        operands: [a, b, ...(bias ? [bias as Operand] : [])],
        ...{ rest: [], shape: [a.shape[0], b.shape[0]], dtype: a.dtype },
      };
    },
    write: (nodes, inputs) => nodes.add("Gemm", inputs, { transB: 1 }),
  },
  matmul: {
    read: ([a, b, args = {}]) => {
      const operands = [a as Operand, b as Operand];
      const shape = productShape(operands[0], operands[1], args as MatmulArgs);
      return { operands, rest: [args], shape, dtype: operands[0].dtype };
    },
    write: (nodes, [a, b], { operands, rest }) => {
      if (!(rest[0] as MatmulArgs).transposeB) return nodes.add("MatMul", [a, b]);
      const rank = operands[1].shape.length;
      const perm = Array.from({ length: rank }, (_, d) => d < rank - 2 ? d : 2 * rank - 3 - d);
      return nodes.add("MatMul", [a, nodes.add("Transpose", [b], { perm: { ints: perm } })]);
    },
  },
} satisfies Partial<Record<keyof Backend, Operation>>;

/** The name of one of them. */
export type OperationName = keyof typeof OPERATIONS;

/** Operations that layers ask for, and that have no form of their own. */
export const REFUSED = [
  "toChannelsLast",
  "resample",
  "matmulInteger",
  "convWeight",
  "conv",
  "recur",
  "quantizePixels",
  "packedConv",
  "pool",
  "reciprocal",
  "quantizeAffine",
  "dequantizeAffine",
  "quantizeAboutFloat",
  "addBlocks",
  "updateMinMax",
  "moveAverages",
  "updateHistogram",
  "quantizationLoss",
  "packRows",
  "unpackRows",
  "quantizeRows",
  "quantizeRowsDynamic",
  "packedLinear",
  "weightOnlyLinear",
] as const satisfies readonly (keyof Backend)[];
