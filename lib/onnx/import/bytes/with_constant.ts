/**
 * Sums and products of bytes with one constant byte, as tables: each entry is rounded as onnxruntime's kernels for
 * AVX2 round it, who fuse a product with its sum. That decides where sums lie in the middle between two bytes, as
 * those of x + 3 do in a HardSwish whose range is 0 to 6.
 *
 * @module
 */
import { roundHalfEven } from "../../../numbers/rounding.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { hostTensor } from "../node/host_values.ts";
import type { ByteType } from "./byte_type.ts";

/** An operand: how its bytes are read, and which one it is if it is constant. */
export interface Operand {
  readonly type: ByteType;
  readonly byte: number | undefined;
}

/** A table whose entries are a function of the byte that is not constant. */
function tableFor(input: ByteType, output: ByteType, value: (q: number) => number): Tensor {
  const { min, max } = output.dtype;
  const entries = Array.from({ length: 256 }, (_, bits) => {
    const q = input.dtype.min < 0 && bits > 127 ? bits - 256 : bits;
    return Math.min(Math.max(roundHalfEven(value(q)), min), max);
  });
  return hostTensor(entries, [256], output.dtype);
}

/** The table of `a + b`, one of which is a constant byte. */
export function sumTable(a: Operand, b: Operand, y: ByteType): Tensor {
  const [ra, rb] = [a, b].map(({ type }) => Math.fround(type.scale / y.scale));
  const taken = Math.fround(ra * a.type.zeroPoint + Math.fround(rb * b.type.zeroPoint));
  const fixed = Math.fround(y.zeroPoint - taken);
  const [constant, ratio, input, by] = a.byte === undefined
    ? [b.byte!, rb, a.type, ra]
    : [a.byte, ra, b.type, rb];
  const start = Math.fround(fixed + Math.fround(constant * ratio));
  // A product of a byte and a float32 is exact here, so this is rounded once.
  return tableFor(input, y, (q) => Math.fround(q * by + start));
}

/** The table of `a·b`, one of which is a constant byte. */
export function productTable(a: Operand, b: Operand, y: ByteType): Tensor {
  const ratio = Math.fround(Math.fround(a.type.scale * b.type.scale) / y.scale);
  const [constant, other] = a.byte === undefined ? [b, a] : [a, b];
  const factor = constant.byte! - constant.type.zeroPoint;
  return tableFor(other.type, y, (q) => {
    const product = Math.fround((q - other.type.zeroPoint) * factor * ratio);
    return Math.fround(product + y.zeroPoint);
  });
}
