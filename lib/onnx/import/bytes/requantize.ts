import { Formula } from "../../../tensor/formula.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { type ByteType, toByte } from "./byte_type.ts";

/**
 * Sums of products as bytes: `clamp(round((sum + bias)·multiplier) + zeroPoint)`, with one multiplier for all or
 * one a channel. Enqueued.
 *
 * @param sums int32.
 * @param bias int32, that broadcasts, or null.
 */
export function requantized(
  sums: Tensor,
  bias: Tensor | null,
  multiplier: Tensor | number,
  output: Pick<ByteType, "zeroPoint" | "dtype">,
): Tensor {
  const f = new Formula("requantize");
  toByte(f, scaled(f, sums, bias, multiplier), output);
  return f.result(output.dtype);
}

function scaled(f: Formula, sums: Tensor, bias: Tensor | null, multiplier: Tensor | number) {
  const sum = f.read(sums, "int");
  const all = bias ? f.apply("add", sum, f.read(bias, "int")) : sum;
  return f.apply("mul", f.apply("float", all), f.read(multiplier, "float"));
}
