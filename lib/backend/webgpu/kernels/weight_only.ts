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
  /** The dtype of 8-bit floats; undefined for integers. */
  readonly float8?: DType;
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

/** What tells the 8-bit floats apart: where the exponent begins, its bias, and the first that is no number. */
const FLOAT8: Partial<Record<DType["name"], { mantissa: number; bias: number; special: number }>> =
  {
    float8_e4m3fn: { mantissa: 3, bias: 7, special: 0x7f },
    float8_e5m2: { mantissa: 2, bias: 15, special: 0x7c },
  };

/**
 * `fn floats_of(word) -> vec4<f32>`, four 8-bit floats. The fields of a normal one are moved to where a float32 has
 * them and its exponent's bias is exchanged; a subnormal one is its mantissa in steps.
 */
function float8Function(dtype: DType): string {
  const { mantissa, bias, special } = FLOAT8[dtype.name]!;
  const vector = (x: number) => `vec4<u32>(${x}u)`;
  return /* wgsl */ `
fn floats_of(word: u32) -> vec4<f32> {
  let bytes = vec4<u32>(word, word >> 8u, word >> 16u, word >> 24u);
  let fields = bytes & ${vector(0x7f)};
  let normal = (fields << ${vector(23 - mantissa)}) + ${vector((127 - bias) * 2 ** 23)};
  let steps = bitcast<vec4<u32>>(vec4<f32>(fields) * 0x1p-${bias + mantissa - 1}f);
  let number = select(normal, steps, fields < ${vector(1 << mantissa)});
  let other = select(${vector(0x7fc00000)}, ${vector(0x7f800000)}, fields == ${
    vector(dtype.name === "float8_e5m2" ? special : 0x80)
  });
  let magnitude = select(number, other, fields >= ${vector(special)});
  return bitcast<vec4<f32>>(magnitude | ((bytes & ${vector(0x80)}) << ${vector(24)}));
}
`;
}

/** Sixteen bytes of packed integers as floats, less the zero point and scaled if that is asked for. */
function weightOnlyStep(
  { bits, float8 }: WeightOnlySpec,
  corrected: boolean,
  scaled: boolean,
): KStep {
  const scale = (j: number) => scaled ? ` * scale_${j}` : "";
  return {
    ...float32Step,
    weight: "vec4<u32>",
    parts: 32 / bits,
    unpack: (j, p) => {
      if (float8) return `let b${j} = floats_of(wide_${j}.${COMPONENTS[p]})${scale(j)};`;
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
  const step = weightOnlyStep(spec, corrected, early);
  const functions = spec.float8 ? float8Function(spec.float8) : "";
  return matmul({ step, tile, epilogue, output, groups, functions });
}
