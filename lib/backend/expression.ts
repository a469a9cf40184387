/**
 * What is computed element by element, as data: steps that apply named functions to inputs, constants
 * and the results of earlier steps. Backends evaluate or compile them; rules may join them.
 *
 * @module
 */
import { type DType, int32 } from "../numbers/dtype.ts";

/** How values are held while they are computed: as float32, or as int32 (bool as 0 and 1). */
export type Kind = "float" | "int";

/** What a function takes and gives. */
export interface Signature {
  /** How many arguments there are. */
  readonly args: number;
  /** The kind of the result; `"same"` is that of the last argument. */
  readonly gives: Kind | "same";
}

const same = (args: number): Signature => ({ args, gives: "same" });
const test = (args: number): Signature => ({ args, gives: "int" });
const convert = (gives: Kind): Signature => ({ args: 1, gives });

/**
 * What a function is called. Both arguments of one that has two are of one kind. Those of integers wrap
 * around; `div` and `fmod` of integers truncate, `remainder` has the sign of the divisor; by zero they
 * give 0.
 * Tests give 1 or 0, and `select` takes its second argument where the first is not 0, else its third.
 * `float` and `int` convert (int truncates and saturates, a NaN becomes 0); those named after dtypes
 * round to what they hold, or wrap around to it. `float32` takes a second argument, the integer constant
 * 0: what is rounded is not drawn together with what is done to it, as `a·b + c` may be otherwise.
 *
 * `quotient` is the float32 nearest to a/b on every device, which `div` need not be. `wholeQuotient` of a, b and 1/b is the whole number nearest to that, ties to even both times; that of a NaN is −2³¹. 1/b may be 0 where it is no normal number.
 * `lookup` of a table, an input of 256 bytes or int32 numbers, and an integer is the element that
 * the integer's lowest byte counts.
 */
export type FunctionName =
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "pow"
  | "fmod"
  | "remainder"
  | "maximum"
  | "minimum"
  | "neg"
  | "abs"
  | "sign"
  | "relu"
  | "sqrt"
  | "rsqrt"
  | "reciprocal"
  | "exp"
  | "expm1"
  | "log"
  | "log1p"
  | "erf"
  | "erfc"
  | "tanh"
  | "sigmoid"
  | "sin"
  | "cos"
  | "floor"
  | "ceil"
  | "round"
  | "trunc"
  | "eq"
  | "ne"
  | "lt"
  | "le"
  | "gt"
  | "ge"
  | "and"
  | "or"
  | "xor"
  | "not"
  | "isnan"
  | "isinf"
  | "select"
  | "float"
  | "int"
  | "float32"
  | "float16"
  | "bfloat16"
  | "uint8"
  | "int8"
  | "quotient"
  | "wholeQuotient"
  | "lookup";

/** What each function takes and gives. */
export const FUNCTIONS: Readonly<Record<FunctionName, Signature>> = {
  add: same(2),
  sub: same(2),
  mul: same(2),
  div: same(2),
  pow: same(2),
  fmod: same(2),
  remainder: same(2),
  maximum: same(2),
  minimum: same(2),
  neg: same(1),
  abs: same(1),
  sign: same(1),
  relu: same(1),
  sqrt: same(1),
  rsqrt: same(1),
  reciprocal: same(1),
  exp: same(1),
  expm1: same(1),
  log: same(1),
  log1p: same(1),
  erf: same(1),
  erfc: same(1),
  tanh: same(1),
  sigmoid: same(1),
  sin: same(1),
  cos: same(1),
  floor: same(1),
  ceil: same(1),
  round: same(1),
  trunc: same(1),
  eq: test(2),
  ne: test(2),
  lt: test(2),
  le: test(2),
  gt: test(2),
  ge: test(2),
  and: test(2),
  or: test(2),
  xor: test(2),
  not: test(1),
  isnan: test(1),
  isinf: test(1),
  select: same(3),
  float: convert("float"),
  int: convert("int"),
  float32: { args: 2, gives: "float" },
  float16: convert("float"),
  bfloat16: convert("float"),
  uint8: convert("int"),
  int8: convert("int"),
  quotient: same(2),
  wholeQuotient: same(3),
  lookup: test(2),
};

