/** The product of bytes of `x` and nibbles of `w`. */
import { loader } from "./elements.ts";
import { type Kernel, kernel } from "./kernel.ts";
import { matmul } from "./matmul.ts";
import { type Epilogue, type Groups, type KStep, loadVector, packedStep } from "./product.ts";
import { LOW_NIBBLES } from "./pack_nibbles.ts";
import { packedArrays, type PackedLinearSpec, paramIndex, zeroPoint } from "./packed_linear.ts";
import { each, type Shader } from "./shader.ts";
import type { Tile } from "./tile.ts";

const COMPONENTS = ["x", "y", "z", "w"];

/** The four low (0) or high (1) nibbles of a word as bytes, the zero point taken out if there is one. */
export function nibbleBytes(word: string, half: number, zero: string | null): string {
  const bytes = `((${half ? `(${word} >> 4u)` : word}) & ${LOW_NIBBLES})`;
  // A byte is at most 15 and a zero point at most 128, so with the top bit set none borrows.
  return zero === null ? bytes : `(((${bytes} | 0x80808080u) - ${zero}) ^ 0x80808080u)`;
}

/** Declares `zero_j`, a nibble's zero point in each byte of a word. */
export function spreadZeroPoint(j: number, zero: string | null): string {
  return zero === null ? "" : `let zero_${j} = bitcast<u32>(${zero}) * 0x01010101u;`;
}

/** What the kernel is made from. */
interface TiledNibbles extends PackedLinearSpec {
  /** Whether the last vector of `w` may have but half its `x`. */
  readonly ragged: boolean;
  readonly tile: Tile;
}

/**
 * The product's kernel for bytes of `x` and nibbles of `w`. Zero points of `w` are taken out of the
 * nibbles in registers. `ragged` says that the last vector of `w` may have but half its `x`.
 */
export function nibbleLinearKernel(spec: PackedLinearSpec, tile: Tile, ragged: boolean): Kernel {
  return kernel("nibble linear", { ...spec, ragged, tile }, nibbleLinear);
}

/** Sixteen bytes of `x` by as many nibbles of `w`, from which the zero point is taken if there is one. */
function nibbleStep({ ragged, tile }: TiledNibbles, corrected: boolean): KStep {
  return {
    ...packedStep(tile),
    parts: 2,
    load: (name, from, at) =>
      ragged && at.endsWith("1u")
        ? `var ${name} = vec4<u32>(); if (s * 2u + 1u < params.x_steps) { ${name} = ${from}[${at}]; }`
        : loadVector(name, from, at),
    unpack: (j, p) => {
      const words = [`wide_${j}.${COMPONENTS[2 * p]}`, `wide_${j}.${COMPONENTS[2 * p + 1]}`];
      const zero = corrected ? `zero_${j}` : null;
      return `let b${j} = vec4<u32>(${
        words.flatMap((word) => [0, 1].map((half) => nibbleBytes(word, half, zero))).join(", ")
      });`;
    },
  };
}

function nibbleLinear(spec: TiledNibbles): Shader {
  const { xOffset, wOffset, xPerRow, wParams, bias, output, tile } = spec;
  const exact = !output.isFloat;
  const several = wParams === "group";
  const zx = (at: string) => zeroPoint("x_zero_point", spec.xZeroPoint, xOffset, at);
  const zw = (at: string) => zeroPoint("w_zero_point", spec.wZeroPoint, wOffset, at);
  const xCorrected = zx("") !== null;
  const wCorrected = zw("") !== null;
  const corrected = (sum: string, i: number, j: number) =>
    xCorrected ? `(${sum} - zx_${i} * column_${j})` : `(${sum})`;
  const groups: Groups = {
    several,
    begin: (j, n) => {
      const param = paramIndex(wParams, n);
      const size = several ? "params.steps * 32u" : "params.k";
      const sums = `w_sums[${several ? param : n}]`;
      const zero = wCorrected ? ` - i32(${size}) * zw_${j}` : "";
      return (wCorrected ? `let zw_${j} = ${zw(param)};` : "") +
        spreadZeroPoint(j, wCorrected ? `zw_${j}` : null) +
        (xCorrected ? `let column_${j} = ${sums}${zero};` : "") +
        (exact ? "" : `let w_scale_${j} = w_scale[${param}];`);
    },
    scaled: (sum, i, j) => `f32${corrected(sum, i, j)} * w_scale_${j}`,
  };
  const rowZeroPoints = each(
    xCorrected ? tile.rows : 0,
    (i) => `let zx_${i} = ${xPerRow ? zx(`m_${i}`) : "zx"};`,
  );
  const epilogue: Epilogue = {
    arrays: packedArrays(spec, false, xCorrected),
    functions: bias ? loader("bias", bias) : "",
    shared: (!xPerRow && xCorrected ? `let zx = ${zx("0u")};` : "") + rowZeroPoints,
    row: (i, m) => exact ? "" : `let x_scale_${i} = x_scale[${xPerRow ? m : "0"}];`,
    column: (j, n) => bias ? `let bias_${j} = load_bias(${n});` : "",
    value: (sum, i, j) => {
      if (exact) return corrected(sum, i, j);
      const product = several
        ? `${sum} * x_scale_${i}`
        : `f32${corrected(sum, i, j)} * (x_scale_${i} * w_scale_${j})`;
      return product + (bias ? ` + bias_${j}` : "");
    },
  };
  return matmul({ step: nibbleStep(spec, wCorrected), tile, epilogue, output, groups });
}
