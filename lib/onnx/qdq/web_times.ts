/**
 * How long onnxruntime-web's WASM provider computes, with floats and with bytes.
 *
 * Measured with onnxruntime-web 1.30, whose kernels of 1.20 and later behave alike, with one thread on an x86-64
 * processor: chains of one operator, the time of four more nodes over the elements that they make. Only how they compare
 * counts. Its depthwise convolutions and poolings of bytes are plain loops, while those of floats have kernels of their
 * own; what turns floats into bytes and back costs about as much as a sum.
 *
 * @module
 */
import { intOf, intsOf } from "../file/attributes.ts";
import type { NodeProto } from "../file/proto.ts";
import type { Dim } from "../graph/shape_rules.ts";

/** Nanoseconds with floats and with bytes. */
interface Times {
  readonly float: number;
  readonly bytes: number;
}

/** What is to be known of a node's surroundings. */
export interface Sizes {
  /** The sizes of a value; nothing if not even their number is known. */
  dims(name: string): readonly Dim[] | undefined;
  /** The elements of a value, a guess where that is not known. */
  elements(name: string): number;
}

/**
 * Of making bytes of floats and floats of bytes: an element, with what orders it anew for convolutions, and the node that
 * does so.
 */
export const CROSSING = { quantize: 1.5, dequantize: 1.3, node: 1500 } as const;

/** Of an element that an operator makes. */
const PER_ELEMENT: Readonly<Record<string, Times>> = {
  Add: { float: 0.3, bytes: 1.1 },
  Concat: { float: 0.5, bytes: 0.7 },
  HardSigmoid: { float: 0.5, bytes: 1.1 },
  LeakyRelu: { float: 0.5, bytes: 0.9 },
  Mul: { float: 0.3, bytes: 1.1 },
  Resize: { float: 8, bytes: 8 },
  Sigmoid: { float: 3, bytes: 1.5 },
  Softmax: { float: 3.5, bytes: 3.5 },
  Where: { float: 0.8, bytes: 0.2 },
};

/** Of an element that an operator reads. */
const PER_INPUT: Readonly<Record<string, Times>> = {
  GlobalAveragePool: { float: 0.4, bytes: 0.3 },
  ReduceMax: { float: 0.4, bytes: 0.4 },
  ReduceMin: { float: 0.4, bytes: 0.4 },
};

/** Of an element in a window that is pooled. */
const PER_POOLED: Readonly<Record<string, Times>> = {
  AveragePool: { float: 0.17, bytes: 1.9 },
  MaxPool: { float: 0.17, bytes: 1.7 },
};

/** Of an element that is moved. */
const MOVED: Times = { float: 0.4, bytes: 0.2 };
/** What costs nothing, or is done by what stands before it. */
const FREE: Times = { float: 0, bytes: 0 };
const FREE_OPERATORS = new Set(["Clip", "Flatten", "Relu", "Reshape", "Squeeze", "Unsqueeze"]);

/** Of sums of products: a product, a sum, and an element that is brought beside others for it. */
const SUMS = {
  product: { float: 0.07, bytes: 0.05 },
  sum: { float: 0.5, bytes: 2 },
  gathered: { float: 0.3, bytes: 0.45 },
} as const;
/** Of a product where each channel is convolved by itself. */
const DEPTHWISE: Times = { float: 0.5, bytes: 1.25 };
/**
 * Of an element of a weight, however often it is multiplied. A convolution of floats of few places copies its weight
 * first.
 */
const READ = {
  fewPlaces: { float: 1, bytes: 0.3 },
  convolution: { float: 0.2, bytes: 0.3 },
  matrix: { float: 0.05, bytes: 0.14 },
} as const;
/** So many places are few. */
const FEW_PLACES = 9;

/** A size that is not known is taken to be this. */
export const UNKNOWN_SIZE = 64;

/** The product of sizes. */
function product(dims: readonly Dim[]): number {
  return dims.reduce<number>((n, dim) => n * (typeof dim === "number" ? dim : UNKNOWN_SIZE), 1);
}

/** Of sums of products: so many, of so many products each. */
function sums(count: number, each: number, gathered: number, product: Times): Times {
  const time = (how: keyof Times) =>
    count * (product[how] * each + SUMS.gathered[how] * gathered + SUMS.sum[how]);
  return { float: time("float"), bytes: time("bytes") };
}

/** Of a node that multiplies, but for the reading of a weight. */
function multiplying(node: NodeProto, sizes: Sizes): Times {
  const weight = sizes.dims(node.input[1]) ?? [];
  const outputs = sizes.elements(node.output[0]);
  if (node.opType !== "Conv") {
    const turned = node.opType === "Gemm" && intOf(node, "transB", 0) !== 0;
    const [rows, columns] = weight.slice(-2);
    return sums(outputs, product([turned ? columns : rows]), 0, SUMS.product);
  }
  const each = product(weight.slice(1));
  const group = intOf(node, "group", 1);
  if (group > 1 && weight[1] === 1) return sums(outputs, each, 0, DEPTHWISE);
  const pointwise = product(weight.slice(2)) === 1;
  const gathered = pointwise ? 0 : each * group / product(weight.slice(0, 1));
  return sums(outputs, each, gathered, SUMS.product);
}

/** How a node reads its weight. */
function reading(node: NodeProto, sizes: Sizes): keyof typeof READ {
  if (node.opType !== "Conv") return "matrix";
  const dims = sizes.dims(node.output[0]);
  return dims && product(dims.slice(2)) <= FEW_PLACES ? "fewPlaces" : "convolution";
}

/** The elements of a pooling's window. */
function windowSize(node: NodeProto): number {
  return product(intsOf(node, "kernel_shape") ?? []);
}

/**
 * The nanoseconds that a node takes with floats and with bytes.
 *
 * @param weight the elements of its weight, if it has one that is a constant.
 */
export function webTimes(node: NodeProto, sizes: Sizes, weight = 0): Times {
  const { opType, input, output } = node;
  const times = (each: Times, count: number) => ({
    float: each.float * count,
    bytes: each.bytes * count,
  });
  if (opType === "Conv" || opType === "Gemm" || opType === "MatMul") {
    const read = READ[reading(node, sizes)];
    const { float, bytes } = multiplying(node, sizes);
    return { float: float + read.float * weight, bytes: bytes + read.bytes * weight };
  }
  if (FREE_OPERATORS.has(opType)) return FREE;
  const made = output.reduce((n, name) => n + (name ? sizes.elements(name) : 0), 0);
  const own = Object.hasOwn(PER_ELEMENT, opType) ? PER_ELEMENT[opType] : undefined;
  if (own) return times(own, made);
  const reads = Object.hasOwn(PER_INPUT, opType) ? PER_INPUT[opType] : undefined;
  if (reads) return times(reads, sizes.elements(input[0]));
  const pools = Object.hasOwn(PER_POOLED, opType) ? PER_POOLED[opType] : undefined;
  return pools ? times(pools, made * windowSize(node)) : times(MOVED, made);
}
