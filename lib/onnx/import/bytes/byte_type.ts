/**
 * Bytes that stand for floats, `x = (q − zeroPoint)·scale`, with the parameters of a file.
 *
 * @module
 */
import type { Argument } from "../../../backend/expression.ts";
import { type DType, int8, uint8 } from "../../../numbers/dtype.ts";
import { quote } from "../../../numbers/printable.ts";
import type { Formula } from "../../../tensor/formula.ts";
import type { Tensor } from "../../../tensor/tensor.ts";

/** How bytes of one scale are read. */
export interface ByteType {
  readonly scale: number;
  readonly zeroPoint: number;
  readonly dtype: DType;
}

/** Throws unless a zero point is one of the integers of a type of 8 bits. */
export function checkByteType(what: string, { scale, zeroPoint, dtype }: ByteType): void {
  if (dtype !== int8 && dtype !== uint8) {
    throw new TypeError(`${what} is of ${dtype.name}, and only int8 and uint8 are computed here`);
  }
  if (!Number.isInteger(zeroPoint) || zeroPoint < dtype.min || zeroPoint > dtype.max) {
    throw new RangeError(
      `${what} has the zero point ${zeroPoint}, which is no ${dtype.name} (${dtype.min} to ${dtype.max})`,
    );
  }
  if (!(scale > 0) || scale === Infinity) {
    throw new RangeError(`${what} has the scale ${quote(String(scale))}; scales are above 0`);
  }
}

/**
 * A float in units of the scale as the nearest byte, ties to even: what is beyond the type's ends becomes
 * them. The order of steps is that of onnxruntime's kernels, so that the same bytes come out.
 */
export function toByte(
  f: Formula,
  value: Argument,
  { zeroPoint, dtype }: Pick<ByteType, "zeroPoint" | "dtype">,
): Argument {
  const [least, most] = [dtype.min - zeroPoint, dtype.max - zeroPoint];
  const kept = f.apply("minimum", f.apply("maximum", value, least), most);
  const whole = f.apply("int", f.apply("round", kept));
  return f.apply("add", whole, f.read(zeroPoint, "int"));
}

/** A byte less its zero point, as an integer. */
export function centred(f: Formula, q: Tensor, zeroPoint: number): Argument {
  return f.apply("sub", f.read(q, "int"), f.read(zeroPoint, "int"));
}

/** A byte as the float that it stands for. */
export function toFloat(f: Formula, q: Tensor, { scale, zeroPoint }: ByteType): Argument {
  return f.apply("mul", f.apply("float", centred(f, q, zeroPoint)), f.read(scale, "float"));
}
