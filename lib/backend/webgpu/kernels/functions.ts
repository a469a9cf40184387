/**
 * The functions of expressions in WGSL. Where WGSL leaves a device so much room that five digits would
 * not be right (exp, log, tanh, pow, sin, cos), they are computed here from additions and
 * multiplications, which are correctly rounded, and divisions, which are nearly so: good to a few units
 * in the last place. NaNs and infinities are told by their bits, since comparisons may take no notice
 * of them. A device may read subnormal numbers as zero, and give zero for them.
 */
import type { FunctionName, Kind } from "../../expression.ts";
import { literal } from "./elements.ts";
import { DIVIDE } from "./reciprocal.ts";
import { RELU } from "./relu.ts";

/** `c[0] + x·(c[1] + x·(…))`. */
function polynomial(x: string, coefficients: readonly number[]): string {
  return coefficients.reduceRight(
    (tail, c) => tail ? `(${literal(c)} + ${x} * ${tail})` : literal(c),
    "",
  );
}

/** 1, 1/2!, 1/3!, … with every `step`th factorial from `first`'s on, signs by `sign`. */
function factorials(first: number, step: number, count: number, sign = 1): number[] {
  const factorial = (n: number): number => n < 2 ? 1 : n * factorial(n - 1);
  return Array.from({ length: count }, (_, k) => sign ** k / factorial(first + step * k));
}

/** `1/1, 1/3, 1/5, …`, the series of atanh. */
const ATANH = Array.from({ length: 8 }, (_, k) => 1 / (2 * k + 1));
/** The series of `√π/2 · erf(x)/x` in x². */
const ERF = factorials(0, 1, 6, -1).map((c, k) => c / (2 * k + 1));
/**
 * `exp(z²)·erfc(z)/t` for t = 1/(1 + z/2), z from 0 to 14: fitted here by least squares, reweighted until
 * the relative error was even, 4e-8.
 */
const ERFC = [
  ...[0.282081187, 0.282487988, 0.242074937, 0.207910731, -0.0429091007],
  ...[0.310463011, -0.528456807, 0.31710732, -0.0735259354, 0.00276660756],
];

