/** Floats as bytes with channels last: an invocation writes a vector of sixteen channels of a pixel. */
import { type DType, float32 } from "../../../numbers/dtype.ts";
import { loader } from "./elements.ts";
import { foursLoader, foursType } from "./fours.ts";
import { type Kernel, kernel } from "./kernel.ts";
import { quantizeVectorFunction } from "./quantize.ts";
import { each, type Shader } from "./shader.ts";

const WORKGROUP = 64;

/** What distinguishes kernels that quantize pixels. */
export interface QuantizePixelsSpec {
  readonly x: DType;
  /** Whether the channels of `x` are last; if not, it is contiguous. */
  readonly last: boolean;
  /** The dtype that `x / scale` is rounded in. */
  readonly product: DType;
  readonly quantMin: number;
  readonly quantMax: number;
  /** What is subtracted from the integers. */
  readonly offset: number;
}

/** Workgroups for so many vectors. */
export function quantizePixelsWorkgroups(vectors: number): number {
  return Math.ceil(vectors / WORKGROUP);
}

/**
 * The kernel. Bindings: x, 1 / scale, zero point, y. Parameters: `vectors` in all, `channels`, `pixels` of
 * an image, `fours` of a pixel of `x`, and `width`, vectors of a pixel.
 */
export function quantizePixelsKernel(spec: QuantizePixelsSpec): Kernel {
  return kernel("quantize pixels", spec, quantizePixels);
}

function quantizePixels(spec: QuantizePixelsSpec): Shader {
  const { x, last, product, quantMin, quantMax, offset } = spec;
  const element = (e: number) =>
    `load_x((image * params.channels + min(channel + ${e}u, params.channels - 1u)) * params.pixels + pixel)`;
  const loaded = last
    ? "fours_x((image * params.pixels + pixel) * params.fours + channel / 4u)"
    : `vec4<f32>(${[0, 1, 2, 3].map(element).join(", ")})`;
  const word = (w: number) =>
    /* wgsl */ `{
  let channel = first + ${4 * w}u;
  if (channel < params.channels) {
    let q = quantize(${loaded}, inverse, zero_point) - ${offset};
    let inside = vec4<u32>(channel) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.channels);
    let low = select(vec4<u32>(), vec4<u32>(q) & vec4<u32>(255u), inside);
    bytes[${w}] = low.x | (low.y << 8u) | (low.z << 16u) | (low.w << 24u);
  }
}`;
  // Neighbours read neighbours: channels of a pixel, or pixels of a channel.
  const places = last
    ? `let vector = i % params.width;
let pixel = i / params.width % params.pixels;
let image = i / params.width / params.pixels;`
    : `let pixel = i % params.pixels;
let vector = i / params.pixels % params.width;
let image = i / params.pixels / params.width;`;
  return {
    arrays: [
      ["x", last ? foursType(x) : "u32"],
      ["inverse_scale", "u32"],
      ["zero", "u32"],
      ["y", "vec4<u32>", "read_write"],
    ],
    fields: ["vectors", "channels", "pixels", "fours", "width"],
    declarations: (last ? foursLoader("x", x) : loader("x", x)) +
      loader("inverse_scale", float32) + loader("zero", float32) +
      quantizeVectorFunction("quantize", product, quantMin, quantMax),
    workgroup: WORKGROUP,
    body: /* wgsl */ `
let i = index * ${WORKGROUP}u + lane;
if (i >= params.vectors) { return; }
${places}
let inverse = load_inverse_scale(0u);
let zero_point = load_zero(0u);
let first = vector * 16u;
var bytes = vec4<u32>();
${each(4, word)}
y[(image * params.pixels + pixel) * params.width + vector] = bytes;
`,
  };
}
