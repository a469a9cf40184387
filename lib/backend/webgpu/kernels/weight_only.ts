/** The product of a float `x` and packed integers of `w`, which become floats in registers. */
import type { DType } from "../../../numbers/dtype.ts";
import { loader } from "./elements.ts";
import { type Kernel, kernel } from "./kernel.ts";
import { matmul } from "./matmul.ts";
import { nibbleBytes, spreadZeroPoint } from "./nibble_linear.ts";
import { paramIndex, type ParamKind } from "./packed_linear.ts";
import { type Epilogue, float32Step, type Groups, type KStep } from "./product.ts";
import type { Shader } from "./shader.ts";
import type { Tile } from "./tile.ts";

const COMPONENTS = ["x", "y", "z", "w"];

/** What distinguishes weight-only products from one another. */
export interface WeightOnlySpec {
  readonly bits: 4 | 8;
  /** What was subtracted from the elements of `w`. */
  readonly offset: number;
  readonly params: ParamKind;
  readonly scale: DType;
  readonly zeroPoint: DType | undefined;
  readonly bias: DType | undefined;
  readonly output: DType;
}

/**
 * The product's kernel for a float32 `x` and packed integers of `w`, which become floats in
 * registers. Bindings after `x` and `w`: scales, zero points if any, bias if any.
 */
export function weightOnlyKernel(spec: WeightOnlySpec, tile: Tile): Kernel {
  return kernel("weight only", { ...spec, tile }, weightOnly);
}

/** Sixteen bytes of packed integers as floats, less the zero point and scaled if that is asked for. */
function weightOnlyStep(bits: 4 | 8, corrected: boolean, scaled: boolean): KStep {
  const scale = (j: number) => scaled ? ` * scale_${j}` : "";
  return {
    ...float32Step,
    weight: "vec4<u32>",
    parts: 32 / bits,
    unpack: (j, p) => {
      if (bits === 8) {
        const bytes = `vec4<f32>(unpack4xI8(wide_${j}.${COMPONENTS[p]}))`;
        return `let b${j} = ${corrected ? `(${bytes} - zero_${j})` : bytes}${scale(j)};`;
      }
      const nibbles = nibbleBytes(
        `wide_${j}.${COMPONENTS[p >> 1]}`,
        p & 1,
        corrected ? `zero_${j}` : null,
      );
      return `let b${j} = vec4<f32>(unpack4xI8(${nibbles}))${scale(j)};`;
    },
  };
}

function weightOnly(spec: WeightOnlySpec & { readonly tile: Tile }): Shader {
  const { bits, offset, params, scale, bias, output, tile } = spec;
  const several = params === "group";
  const zero = (at: string) =>
    spec.zeroPoint
      ? `i32(load_zero_point(${at})) - (${offset})`
      : offset === 0
      ? null
      : `i32(${-offset})`;
  const corrected = zero("") !== null;
  // With many rows to share it, a scaled weight is cheaper than a second set of sums.
  const early = several && tile.rows > 2;
  const groups: Groups = {
    several,
    begin: (j, n) => {
      const at = paramIndex(params, n);
      const stored = zero(at);
      return (bits === 4
        ? spreadZeroPoint(j, stored)
        : corrected
        ? `let zero_${j} = vec4<f32>(f32(${stored}));`
        : "") +
        `let scale_${j} = load_scale(${at});`;
    },
    scaled: early ? null : (sum, _, j) => `${sum} * scale_${j}`,
  };
  const epilogue: Epilogue = {
    arrays: [
      ["scale", "u32"],
      ...(spec.zeroPoint ? [["zero_point", "u32"]] as const : []),
      ...(bias ? [["bias", "u32"]] as const : []),
    ],
    functions: loader("scale", scale) +
      (spec.zeroPoint ? loader("zero_point", spec.zeroPoint) : "") +
      (bias ? loader("bias", bias) : ""),
    shared: "",
    row: () => "",
    column: (j, n) => bias ? `let bias_${j} = load_bias(${n});` : "",
    value: (sum, _, j) => (several ? sum : `${sum} * scale_${j}`) + (bias ? ` + bias_${j}` : ""),
  };
  return matmul({ step: weightOnlyStep(bits, corrected, early), tile, epilogue, output, groups });
}
