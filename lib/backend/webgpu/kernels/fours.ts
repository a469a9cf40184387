/**
 * Four neighbouring elements of a row at a time, which never straddle rows: one element of a binding.
 *
 * @module
 */
import { type DType, int8 } from "../../../numbers/dtype.ts";
import { encoded } from "./elements.ts";

const PARTS = ["x", "y", "z", "w"];

/** The element type of a binding of fours. */
export function foursType(dtype: DType): string {
  const { itemSize } = dtype;
  return itemSize === 4 ? numbersType(dtype) : itemSize === 2 ? "vec2<u32>" : "u32";
}

/** The type of four numbers once they are loaded. */
export function numbersType(dtype: DType): string {
  return dtype.isFloat ? "vec4<f32>" : "vec4<i32>";
}

/** The numbers in `v`, an element of such a binding. */
export function numbersIn(dtype: DType, v: string): string {
  if (dtype.itemSize === 4) return v;
  if (dtype.itemSize === 1) {
    return dtype.min < 0 ? `unpack4xI8(${v})` : `vec4<i32>(unpack4xU8(${v}))`;
  }
  const half = (e: number) => `extractBits(${v}.${e < 2 ? "x" : "y"}, ${16 * (e % 2)}u, 16u)`;
  const number = (e: number) =>
    dtype.name === "float16" ? `decode_f16(${half(e)})` : `bitcast<f32>(${half(e)} << 16u)`;
  return `vec4<f32>(${[0, 1, 2, 3].map(number).join(", ")})`;
}

/** A function `fours_NAME(at: u32)` that reads four numbers; bytes are signed as rows have them. */
export function foursLoader(name: string, dtype: DType): string {
  const stored = dtype.itemSize === 1 ? int8 : dtype;
  return `fn fours_${name}(at: u32) -> ${numbersType(dtype)} {
let v = ${name}[at];
return ${numbersIn(stored, "v")};
}
`;
}

/** Four numbers, those of a variable, as an element of a binding. */
export function encodedFour(dtype: DType, v: string): string {
  if (dtype.itemSize === 4) return v;
  if (dtype.itemSize === 1) {
    const bytes = PARTS.map((part, e) => `((u32(${v}.${part}) & 255u) << ${8 * e}u)`);
    return bytes.join(" | ");
  }
  const word = (low: string, high: string) =>
    `${encoded(dtype, `${v}.${low}`)} | (${encoded(dtype, `${v}.${high}`)} << 16u)`;
  return `vec2<u32>(${word("x", "y")}, ${word("z", "w")})`;
}

/** `vector` with zeros for channels from `params.channels` on, where `channel` is the first. */
export function channelsOnly(type: string, vector: string): string {
  return `select(${type}(), ${vector}, vec4<u32>(channel) + vec4<u32>(0u, 1u, 2u, 3u) < ` +
    `vec4<u32>(params.channels))`;
}
