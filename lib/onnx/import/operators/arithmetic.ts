/**
 * Arithmetic, comparisons and functions of numbers, element by element.
 *
 * @module
 */
import { bool } from "../../../numbers/dtype.ts";
import { Add } from "../../../nn/add.ts";
import { AddScalar } from "../../../nn/add_scalar.ts";
import type { Module } from "../../../nn/module.ts";
import { Mul } from "../../../nn/mul.ts";
import { MulScalar } from "../../../nn/mul_scalar.ts";
import { ReLU6 } from "../../../nn/relu6.ts";
import { Formula } from "../../../tensor/formula.ts";
import * as pointwise from "../../../tensor/pointwise.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { int } from "../node/node_attributes.ts";
import type {
  Layer,
  LayerNode,
  OperatorCall,
  OperatorRule,
  OperatorRules,
} from "../node/operator_rule.ts";
import { layerOfAll, layerWithNumber } from "./layers.ts";

/** An operator of one input. */
export function unary(compute: (x: Tensor) => Tensor): OperatorRule {
  return { inputs: [1, 1], compute: (call) => compute(call.input(0)) };
}

/** An operator of two inputs that broadcast. */
function binary(compute: (a: Tensor, b: Tensor) => Tensor): OperatorRule {
  return { inputs: [2, 2], compute: (call) => compute(call.input(0), call.input(1)) };
}

/** Such an operator that is a layer too, of two tensors or of one and a number. */
function layered(
  compute: (a: Tensor, b: Tensor) => Tensor,
  ofTwo: () => Module,
  withNumber: (value: number) => Module,
): OperatorRule {
  const layer = (node: LayerNode) => layerOfAll(node, ofTwo) ?? layerWithNumber(node, withNumber);
  return { ...binary(compute), layer };
}

/** An operator of any number of inputs that broadcast, two at a time. */
function variadic(compute: (a: Tensor, b: Tensor) => Tensor): OperatorRule {
  return {
    inputs: [1, Infinity],
    compute: ({ inputs }) => (inputs as readonly Tensor[]).reduce(compute),
  };
}

/** A function of floats, written down as one expression. */
export function formulaOf(
  where: string,
  x: Tensor,
  write: (formula: Formula, x: ReturnType<Formula["read"]>) => void,
): Tensor {
  const formula = new Formula(where);
  write(formula, formula.read(x, "float"));
  return formula.result(x.dtype);
}

/** Quotients; those of integers are truncated. */
function div(a: Tensor, b: Tensor): Tensor {
  return pointwise.div(a, b, a.dtype.isFloat ? {} : { roundingMode: "trunc" });
}

function mean({ inputs }: OperatorCall): Tensor {
  const sum = (inputs as readonly Tensor[]).reduce((a, b) => pointwise.add(a, b));
  return pointwise.div(sum, inputs.length);
}

function clip(call: OperatorCall): Tensor {
  const [, min, max] = call.inputs;
  const x = call.input(0);
  return min || max ? pointwise.clamp(x, { ...(min && { min }), ...(max && { max }) }) : x;
}

/** Between 0 and 6, as constants, it is ReLU6. */
function relu6(node: LayerNode): Layer | undefined {
  const [min, max] = [1, 2].map((i) =>
    node.constantType(i)?.dtype.isFloat && node.constantNumbers(i)
  );
  if (!min || !max || min[0] !== 0 || max[0] !== 6) return undefined;
  return { module: new ReLU6(), inputs: [0], parameters: [] };
}

/** Which floats are infinite, of either sign or one. */
function isInf(call: OperatorCall): Tensor {
  const formula = new Formula("IsInf");
  const x = formula.read(call.input(0), "float");
  let found = formula.apply("isinf", x);
  const signs = [["detect_negative", "gt"], ["detect_positive", "lt"]] as const;
  for (const [name, keeps] of signs) {
    if (!call.attributes.int(name)) found = formula.apply("and", found, formula.apply(keeps, x, 0));
  }
  return formula.result(bool);
}

function tan(x: Tensor): Tensor {
  return formulaOf("Tan", x, (f, x) => f.apply("div", f.apply("sin", x), f.apply("cos", x)));
}

