/** What candidates of scale and zero point cost: the squared error of quantizing with each. */
import { type DType, float32 } from "../../../numbers/dtype.ts";
import { blockFields, elementOfFunction } from "./block_index.ts";
import { loader, rounded } from "./elements.ts";
import { type Kernel, kernel } from "./kernel.ts";
import { quantizeFunction } from "./quantize.ts";
import type { Shader } from "./shader.ts";

const WORKGROUP = 64;
/** The parameters of the candidates. */
const PARAMETERS = ["scale", "inverse", "zero_point"];

/** What distinguishes kernels that measure losses. */
interface QuantizationLoss {
  readonly x: DType;
  /** Dimensions of the blocks. */
  readonly rank: number;
  /** The dtype that the product with the reciprocal is rounded in. */
  readonly product: DType;
  readonly quantMin: number;
  readonly quantMax: number;
  /** An 8-bit float that is quantized to; integers by default. */
  readonly target?: DType;
}

/**
 * `loss[c, b] = Σ ((q − zeroPoint)·scale − x)²` over block `b` for candidate `c`. One workgroup a sum.
 * Parameters: blocks, elements a block, sums, then the dimensions.
 */
export function quantizationLossKernel(
  x: DType,
  rank: number,
  product: DType,
  quantMin: number,
  quantMax: number,
  output: DType,
): Kernel {
  const target = output.isFloat ? output : undefined;
  const spec = { x, rank, product, quantMin, quantMax, target };
  return kernel("quantization loss", spec, quantizationLoss);
}

function quantizationLoss(spec: QuantizationLoss): Shader {
  const { x, rank, product, quantMin, quantMax, target } = spec;
  return {
    arrays: [
      ["x", "u32"],
      ...PARAMETERS.map((name) => [name, "u32"] as const),
      ["loss", "f32", "read_write"],
    ],
    fields: ["blocks", "elements", "sums", ...blockFields(rank)],
    declarations: /* wgsl */ `
var<workgroup> partial: array<f32, ${WORKGROUP}>;
${loader("x", x)}
${PARAMETERS.map((name) => loader(name, float32)).join("")}
${elementOfFunction(rank)}
${quantizeFunction(product, quantMin, quantMax, target)}
`,
    workgroup: WORKGROUP,
    body: /* wgsl */ `
let inside = index < params.sums;
let which = min(index, params.sums - 1u);
let block = which % params.blocks;
let scale = load_scale(which);
let inverse = load_inverse(which);
let zero_point = load_zero_point(which);
var sum = 0.0;
let end = select(0u, params.elements, inside);
for (var j = lane; j < end; j += ${WORKGROUP}u) {
  let value = load_x(element_of(block, j));
  let steps = f32(quantize(value, inverse, zero_point)) - zero_point;
  let error = ${rounded(x, "steps * scale")} - value;
  sum += error * error;
}
partial[lane] = sum;
workgroupBarrier();
if (lane == 0u && inside) {
  for (var i = 1u; i < ${WORKGROUP}u; i++) { sum += partial[i]; }
  loss[which] = sum;
}
`,
  };
}
