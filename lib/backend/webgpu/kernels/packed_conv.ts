/** The convolution of bytes: exact sums over taps, and what becomes of them. */
import { convBatch, type ConvPlaces, convTaps, fewChannelsTaps } from "./conv_taps.ts";
import { type Kernel, kernel } from "./kernel.ts";
import { matmul } from "./matmul.ts";
import {
  packedEpilogue,
  type PackedLinearSpec,
  sharedZeroPoint,
  sumsColumns,
  sumsRows,
} from "./packed_linear.ts";
import { type KStep, packedStep, productOfBytes, sumOfBytes } from "./product.ts";
import type { Shader } from "./shader.ts";
import type { Tile } from "./tile.ts";

/** What distinguishes convolutions of bytes from one another. */
export interface PackedConvSpec extends PackedLinearSpec {
  /** Nothing for a kernel of one tap that reads each pixel once, which is a plain product. */
  readonly places: ConvPlaces | undefined;
  /** The channels of pixels that have so few that a vector holds four taps of them. */
  readonly few: number | undefined;
  /** Bytes of a pixel's last vector that are channels; 16 where all are. */
  readonly lastBytes: number;
}

/** The convolution's kernel for bytes. */
export function packedConvKernel(spec: PackedConvSpec, tile: Tile): Kernel {
  return kernel("packed conv", { ...spec, tile }, packedConv);
}

/** The bits of a vector's first so many bytes, a word each. */
function firstBytes(count: number): string[] {
  return [0, 1, 2, 3].map((word) => {
    const bytes = Math.min(Math.max(count - 4 * word, 0), 4);
    return `${2 ** (8 * bytes) - 1}u`;
  });
}

function packedConv(spec: PackedConvSpec & { readonly tile: Tile }): Shader {
  const { places, few, lastBytes, output, requantize, rescale, tile } = spec;
  // Four taps of few channels fill as many words.
  const step: KStep = {
    ...packedStep(tile),
    product: (a, b) => productOfBytes(a, b, tile, few),
    rowSum: sumsRows(spec) ? (a) => sumOfBytes(a, few) : undefined,
    columnSum: sumsColumns(spec) ? (b) => sumOfBytes(b, few) : undefined,
    ...few && { element: "u32", weight: "vec4<u32>" },
  };
  const epilogue = packedEpilogue(spec);
  // Outside of the input lies its zero point, in all channels but in nothing that fills rows up.
  const [word] = firstBytes(lastBytes);
  const outside = `let outside = (u32(${sharedZeroPoint(spec)}) & 255u) * 0x01010101u;
let outside_all = vec4<u32>(outside);
let outside_last = outside_all & vec4<u32>(${firstBytes(lastBytes).join(", ")});
let outside_few = outside & ${word};`;
  const ends = places?.merged
    ? (s: string) => `(${s} + 1u) % params.row_steps == 0u`
    : (s: string) => `${s} + 1u == params.tap_steps`;
  const vectorOutside = (s: string) =>
    step.rowSum && lastBytes < 16 ? `select(outside_all, outside_last, ${ends(s)})` : "outside_all";
  return matmul({
    step,
    tile,
    epilogue: { ...epilogue, shared: epilogue.shared + (places ? outside : "") },
    output: requantize || rescale ? "packed bytes" : output,
    padded: true,
    ...places && {
      batch: convBatch(places),
      taps: few
        ? fewChannelsTaps(places, few, "outside_few")
        : convTaps(places, step, vectorOutside),
    },
  });
}
