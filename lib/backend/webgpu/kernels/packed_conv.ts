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
import {
  type KStep,
  loadVector,
  packedStep,
  productOfBytes,
  sumOfBytes,
  wordsOf,
} from "./product.ts";
import type { Shader } from "./shader.ts";
import type { Tile } from "./tile.ts";

/** What distinguishes convolutions of bytes from one another. */
export interface PackedConvSpec extends PackedLinearSpec {
  /** Nothing for a kernel of one tap that reads each pixel once, which is a plain product. */
  readonly places: ConvPlaces | undefined;
  /** The channels of pixels that have so few that a word holds them. */
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

/** A step of sixteen bytes. */
function wholeStep(tile: Tile): KStep {
  const sum = (v: string) => sumOfBytes(wordsOf(v));
  return { ...packedStep(tile), rowSum: sum, columnSum: sum };
}

/**
 * A step of one pixel of few channels. Lanes that share rows take the bytes of theirs apart before they broadcast
 * them: so what fills a word up is not multiplied, where an adapter has no instruction for four products.
 */
function fewChannelsStep(channels: number, tile: Tile): KStep {
  const common = {
    element: "u32",
    weight: "vec4<u32>",
    accumulator: "i32",
    load: loadVector,
  } as const;
  if (tile.sharing !== "x") {
    const sum = (v: string) => sumOfBytes([v]);
    return {
      ...common,
      loaded: "u32",
      word: (name, word) => `let ${name} = ${word};`,
      product: (a, b) => productOfBytes([a], [b], tile),
      rowSum: sum,
      columnSum: sum,
    };
  }
  const endings = Array.from({ length: channels }, (_, c) => `_${c}`);
  const number = (word: string, c: number) => {
    const byte = `extractBits(bitcast<i32>(${word}), ${8 * c}u, 8u)`;
    return tile.floats ? `f32(${byte})` : byte;
  };
  const whole = (sum: string) => tile.floats ? `i32(${sum})` : sum;
  const sum = (v: string) => whole(endings.map((e) => v + e).join(" + "));
  return {
    ...common,
    endings,
    word: (name, word) => endings.map((e, c) => `let ${name}${e} = ${number(word, c)};`).join("\n"),
    product: (a, b) => whole(endings.map((e) => `${a}${e} * ${b}${e}`).join(" + ")),
    rowSum: sum,
    columnSum: sum,
  };
}

function packedConv(spec: PackedConvSpec & { readonly tile: Tile }): Shader {
  const { places, few, lastBytes, output, requantize, rescale, tile } = spec;
  const { rowSum, columnSum, ...products } = few ? fewChannelsStep(few, tile) : wholeStep(tile);
  const step: KStep = {
    ...products,
    rowSum: sumsRows(spec) ? rowSum : undefined,
    columnSum: sumsColumns(spec) ? columnSum : undefined,
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
        ? fewChannelsTaps(places, step.word!, "outside_few")
        : convTaps(places, step, vectorOutside),
    },
  });
}
