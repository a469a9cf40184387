/** What candidates of scale and zero point cost: the squared error of quantizing with each. */
import type { DType } from "../../../numbers/dtype.ts";
import { float32 } from "../../../numbers/dtype.ts";
import type { Kernel } from "./kernel.ts";
import { bindings, CONVERSIONS, entry, loader, rounded } from "./wgsl.ts";
import { blockFields, elementOfFunction } from "./block_index.ts";
import { quantizeFunction } from "./quantize.ts";

const WORKGROUP = 64;

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
  target: DType,
): Kernel {
  const names = ["scale", "inverse", "zero_point"];
  return {
    key: `quantization loss ${x.name} ${rank} ${product.name} ${quantMin} ${quantMax} ${
      target.isFloat ? target.name : "integer"
    }`,
    wgsl: () =>
      bindings(
        [["x", "u32"], ...names.map((name) => [name, "u32"] as const), [
          "loss",
          "f32",
          "read_write",
        ]],
        ["blocks", "elements", "sums", ...blockFields(rank)],
      ) + `var<workgroup> partial: array<f32, ${WORKGROUP}>;` + CONVERSIONS + loader("x", x) +
      names.map((name) => loader(name, float32)).join("") + elementOfFunction(rank) +
      quantizeFunction(product, quantMin, quantMax, target) + entry(WORKGROUP) + /* wgsl */ `
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
}`,
  };
}
