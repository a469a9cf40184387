/**
 * Expressions evaluated step by step over whole arrays.
 *
 * @module
 */
import { bool, type DType, int32 } from "../../numbers/dtype.ts";
import { encode, type TypedArray } from "../../numbers/encoding.ts";
import { bfloat16Bits, bfloat16Value, roundHalfEven } from "../../numbers/rounding.ts";
import { numelOf, sameShape } from "../../numbers/shape.ts";
import type { Operand } from "../backend.ts";
import {
  type Argument,
  type Expression,
  type FunctionName,
  type Kind,
  kindOfArgument,
  kindsOf,
  numberOf,
} from "../expression.ts";
import { broadcastWalk, offsetsOf } from "../strides.ts";
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
  float16: (a) => Math.f16round(a),
  bfloat16: (a) => bfloat16Value(bfloat16Bits(a)),
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

/** The elements of `x` as often as `shape` has them. */
function broadcast(x: Operand, shape: readonly number[]): TypedArray {
  const values = valuesOf(x);
  if (sameShape(x.shape, shape)) return values;
  const { sizes, strides: [strides] } = broadcastWalk([x.shape], shape);
  const all = emptyOf(x.dtype.isFloat ? "float" : "int", numelOf(shape));
  offsetsOf(sizes, strides).forEach((from, i) => all[i] = values[from]);
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

/** The bytes of an expression's values over inputs that broadcast to `shape`. */
export function pointwise(
  expression: Expression,
  inputs: readonly Operand[],
  shape: readonly number[],
  dtype: DType,
): Uint8Array {
  const numel = numelOf(shape);
  const dtypes = inputs.map((x) => x.dtype);
  const kinds = kindsOf(expression, dtypes);
  const read = inputs.map((x) => broadcast(x, shape));
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
    for (let i = 0; i < numel; i++) result[i] = compute(a[i], b[i], c[i]);
    done.push(result);
  });
  return stored(done.at(-1)!, dtype);
}
