/**
 * Expressions, what is computed element by element, as ONNX nodes.
 *
 * @module
 */
import {
  type Argument,
  type Expression,
  type FunctionName,
  numberOf,
} from "../../backend/expression.ts";
import type { DType } from "../../numbers/dtype.ts";
import { typeOf } from "./element_types.ts";
import { float, type Input, type Nodes } from "./nodes.ts";

/** What elements are on the way. */
type Type = "float32" | "int64" | "bool";

/** A value and what its elements are. */
interface Typed {
  readonly input: Input;
  readonly type: Type;
}

/** What an expression is applied to and made into. */
export interface ExpressionUse {
  readonly inputs: readonly Input[];
  readonly dtypes: readonly DType[];
  readonly dtype: DType;
}

/** Functions that one operator is, of numbers of one type; what it gives is of that type. */
const ARITHMETIC: Partial<Record<FunctionName, string>> = {
  add: "Add",
  sub: "Sub",
  mul: "Mul",
  div: "Div",
  quotient: "Div",
  pow: "Pow",
  maximum: "Max",
  minimum: "Min",
  neg: "Neg",
  abs: "Abs",
  sign: "Sign",
  relu: "Relu",
  sqrt: "Sqrt",
  reciprocal: "Reciprocal",
  exp: "Exp",
  log: "Log",
  erf: "Erf",
  tanh: "Tanh",
  sigmoid: "Sigmoid",
  sin: "Sin",
  cos: "Cos",
  floor: "Floor",
  ceil: "Ceil",
  round: "Round",
};

/** Comparisons, which give truths. */
const TESTS: Partial<Record<FunctionName, string>> = {
  eq: "Equal",
  lt: "Less",
  le: "LessOrEqual",
  gt: "Greater",
  ge: "GreaterOrEqual",
  isnan: "IsNaN",
  isinf: "IsInf",
};

/** Functions of truths. */
const LOGIC: Partial<Record<FunctionName, string>> = {
  and: "And",
  or: "Or",
  xor: "Xor",
  not: "Not",
};

/** Functions that round to what a dtype holds; floats of a file are float32, and not rounded. */
const ROUNDINGS: ReadonlySet<FunctionName> = new Set(["float32", "float16", "bfloat16"]);

/** Writes an expression. */
class Writer {
  private readonly steps: Typed[] = [];

  constructor(
    private readonly nodes: Nodes,
    private readonly expression: Expression,
    private readonly use: ExpressionUse,
  ) {}

  /** All steps; what the last one gives, in the dtype that is asked for. */
  write(): Input {
    for (const [name, ...args] of this.expression.steps) {
      this.steps.push(this.apply(name, args.map((arg) => this.read(arg))));
    }
    return this.as(typeOf(this.use.dtype).name, this.steps.at(-1)!);
  }

  private read(argument: Argument): Typed {
    const [number, constants] = [numberOf(argument), this.expression.constants];
    switch (argument[0]) {
      case "t":
        return this.steps[number];
      case "x":
        return { input: this.use.inputs[number], type: typeOf(this.use.dtypes[number]).name };
      case "f":
        return { input: float(constants[number]), type: "float32" };
      default:
        return { input: { kind: "int", values: [constants[number]], dims: [] }, type: "int64" };
    }
  }

  private add(type: Type, opType: string, ...inputs: readonly Input[]): Typed {
    return { input: this.nodes.add(opType, inputs), type };
  }

  /** A value as another type. */
  private as(type: Type, value: Typed): Input {
    if (value.type === type) return value.input;
    const { input } = value;
    if (input.kind === "int" && type === "bool") {
      return { kind: "bool", value: input.values[0] !== 0 };
    }
    const code = { float32: 1, int64: 7, bool: 9 }[type];
    return this.nodes.add("Cast", [input], { to: code });
  }

  /** Numbers of one type: truths among them become integers. */
  private numbers(values: readonly Typed[]): { inputs: Input[]; type: Type } {
    const type = values.some((v) => v.type === "float32") ? "float32" : "int64";
    return { inputs: values.map((v) => this.as(type, v)), type };
  }

  private apply(name: FunctionName, args: readonly Typed[]): Typed {
    if (name === "float") return { input: this.as("float32", args[0]), type: "float32" };
    if (name === "int") return { input: this.as("int64", args[0]), type: "int64" };
    if (ROUNDINGS.has(name)) return args[0];
    const logic = LOGIC[name];
    if (logic) return this.add("bool", logic, ...args.map((arg) => this.as("bool", arg)));
    if (name === "select") return this.select(args);
    const { inputs, type } = this.numbers(args);
    const test = TESTS[name];
    if (test) return this.add("bool", test, ...inputs);
    const opType = ARITHMETIC[name];
    return opType ? this.add(type, opType, ...inputs) : this.composed(name, inputs, type);
  }

  private select([condition, ...choices]: readonly Typed[]): Typed {
    const same = choices.every(({ type }) => type === choices[0].type);
    const { inputs, type } = same
      ? { inputs: choices.map(({ input }) => input), type: choices[0].type }
      : this.numbers(choices);
    return this.add(type, "Where", this.as("bool", condition), ...inputs);
  }

  /** Functions that several operators are. */
  private composed(name: FunctionName, inputs: readonly Input[], type: Type): Typed {
    const [a, b] = inputs;
    const add = (opType: string, ...of: Input[]) => this.nodes.add(opType, of);
    const one = float(1);
    switch (name) {
      case "ne":
        return { input: add("Not", add("Equal", a, b)), type: "bool" };
      case "rsqrt":
        return { input: add("Reciprocal", add("Sqrt", a)), type };
      case "expm1":
        return { input: add("Sub", add("Exp", a), one), type };
      case "log1p":
        return { input: add("Log", add("Add", a, one)), type };
      case "erfc":
        return { input: add("Sub", one, add("Erf", a)), type };
      case "trunc":
        return { input: add("Mul", add("Sign", a), add("Floor", add("Abs", a))), type };
      case "fmod":
        return { input: this.nodes.add("Mod", [a, b], { fmod: 1 }), type };
      case "remainder": {
        if (type === "int64") return { input: add("Mod", a, b), type };
        const times = add("Mul", b, add("Floor", add("Div", a, b)));
        return { input: add("Sub", a, times), type };
      }
      default:
        throw new TypeError(
          `it computes ${name} between layers, which has no ONNX form here; make it a layer of its own`,
        );
    }
  }
}

/**
 * Adds what an expression computes.
 *
 * @throws {TypeError} if it is one of bytes: what quantized layers do inside.
 */
export function expressionNodes(nodes: Nodes, expression: Expression, use: ExpressionUse): Input {
  return new Writer(nodes, expression, use).write();
}