/** Helpers by name. Each text may call others, and is included where it is called. */
const HELPERS: Readonly<Record<string, string>> = {
  is_nan: /* wgsl */ `
fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }`,
  is_inf: /* wgsl */ `
fn is_inf(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) == 0x7f800000u; }`,
  // Made of a variable, for constants may not be NaN or infinite.
  nan_from: /* wgsl */ `
fn nan_from(x: f32) -> f32 { return bitcast<f32>(bitcast<u32>(x) | 0x7fc00000u); }`,
  inf_from: /* wgsl */ `
fn inf_from(x: f32) -> f32 { return bitcast<f32>((bitcast<u32>(x) & 0x80000000u) | 0x7f800000u); }`,
  // n from −252 to 254; in two steps, since one power of two may be too large or too small.
  scale_by_power: /* wgsl */ `
fn scale_by_power(x: f32, n: i32) -> f32 {
  let half = n / 2;
  return x * bitcast<f32>(u32(half + 127) << 23u) * bitcast<f32>(u32(n - half + 127) << 23u);
}`,
  exp_small: /* wgsl */ `
fn exp_small(r: f32) -> f32 { return ${polynomial("r", factorials(0, 1, 8))}; }`,
  exp_: /* wgsl */ `
fn exp_(x: f32) -> f32 {
  let inside = clamp(x, -104.0, 88.8);
  let n = round(inside * 1.44269504);
  let r = (inside - n * 0.693359375) + n * 2.12194440e-4;
  let y = scale_by_power(exp_small(r), i32(n));
  return select(select(y, inf_from(abs(x)), x > 88.8), x, is_nan(x));
}`,
  expm1_: /* wgsl */ `
fn expm1_(x: f32) -> f32 {
  if (abs(x) < 0.5) { return x * ${polynomial("x", factorials(1, 1, 8))}; }
  return exp_(x) - 1.0;
}`,
  // log((1 + s)/(1 − s)) for |s| ≤ 1/3.
  log_ratio: /* wgsl */ `
fn log_ratio(s: f32) -> f32 { let z = s * s; return 2.0 * s * ${polynomial("z", ATANH)}; }`,
  // The exponent and the mantissa from √½ to √2, of a positive normal number.
  split_exponent: /* wgsl */ `
fn split_exponent(x: f32) -> vec2<f32> {
  let bits = bitcast<u32>(x);
  let e = i32(bits - 0x3f3504f3u) >> 23u;
  return vec2<f32>(f32(e), bitcast<f32>(bits - (u32(e) << 23u)));
}`,
  log_: /* wgsl */ `
fn log_(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  if ((bits & 0x7fffffffu) == 0u) { return -inf_from(abs(x)); }
  if (bits >= 0x7f800000u) { return select(nan_from(x), x, bits == 0x7f800000u); }
  let subnormal = bits < 0x00800000u;
  let em = split_exponent(select(x, f32(bits), subnormal));
  let e = em.x - select(0.0, 149.0, subnormal);
  let f = em.y - 1.0;
  return e * 0.693359375 + (log_ratio(f / (2.0 + f)) - e * 2.12194440e-4);
}`,
  log1p_: /* wgsl */ `
fn log1p_(x: f32) -> f32 {
  // Half of it may be subnormal, which a device may take for 0.
  if (abs(x) < 5.9604645e-8) { return x; }
  if (abs(x) <= 0.5) { return log_ratio(x / (2.0 + x)); }
  return log_(1.0 + x);
}`,
  tanh_: /* wgsl */ `
fn tanh_(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  let e = expm1_(2.0 * min(abs(x), 10.0));
  return sign(x) * (e / (e + 2.0));
}`,
  sigmoid_: /* wgsl */ `
fn sigmoid_(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  let e = exp_(-abs(x));
  return select(1.0, e, x < 0.0) / (1.0 + e);
}`,
  // For z ≥ ½.
  erfc_far: /* wgsl */ `
fn erfc_far(z: f32) -> f32 {
  if (z > 10.5) { return 0.0; }
  let t = 1.0 / (1.0 + 0.5 * z);
  return exp_(-z * z) * t * ${polynomial("t", ERFC)};
}`,
  erf_: /* wgsl */ `
fn erf_(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  let z = x * x;
  if (abs(x) < 0.5) { return 1.12837917 * x * ${polynomial("z", ERF)}; }
  return sign(x) * (1.0 - erfc_far(abs(x)));
}`,
  erfc_: /* wgsl */ `
fn erfc_(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  if (abs(x) < 0.5) { return 1.0 - erf_(x); }
  let far = erfc_far(abs(x));
  return select(far, 2.0 - far, x < 0.0);
}`,
  // x − n·π/2 for the n that leaves least, and n; π/2 in three parts, n times which is exact.
  quarter_turns: /* wgsl */ `
fn quarter_turns(x: f32) -> vec2<f32> {
  let n = round(x * 0.636619772);
  let r = ((x - n * 1.5703125) - n * 4.83751297e-4) - n * 7.54978995e-8;
  return vec2<f32>(r, n);
}`,
  sine: /* wgsl */ `
fn sine(x: f32, turns: i32) -> f32 {
  if (is_nan(x) || is_inf(x)) { return nan_from(x); }
  let reduced = quarter_turns(x);
  let r = reduced.x;
  let z = r * r;
  let quarter = (i32(reduced.y) + turns) & 3;
  let s = r * ${polynomial("z", factorials(1, 2, 5, -1))};
  let c = ${polynomial("z", factorials(0, 2, 6, -1))};
  let value = select(s, c, (quarter & 1) == 1);
  return select(value, -value, quarter >= 2);
}`,
  sqrt_: /* wgsl */ `
fn sqrt_(x: f32) -> f32 {
  if (x < 0.0) { return nan_from(x); }
  if (x == 0.0 || is_inf(x) || is_nan(x)) { return x; }
  return sqrt(x);
}`,
  rsqrt_: /* wgsl */ `
fn rsqrt_(x: f32) -> f32 {
  if (x < 0.0) { return nan_from(x); }
  if (is_nan(x)) { return x; }
  if (is_inf(x)) { return 0.0; }
  if (x == 0.0) { return inf_from(x); }
  return inverseSqrt(x);
}`,
  div_: /* wgsl */ `
fn div_(a: f32, b: f32) -> f32 {
  if (b == 0.0) {
    let infinite = bitcast<f32>(bitcast<u32>(inf_from(a)) ^ (bitcast<u32>(b) & 0x80000000u));
    return select(infinite, nan_from(a), a == 0.0 || is_nan(a));
  }
  // Beyond 2^126 a device may divide by way of a reciprocal that is too small for it.
  if (abs(b) > 0x1p126f && !is_inf(b)) { return (a * 0.25) / (b * 0.25); }
  return a / b;
}`,
  // a − b·trunc(a/b), put right where the quotient was off by one.
  fmod_: /* wgsl */ `
fn fmod_(a: f32, b: f32) -> f32 {
  if (is_nan(a) || is_nan(b) || is_inf(a) || b == 0.0) { return nan_from(a); }
  if (is_inf(b)) { return a; }
  let x = abs(a);
  let y = abs(b);
  var r = x - y * trunc(x / y);
  if (r < 0.0) { r += y; }
  if (r >= y) { r -= y; }
  return select(r, -r, a < 0.0);
}`,
  remainder_: /* wgsl */ `
fn remainder_(a: f32, b: f32) -> f32 {
  let r = fmod_(a, b);
  return select(r, r + b, r != 0.0 && (r < 0.0) != (b < 0.0));
}`,
  // 2 to the power of n·e + n·log2(m): the whole part of n·e apart, in two exact products.
  power: /* wgsl */ `
fn power(x: f32, exponent: f32) -> f32 {
  let n = clamp(exponent, -0x1p33f, 0x1p33f);
  let subnormal = x < 0x1p-126f;
  let em = split_exponent(select(x, f32(bitcast<u32>(x)), subnormal));
  let e = em.x - select(0.0, 149.0, subnormal);
  let f = em.y - 1.0;
  let high = bitcast<f32>(bitcast<u32>(n) & 0xfffff000u);
  let whole = round(high * e);
  let rest = (high * e - whole) + (n - high) * e + n * (log_ratio(f / (2.0 + f)) * 1.44269504);
  if (whole + rest > 128.5) { return inf_from(x); }
  if (whole + rest < -151.0) { return 0.0; }
  let more = round(rest);
  return scale_by_power(exp_small((rest - more) * 0.693147181), i32(whole + more));
}`,
  pow_: /* wgsl */ `
fn pow_(x: f32, n: f32) -> f32 {
  if (n == 0.0 || x == 1.0) { return 1.0; }
  if (is_nan(x) || is_nan(n)) { return nan_from(x); }
  let size = abs(x);
  if (is_inf(n)) {
    if (size == 1.0) { return 1.0; }
    return select(0.0, inf_from(size), (size > 1.0) == (n > 0.0));
  }
  let odd = n == trunc(n) && n * 0.5 != trunc(n * 0.5);
  let negative = (bitcast<u32>(x) >> 31u) == 1u;
  var y = 0.0;
  if (size == 0.0 || is_inf(x)) { y = select(0.0, inf_from(size), (size == 0.0) == (n < 0.0)); }
  else if (negative && n != trunc(n)) { return nan_from(x); }
  else { y = power(size, n); }
  return select(y, -y, negative && odd);
}`,
  pow_int: /* wgsl */ `
fn pow_int(x: i32, n: i32) -> i32 {
  if (n < 0) { return select(select(0, select(1, -1, (n & 1) == 1), x == -1), 1, x == 1); }
  var result = 1;
  var base = x;
  for (var rest = n; rest > 0; rest = rest >> 1u) {
    if ((rest & 1) == 1) { result *= base; }
    base *= base;
  }
  return result;
}`,
  div_int: /* wgsl */ `
fn div_int(a: i32, b: i32) -> i32 {
  if (b == 0) { return 0; }
  if (b == -1) { return -a; }
  return a / b;
}`,
  fmod_int: /* wgsl */ `
fn fmod_int(a: i32, b: i32) -> i32 { return select(a - b * div_int(a, b), 0, b == 0); }`,
  remainder_int: /* wgsl */ `
fn remainder_int(a: i32, b: i32) -> i32 {
  let r = fmod_int(a, b);
  return select(r, r + b, r != 0 && (r < 0) != (b < 0));
}`,
  maximum_: /* wgsl */ `
fn maximum_(a: f32, b: f32) -> f32 {
  if (is_nan(a)) { return a; }
  return select(b, a, a > b && !is_nan(b));
}`,
  minimum_: /* wgsl */ `
fn minimum_(a: f32, b: f32) -> f32 {
  if (is_nan(a)) { return a; }
  return select(b, a, a < b && !is_nan(b));
}`,
  to_int: /* wgsl */ `
fn to_int(x: f32) -> i32 {
  if (is_nan(x)) { return 0; }
  if (x >= 0x1p31f) { return 2147483647; }
  return i32(max(x, -0x1p31f));
}`,
  relu: RELU,
  // x·(1/s) is at most two units in the last place off: only near a tie does the quotient itself count.
  // Where the reciprocal is no normal number, and for an x that may be read as zero, it always does.
  whole_quotient: /* wgsl */ `
fn whole_quotient(x: f32, scale: f32, inverse: f32) -> f32 {
  let size = bitcast<u32>(x) & 0x7fffffffu;
  if (size > 0x7f800000u) { return -0x1p31f; }
  var p = x * inverse;
  let near = abs(p - floor(p) - 0.5) <= abs(p) * 0x1p-21f;
  let subnormal = size != 0u && size < 0x00800000u;
  if (near || subnormal || inverse == 0.0) { p = divide(x, scale); }
  return round(p);
}`,
  divide: DIVIDE,
};

