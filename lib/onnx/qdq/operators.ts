/**
 * What quantization means for each operator, as onnxruntime's kernels for the CPU have it.
 *
 * @module
 */
import type { NodeProto } from "../file/proto.ts";
import { isOp } from "../graph/operator.ts";
import { floatOf, intOf, intsOf, stringOf } from "../file/attributes.ts";

/** How an operator takes part. */
export type Role =
  /** Multiplies with a weight; an integer kernel adds up products of bytes. */
  | "multiplies"
  /** Has a weight, but no integer kernel: the weight alone is stored in bytes. */
  | "stores"
  /** Computes from bytes to bytes, through an output range of its own. */
  | "computes"
  /** Only moves or picks elements of its first input, or puts some between them; bytes go through as they are. */
  | "moves"
  /** Picks rows of its first input, which may be stored in bytes if it is a table. */
  | "looksUp"
  /** Cuts off what is outside of an interval, as quantizing does anyway. */
  | "clips";

const ROLES: Readonly<Record<string, Role>> = {
  Add: "computes",
  AveragePool: "computes",
  Clip: "clips",
  Concat: "computes",
  Conv: "multiplies",
  ConvTranspose: "stores",
  DepthToSpace: "moves",
  Expand: "moves",
  Flatten: "moves",
  Gather: "moves",
  GatherElements: "moves",
  GatherND: "looksUp",
  Gemm: "multiplies",
  GlobalAveragePool: "computes",
  HardSigmoid: "computes",
  LeakyRelu: "computes",
  MatMul: "multiplies",
  MaxPool: "moves",
  Mul: "computes",
  ReduceMax: "moves",
  ReduceMin: "moves",
  Relu: "clips",
  Reshape: "moves",
  Resize: "moves",
  Sigmoid: "computes",
  Slice: "moves",
  Softmax: "computes",
  Split: "moves",
  Squeeze: "moves",
  Tile: "moves",
  Transpose: "moves",
  Unsqueeze: "moves",
  Where: "computes",
};

/** Those of them whose output holds every element of the input, and no other. */
const PERMUTES = new Set(
  ["DepthToSpace", "Expand", "Flatten", "Reshape", "Squeeze", "Tile", "Transpose", "Unsqueeze"],
);

/** Whether a node puts the elements of its first input into another order or shape. */
export function permutes(node: NodeProto): boolean {
  return isOp(node) && PERMUTES.has(node.opType);
}

/** The operators that can be quantized. */
export const QUANTIZABLE_OPERATORS: readonly string[] = Object.keys(ROLES);

/** The operators that are quantized if nothing else is asked for: those that it makes faster or smaller. */
export const DEFAULT_OPERATORS: readonly string[] = QUANTIZABLE_OPERATORS
  .filter((opType) => opType !== "Softmax");

/** Whether an operator has no weight and computes bytes of bytes. */
export function isComputing(opType: string): boolean {
  return Object.hasOwn(ROLES, opType) && ROLES[opType] === "computes";
}

/** How a node's operator takes part; nothing if it cannot be quantized. */
export function roleOf(node: NodeProto): Role | undefined {
  const { opType } = node;
  return isOp(node) && Object.hasOwn(ROLES, opType) ? ROLES[opType] : undefined;
}

/** The indices of a node's inputs that hold what is computed with: not shapes, axes or conditions. */
export function operands({ opType, input }: NodeProto): number[] {
  const given = input.flatMap((name, i) => name === "" ? [] : [i]);
  switch (opType) {
    case "Add":
    case "Concat":
    case "MatMul":
    case "Mul":
      return given;
    case "Where":
      return given.filter((i) => i > 0);
    case "Conv":
    case "ConvTranspose":
    case "Gemm":
      return given.filter((i) => i < 2);
    default:
      return [0];
  }
}

/** The axis of a weight's output channels. */
export function channelAxis(node: NodeProto): number {
  if (node.opType === "Conv") return 0;
  if (node.opType === "Gemm") return intOf(node, "transB", 0) ? 0 : 1;
  return 1;
}

/** Whether a node has a third input that is added to the products as 32-bit integers. */
export function hasBias({ opType, input }: NodeProto): boolean {
  return (opType === "Conv" || opType === "Gemm") && (input[2] ?? "") !== "";
}

/** Whether the integer kernel can give floats, so that nothing is lost where no bytes are needed. */
export function givesFloats({ opType }: NodeProto): boolean {
  return opType === "MatMul" || opType === "Gemm";
}

/** Why a node's attributes keep it from its integer kernel; nothing if they do not. */
export function attributeProblem(node: NodeProto): string | undefined {
  switch (node.opType) {
    case "Gemm":
      if (floatOf(node, "beta", 1) !== 1 && hasBias(node)) return "its beta is not 1";
      return floatOf(node, "alpha", 1) !== 1 ? "its alpha is not 1" : undefined;
    case "HardSigmoid":
      return hardSigmoid(node).alpha > 0 && hardSigmoid(node).beta >= 0
        ? undefined
        : "its alpha is not above 0, or its beta below";
    case "MaxPool":
      return node.output[1] ? "it gives indices too" : undefined;
    case "AveragePool":
      // onnxruntime's kernel for bytes knows no dilations and counts what lies beyond the padding.
      if (intsOf(node, "dilations")?.some((step) => step !== 1)) return "its window is dilated";
      return intOf(node, "ceil_mode", 0) && intOf(node, "count_include_pad", 0)
        ? "onnxruntime's integer kernel divides its last windows by another count"
        : undefined;
    case "Resize":
      return resizeProblem(node);
    default:
      return undefined;
  }
}

/** What a HardSigmoid multiplies with and adds. */
export function hardSigmoid(node: NodeProto): { readonly alpha: number; readonly beta: number } {
  return { alpha: floatOf(node, "alpha", 0.2), beta: floatOf(node, "beta", 0.5) };
}

/** onnxruntime's kernels for bytes interpolate all axes, and nothing else. */
function resizeProblem(node: NodeProto): string | undefined {
  const mode = stringOf(node, "mode", "nearest");
  if (mode === "cubic") return "cubic interpolation leaves the range";
  if (mode === "linear") return "onnxruntime's kernel for bytes rounds what it interpolates down";
  if (intsOf(node, "axes")?.length) return "it resizes chosen axes";
  if (intOf(node, "antialias", 0)) return "it smooths what it shrinks";
  const crops = stringOf(node, "coordinate_transformation_mode", "") === "tf_crop_and_resize";
  return crops ? "it crops, and fills with a value of its own" : undefined;
}