/** `(e + e/(e + 1))/2` with `e = exp(x) − 1`, which is right near 0 too. */
function sinh(x: Tensor): Tensor {
  return formulaOf("Sinh", x, (f, x) => {
    const e = f.apply("expm1", x);
    f.apply("mul", f.apply("add", e, f.apply("div", e, f.apply("add", e, 1))), 0.5);
  });
}

function cosh(x: Tensor): Tensor {
  return formulaOf("Cosh", x, (f, x) => {
    const e = f.apply("exp", x);
    f.apply("mul", f.apply("add", e, f.apply("reciprocal", e)), 0.5);
  });
}

/** `sign(x)·log(1 + |x| + x²/(1 + √(x² + 1)))`. */
function asinh(x: Tensor): Tensor {
  return formulaOf("Asinh", x, (f, x) => {
    const square = f.apply("mul", x, x);
    const root = f.apply("sqrt", f.apply("add", square, 1));
    const more = f.apply("div", square, f.apply("add", root, 1));
    const size = f.apply("log1p", f.apply("add", f.apply("abs", x), more));
    f.apply("mul", f.apply("sign", x), size);
  });
}

/** `log(1 + t + √(t·(t + 2)))` with `t = x − 1`. */
function acosh(x: Tensor): Tensor {
  return formulaOf("Acosh", x, (f, x) => {
    const t = f.apply("sub", x, 1);
    const root = f.apply("sqrt", f.apply("mul", t, f.apply("add", t, 2)));
    f.apply("log1p", f.apply("add", t, root));
  });
}

/** `log(1 + 2·x/(1 − x))/2`. */
function atanh(x: Tensor): Tensor {
  return formulaOf("Atanh", x, (f, x) => {
    const ratio = f.apply("div", f.apply("mul", x, 2), f.apply("sub", 1, x));
    f.apply("mul", f.apply("log1p", ratio), 0.5);
  });
}

/** Functions of numbers. */
export const ARITHMETIC: OperatorRules = {
  Add: layered(pointwise.add, () => new Add(), (value) => new AddScalar(value)),
  Sub: binary(pointwise.sub),
  Mul: layered(pointwise.mul, () => new Mul(), (value) => new MulScalar(value)),
  Div: binary(div),
  Pow: binary((a, b) => pointwise.pow(a, b).to(a.dtype)),
  Mod: {
    inputs: [2, 2],
    attributes: { fmod: int(0) },
    compute: (call) => {
      const rest = call.attributes.int("fmod") ? pointwise.fmod : pointwise.remainder;
      return rest(call.input(0), call.input(1));
    },
  },
  Max: variadic(pointwise.maximum),
  Min: variadic(pointwise.minimum),
  Sum: variadic(pointwise.add),
  Mean: { inputs: [1, Infinity], compute: mean },
  Equal: binary(pointwise.eq),
  Less: binary(pointwise.lt),
  LessOrEqual: binary(pointwise.le),
  Greater: binary(pointwise.gt),
  GreaterOrEqual: binary(pointwise.ge),
  And: binary(pointwise.logicalAnd),
  Or: binary(pointwise.logicalOr),
  Xor: binary(pointwise.logicalXor),
  Not: unary(pointwise.logicalNot),
  Where: {
    inputs: [3, 3],
    compute: (call) => pointwise.where(call.input(0), call.input(1), call.input(2)),
  },
  Abs: unary(pointwise.abs),
  Neg: unary(pointwise.neg),
  Sign: unary(pointwise.sign),
  Sqrt: unary(pointwise.sqrt),
  Reciprocal: unary(pointwise.reciprocal),
  Exp: unary(pointwise.exp),
  Log: unary(pointwise.log),
  Erf: unary(pointwise.erf),
  Sin: unary(pointwise.sin),
  Cos: unary(pointwise.cos),
  Tan: unary(tan),
  Sinh: unary(sinh),
  Cosh: unary(cosh),
  Asinh: unary(asinh),
  Acosh: unary(acosh),
  Atanh: unary(atanh),
  Floor: unary(pointwise.floor),
  Ceil: unary(pointwise.ceil),
  Round: unary(pointwise.round),
  IsNaN: unary(pointwise.isnan),
  IsInf: {
    inputs: [1, 1],
    attributes: { detect_negative: int(1), detect_positive: int(1) },
    compute: isInf,
  },
  Clip: { inputs: [1, 3], layer: relu6, compute: clip },
};
