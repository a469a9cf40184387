/**
 * Expressions evaluated step by step over whole arrays.
 *
 * @module
 */
import { bool, type DType, int32 } from "../../numbers/dtype.ts";
import { encode, type TypedArray } from "../../numbers/encoding.ts";
import { roundToFloat16 } from "../../numbers/float16.ts";
import { bfloat16Bits, bfloat16Value, roundHalfEven } from "../../numbers/rounding.ts";
import { numelOf } from "../../numbers/shape.ts";
import type { Operand } from "../backend.ts";
import { byteOffset, rowStride } from "../channels_last.ts";
import {
  type Argument,
  type FunctionName,
  type Kind,
  kindOfArgument,
  kindsOf,
  numberOf,
  tablesOf,
} from "../expression.ts";
import { expressionWalk, isShifted, type Walked } from "../pixel_walk.ts";
import { offsetsOf, type Walk } from "../strides.ts";
import { valuesOf } from "./buffer.ts";
import { erf, erfc, integerPower, sigmoid } from "./special.ts";

type Compute = (a: number, b: number, c: number) => number;

/** What each function does; results are rounded to float32 or wrapped to int32 when they are stored. */
const COMPUTE: Readonly<Record<FunctionName, Compute>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  // JavaScript has NaN where a is 1 or −1 and b no finite number.
  pow: (a, b) => a === 1 || (a === -1 && Math.abs(b) === Infinity) ? 1 : a ** b,
  fmod: (a, b) => a % b,
  remainder: (a, b) => a % b + (a % b !== 0 && (a % b < 0) !== (b < 0) ? b : 0),
  maximum: Math.max,
  minimum: Math.min,
  neg: (a) => -a,
  abs: Math.abs,
  sign: (a) => a > 0 ? 1 : a < 0 ? -1 : 0,
  relu: (a) => a > 0 ? a : a !== a ? a : 0,
  sqrt: Math.sqrt,
  rsqrt: (a) => 1 / Math.sqrt(a),
  reciprocal: (a) => 1 / a,
  exp: Math.exp,
  expm1: Math.expm1,
  log: Math.log,
  log1p: Math.log1p,
  erf,
  erfc,
  tanh: Math.tanh,
  sigmoid,
  sin: Math.sin,
  cos: Math.cos,
  floor: Math.floor,
  ceil: Math.ceil,
  round: (a) => Number.isFinite(a) ? roundHalfEven(a) : a,
  trunc: Math.trunc,
  eq: (a, b) => +(a === b),
  ne: (a, b) => +(a !== b),
  lt: (a, b) => +(a < b),
  le: (a, b) => +(a <= b),
  gt: (a, b) => +(a > b),
  ge: (a, b) => +(a >= b),
  and: (a, b) => +(a !== 0 && b !== 0),
  or: (a, b) => +(a !== 0 || b !== 0),
  xor: (a, b) => +((a !== 0) !== (b !== 0)),
  not: (a) => +(a === 0),
  isnan: (a) => +(a !== a),
  isinf: (a) => +(Math.abs(a) === Infinity),
  select: (a, b, c) => a !== 0 ? b : c,
  float: (a) => a,
  int: (a) => Number.isNaN(a) ? 0 : Math.min(Math.max(Math.trunc(a), int32.min), int32.max),
  float16: roundToFloat16,
  float32: (a) => a,
  bfloat16: (a) => bfloat16Value(bfloat16Bits(a)),
  uint8: (a) => a & 255,
  int8: (a) => a << 24 >> 24,
  quotient: (a, b) => a / b,
  wholeQuotient: (a, b) => {
    const quotient = Math.fround(a / b);
    return Number.isNaN(a)
      ? int32.min
      : Number.isFinite(quotient)
      ? roundHalfEven(quotient)
      : quotient;
  },
  // Done where the table is at hand.
  lookup: (a) => a,
};

/** What differs for integers. */
const COMPUTE_INTEGERS: Readonly<Partial<Record<FunctionName, Compute>>> = {
  mul: Math.imul,
  div: (a, b) => b === 0 ? 0 : Math.trunc(a / b),
  fmod: (a, b) => b === 0 ? 0 : a % b,
  remainder: (a, b) => b === 0 ? 0 : COMPUTE.remainder(a, b, 0),
  pow: integerPower,
};

function emptyOf(kind: Kind, length: number): Float32Array | Int32Array {
  return kind === "float" ? new Float32Array(length) : new Int32Array(length);
}

/** The elements of `x` as a walk meets them; a table's as they are. */
function walked(x: Operand, { sizes, strides }: Walk, n: number, isTable: boolean): TypedArray {
  const values = valuesOf(x);
  if (isShifted(x)) { for (let i = 0; i < values.length; i++) values[i] ^= 128; }
  if (isTable || (sizes.length === 1 && strides[n][0] === 1)) return values;
  const all = emptyOf(x.dtype.isFloat ? "float" : "int", numelOf(sizes));
  offsetsOf(sizes, strides[n]).forEach((from, i) => all[i] = values[from]);
  return all;
}

/** `numel` results as bytes of `dtype`: bool where they are not zero, integers wrapped around. */
function stored(values: TypedArray, dtype: DType): Uint8Array {
  if (dtype === bool) return Uint8Array.from(values, (v) => v === 0 ? 0 : 1);
  if (dtype.isFloat || dtype === int32) return encode(values, dtype);
  const { min, max } = dtype;
  const count = max - min + 1;
  return encode(Int32Array.from(values, (v) => v - Math.floor((v - min) / count) * count), dtype);
}

/** Brings zeros to the ends of rows, and bytes to where they lie. */
function inRows(bytes: Uint8Array, shape: readonly number[], dtype: DType): Uint8Array {
  const row = rowStride(shape[1], dtype) * dtype.itemSize;
  const used = shape[1] * dtype.itemSize;
  const shift = byteOffset(dtype);
  return bytes.map((byte, i) => i % row < used ? byte ^ shift : 0);
}

/** The bytes of an expression's values over inputs that broadcast to `shape`. */
export function pointwise(operation: Walked): Uint8Array {
  const { expression, inputs, shape, dtype, layout } = operation;
  const walk = expressionWalk(operation);
  const numel = layout ? numelOf(walk.sizes) : numelOf(shape);
  const dtypes = inputs.map((x) => x.dtype);
  const kinds = kindsOf(expression, dtypes);
  const tables = tablesOf(expression);
  const read = inputs.map((x, n) => walked(x, walk, n, tables.has(n)));
  const done: TypedArray[] = [];
  const valueOf = (argument: Argument): TypedArray => {
    const number = numberOf(argument);
    if (argument[0] === "x") return read[number];
    if (argument[0] === "t") return done[number];
    const kind = argument[0] === "f" ? "float" : "int";
    return emptyOf(kind, numel).fill(expression.constants[number]);
  };
  expression.steps.forEach(([name, ...args], s) => {
    const kind = kindOfArgument(args.at(-1)!, dtypes, kinds);
    const compute = kind === "int" && COMPUTE_INTEGERS[name] || COMPUTE[name];
    const [a, b = a, c = a] = args.map(valueOf);
    const result = emptyOf(kinds[s], numel);
    if (name === "lookup") { for (let i = 0; i < numel; i++) result[i] = a[b[i] & 255]; }
    else for (let i = 0; i < numel; i++) result[i] = compute(a[i], b[i], c[i]);
    done.push(result);
  });
  const bytes = stored(done.at(-1)!, dtype);
  return layout ? inRows(bytes, shape, dtype) : bytes;
}