type Text = (a: string, b: string, c: string) => string;

const test = (condition: string) => `select(0, 1, ${condition})`;
const call = (name: string): Text => (...args) => `${name}(${args.filter(Boolean).join(", ")})`;
const infix = (operator: string): Text => (a, b) => `(${a} ${operator} ${b})`;
/** Ordered comparisons; with a NaN they do not hold. */
const compare = (operator: string): Text => (a, b) =>
  test(`(${a} ${operator} ${b}) && !is_nan(${a}) && !is_nan(${b})`);
const compareInt = (operator: string): Text => (a, b) => test(`${a} ${operator} ${b}`);
const isTrue = (x: string) => `(${x} != 0)`;
/** What is the same for whole numbers. */
const unchanged: Text = (a) => a;

const FLOAT: Readonly<Record<FunctionName, Text>> = {
  add: infix("+"),
  sub: infix("-"),
  mul: infix("*"),
  div: call("div_"),
  pow: call("pow_"),
  fmod: call("fmod_"),
  remainder: call("remainder_"),
  maximum: call("maximum_"),
  minimum: call("minimum_"),
  neg: (a) => `(-${a})`,
  abs: call("abs"),
  sign: (a) => `select(sign(${a}), 0.0, is_nan(${a}))`,
  relu: call("relu"),
  sqrt: call("sqrt_"),
  rsqrt: call("rsqrt_"),
  reciprocal: (a) => `div_(1.0, ${a})`,
  exp: call("exp_"),
  expm1: call("expm1_"),
  log: call("log_"),
  log1p: call("log1p_"),
  erf: call("erf_"),
  erfc: call("erfc_"),
  tanh: call("tanh_"),
  sigmoid: call("sigmoid_"),
  sin: (a) => `sine(${a}, 0)`,
  cos: (a) => `sine(${a}, 1)`,
  floor: call("floor"),
  ceil: call("ceil"),
  round: call("round"),
  trunc: call("trunc"),
  eq: compare("=="),
  ne: (a, b) => test(`(${a} != ${b}) || is_nan(${a}) || is_nan(${b})`),
  lt: compare("<"),
  le: compare("<="),
  gt: compare(">"),
  ge: compare(">="),
  and: (a, b) => test(`(${truth(a)}) && (${truth(b)})`),
  or: (a, b) => test(`(${truth(a)}) || (${truth(b)})`),
  xor: (a, b) => test(`(${truth(a)}) != (${truth(b)})`),
  not: (a) => test(`!(${truth(a)})`),
  isnan: (a) => test(`is_nan(${a})`),
  isinf: (a) => test(`is_inf(${a})`),
  select: (a, b, c) => `select(${c}, ${b}, ${isTrue(a)})`,
  float: unchanged,
  int: call("to_int"),
  // The device does not know that the constant is 0, so it must do with the bits as they are.
  float32: (a, zero) => `bitcast<f32>(bitcast<u32>(${a}) ^ u32(${zero}))`,
  float16: (a) => `decode_f16(encode_f16(${a}))`,
  bfloat16: (a) => `bitcast<f32>(encode_bf16(${a}) << 16u)`,
  uint8: (a) => `(${a} & 255)`,
  int8: (a) => `extractBits(${a}, 0u, 8u)`,
  quotient: call("divide"),
  wholeQuotient: call("whole_quotient"),
  lookup: (table, i) => `load_int_${table}(u32(${i}) & 255u)`,
};

