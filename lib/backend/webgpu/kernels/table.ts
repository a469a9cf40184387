/**
 * Tables of 256 integers. They are bound as uniforms, which devices read at any place faster than storage:
 * a software adapter takes a storage load lane by lane.
 *
 * @module
 */
import type { DType } from "../../../numbers/dtype.ts";
import type { ArrayBinding } from "./shader.ts";

/** The binding of a table of bytes or of int32. */
export function tableBinding(name: string, { itemSize }: DType): ArrayBinding {
  return [name, "vec4<u32>", 16 * itemSize];
}

/** A function `load_int_NAME(i: u32) -> i32` that reads element `i` of a table. */
export function tableLoader(name: string, { itemSize, min }: DType): string {
  const word = itemSize === 4 ? `${name}[i >> 2u][i & 3u]` : `${name}[i >> 4u][(i >> 2u) & 3u]`;
  const bits = `bitcast<i32>(${word})`;
  const byte = (from: string) => `extractBits(${from}, 8u * (i & 3u), 8u)`;
  const value = itemSize === 4 ? bits : min < 0 ? byte(bits) : `i32(${byte(word)})`;
  return `fn load_int_${name}(i: u32) -> i32 { return ${value}; }\n`;
}
