/**
 * Constants in 16 bits, and which of them float16 cannot hold.
 *
 * @module
 */
import { bfloat16, float16 } from "../../numbers/dtype.ts";
import { encode } from "../../numbers/encoding.ts";
import { floatsOfHalves, halvesOfFloats, roundToFloat16 } from "../../numbers/float16.ts";
import { decibels } from "../../plot/format.ts";
import { dataTypeCode } from "../file/data_type.ts";
import type { OnnxMessages } from "../file/messages.ts";
import type { NodeProto, TensorProto } from "../file/proto.ts";
import { floatConstant } from "../graph/float_constant.ts";

/** A float of 16 bits. */
export type HalfType = "float16" | "bfloat16";

/** What is known of a constant's numbers. */
export interface ConstantFacts {
  /** Whether one is NaN. */
  readonly nan: boolean;
  /** The one furthest beyond what float16 holds, if one is. */
  readonly beyond?: number;
  /** Whether all that are beyond are below. */
  readonly below: boolean;
  /** SQNR of the numbers in float16, in dB, but for those beyond. */
  readonly sqnr: number;
}

/** The greatest number of float16, and the least above 0. */
const GREATEST = 65504;
const LEAST = 2 ** -24;
/** From here on numbers are rounded to infinity. */
const ROUNDED_UP = 65520;

/** SQNR below which numbers are too small for float16; it has 70 dB and more for those that are not. */
const POOR = 40;

/** Numbers that are rounded at once. */
const CHUNK = 1 << 14;

/** Looks through a constant's numbers. */
export function constantFacts(tensor: TensorProto): ConstantFacts {
  using constant = floatConstant(tensor)!;
  const { data } = constant;
  let [nan, below] = [false, true];
  let [beyond, signal, noise] = [0, 0, 0];
  for (let start = 0; start < data.length; start += CHUNK) {
    const chunk = data.subarray(start, start + CHUNK);
    const rounded = floatsOfHalves(halvesOfFloats(chunk).buffer);
    for (let i = 0; i < chunk.length; i++) {
      const [x, y] = [chunk[i], rounded[i]];
      if (Number.isFinite(y)) {
        const off = x - y;
        signal += x * x;
        noise += off * off;
      } else if (Number.isNaN(x)) nan = true;
      else if (Number.isFinite(x)) {
        if (Math.abs(x) > Math.abs(beyond)) beyond = x;
        if (x > 0) below = false;
      }
    }
  }
  const sqnr = noise === 0 ? Infinity : 10 * Math.log10(signal / noise);
  const facts = { nan, below, sqnr };
  return beyond === 0 ? facts : { ...facts, beyond };
}

/** Operators that add, compare or choose: a very negative number only stands for the least there is. */
const MASKS = ["Add", "Expand", "Mul", "Pad", "Sub", "Where"];
/** Operators that cut off, whichever way. */
const CUTS = ["Clip", "Max", "Min"];
/** Inputs that are added, so that what is tiny in them matters little, by operators. */
const ADDED: ReadonlyMap<string, readonly number[]> = new Map<string, readonly number[]>([
  ...["Add", "Clip", "Max", "Min", "Sub", "Where"].map((op) => [op, [0, 1, 2]] as const),
  ...["Conv", "ConvTranspose", "Gemm", "LayerNormalization"].map((op) => [op, [2]] as const),
  ["BatchNormalization", [2, 3]],
]);

/**
 * Why a node cannot read a constant in float16; nothing if it can, be it cut off.
 *
 * @param index of the input.
 */
export function constantProblem(
  { opType }: NodeProto,
  index: number,
  { beyond, below, sqnr }: ConstantFacts,
): string | undefined {
  if (beyond !== undefined && !CUTS.includes(opType) && !(below && MASKS.includes(opType))) {
    return `its constant holds ${beyond.toPrecision(4)}, and float16 ends at ${GREATEST}`;
  }
  if (sqnr >= POOR || ADDED.get(opType)?.includes(index)) return undefined;
  return `its constant is so small that ${decibels(sqnr)} of it are left in float16`;
}

/** A number cut off at the ends of float16, and kept from becoming 0. */
function held(x: number): number {
  if (x === 0 || !Number.isFinite(x)) return x;
  if (x >= ROUNDED_UP) return GREATEST;
  if (x <= -ROUNDED_UP) return -GREATEST;
  return roundToFloat16(x) === 0 ? Math.sign(x) * LEAST : x;
}

/**
 * A constant in 16 bits. In float16 finite numbers stay finite, and those of a constant of one element stay
 * what is not 0.
 *
 * @param name of the new constant.
 */
export function halfConstant(
  messages: OnnxMessages,
  tensor: TensorProto,
  name: string,
  type: HalfType,
): TensorProto {
  using constant = floatConstant(tensor)!;
  const { dims, data } = constant;
  const single = data.length === 1;
  if (type === "float16") {
    for (let i = 0; i < data.length; i++) {
      if (single || Math.abs(data[i]) >= ROUNDED_UP) data[i] = held(data[i]);
    }
  }
  const bytes = encode(data, type === "float16" ? float16 : bfloat16) as Uint8Array<ArrayBuffer>;
  const half = messages.tensor(name, "uint8", [bytes.length], bytes, true);
  half.dataType = dataTypeCode(type);
  half.dims = dims.map(BigInt);
  return half;
}