/**
 * What a step reads, by its kind and number: an input (`x0`), a constant as float (`f0`) or as integer
 * (`i0`), or the result of an earlier step (`t0`).
 */
export type Argument = `${"x" | "f" | "i" | "t"}${number}`;

/** A function and its arguments. */
export type Step = readonly [name: FunctionName, ...args: Argument[]];

/** A function of some inputs, element by element: its value is what the last step gives. */
export interface Expression {
  /** In order; a step reads only those before it. */
  readonly steps: readonly Step[];
  /** The numbers that `f0` or `i0` and so on stand for. They are no part of a kernel's text. */
  readonly constants: readonly number[];
}

/** What looks the elements of its first input up in its second one, a table. */
export const LOOKUP: Expression = { steps: [["lookup", "x1", "x0"]], constants: [] };

/** The kind in which elements of a dtype are computed. */
export function kindOf(dtype: DType): Kind {
  return dtype.isFloat ? "float" : "int";
}

/** The kind of each step's result. */
export function kindsOf({ steps }: Expression, inputs: readonly DType[]): Kind[] {
  const kinds: Kind[] = [];
  for (const [name, ...args] of steps) {
    const { gives } = FUNCTIONS[name];
    kinds.push(gives === "same" ? kindOfArgument(args.at(-1)!, inputs, kinds) : gives);
  }
  return kinds;
}

/** The kind of an argument, given those of the steps before it. */
export function kindOfArgument(
  argument: Argument,
  inputs: readonly DType[],
  steps: readonly Kind[],
): Kind {
  const number = numberOf(argument);
  switch (argument[0]) {
    case "x":
      return kindOf(inputs[number]);
    case "t":
      return steps[number];
    default:
      return argument[0] === "f" ? "float" : "int";
  }
}

/** The number of an argument among those of its sort. */
export function numberOf(argument: Argument): number {
  return Number(argument.slice(1));
}

/** The argument whose value is an expression's, as the next step reads it. */
export function last({ steps }: Expression): Argument {
  return `t${steps.length - 1}`;
}

/** The inputs that an expression looks up in, by number. */
export function tablesOf({ steps }: Expression): Set<number> {
  const lookups = steps.filter(([name]) => name === "lookup");
  return new Set(lookups.map(([, table]) => numberOf(table)));
}

/**
 * `expression` after the steps of `before`: its inputs are read at `places`, which may be results of
 * these.
 */
export function inlined(
  before: Expression,
  expression: Expression,
  places: readonly Argument[],
): Expression {
  const [firstStep, firstConstant] = [before.steps.length, before.constants.length];
  const moved = (argument: Argument): Argument => {
    const number = numberOf(argument);
    if (argument[0] === "t") return `t${firstStep + number}`;
    if (argument[0] === "x") return places[number];
    return `${argument[0] as "f" | "i"}${firstConstant + number}`;
  };
  const steps = expression.steps.map(([name, ...args]): Step => [name, ...args.map(moved)]);
  return {
    steps: [...before.steps, ...steps],
    constants: [...before.constants, ...expression.constants],
  };
}

/** In words, the constants but for their values: what two expressions of one kernel have in common. */
export function wordsOf({ steps }: Expression): string {
  return steps.map((step) => step.join(" ")).join(", ");
}

/**
 * The bits of each constant as it is used: a float32 or an int32, which one being told by the step that
 * reads it.
 */
export function constantBits({ steps, constants }: Expression): number[] {
  const integers = new Set(steps.flatMap(([, ...args]) => args).filter((arg) => arg[0] === "i"));
  const words = new Uint32Array(constants.length);
  const floats = new Float32Array(words.buffer);
  constants.forEach((value, i) => {
    if (integers.has(`i${i}`)) words[i] = saturated(value);
    else floats[i] = value;
  });
  return [...words];
}

/** The int32 nearest to an integer. */
function saturated(value: number): number {
  return Math.min(Math.max(value, int32.min), int32.max);
}