/** Whether a float is not zero, a NaN being none. */
function truth(x: string): string {
  return `(bitcast<u32>(${x}) & 0x7fffffffu) != 0u`;
}

/** What is not the same for integers. */
const INT: Readonly<Partial<Record<FunctionName, Text>>> = {
  div: call("div_int"),
  pow: call("pow_int"),
  fmod: call("fmod_int"),
  remainder: call("remainder_int"),
  maximum: call("max"),
  minimum: call("min"),
  sign: call("sign"),
  relu: (a) => `max(${a}, 0)`,
  floor: unchanged,
  ceil: unchanged,
  round: unchanged,
  trunc: unchanged,
  eq: compareInt("=="),
  ne: compareInt("!="),
  lt: compareInt("<"),
  le: compareInt("<="),
  gt: compareInt(">"),
  ge: compareInt(">="),
  and: (a, b) => test(`${isTrue(a)} && ${isTrue(b)}`),
  or: (a, b) => test(`${isTrue(a)} || ${isTrue(b)}`),
  xor: (a, b) => test(`${isTrue(a)} != ${isTrue(b)}`),
  not: (a) => test(`${a} == 0`),
  isnan: () => "0",
  isinf: () => "0",
  float: (a) => `f32(${a})`,
  int: unchanged,
};

/** A function applied to expressions of WGSL of a kind. */
export function applied(name: FunctionName, kind: Kind, args: readonly string[]): string {
  const [a, b = "", c = ""] = args;
  return (kind === "int" && INT[name] || FLOAT[name])(a, b, c);
}

/** The helpers that a text calls, and those that they call. */
export function helpers(wgsl: string): string {
  const called = new Set<string>();
  const visit = (text: string) => {
    for (const [, name] of text.matchAll(/\b(\w+)\(/g)) {
      if (called.has(name) || !Object.hasOwn(HELPERS, name)) continue;
      called.add(name);
      visit(HELPERS[name]);
    }
  };
  visit(wgsl);
  return Object.keys(HELPERS).filter((name) => called.has(name))
    .map((name) => HELPERS[name]).join("");
}
