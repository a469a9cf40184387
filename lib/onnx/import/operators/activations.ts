/**
 * Functions that stand between layers.
 *
 * @module
 */
import { ReLU } from "../../../nn/relu.ts";
import * as activation from "../../../tensor/activations.ts";
import { Formula } from "../../../tensor/formula.ts";
import { relu } from "../../../tensor/ops.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import type { Module } from "../../../nn/module.ts";
import { type AttributeSpecs, float, type NodeAttributes, text } from "../node/node_attributes.ts";
import type { OperatorCall, OperatorRule, OperatorRules } from "../node/operator_rule.ts";
import { formulaOf, unary } from "./arithmetic.ts";

/** A function of one input that is a layer too. */
function layered(compute: (x: Tensor) => Tensor, layer: () => Module): OperatorRule {
  return {
    ...unary(compute),
    layer: () => ({ module: layer(), inputs: [0], parameters: [] }),
  };
}

/** A function of one input and of attributes. */
function withAttributes(
  attributes: AttributeSpecs,
  compute: (x: Tensor, attributes: NodeAttributes) => Tensor,
): OperatorRule {
  return {
    inputs: [1, 1],
    attributes,
    compute: (call) => compute(call.input(0), call.attributes),
  };
}

/** `gamma·(x if x > 0 else alpha·(exp(x) − 1))`. */
function selu(x: Tensor, attributes: NodeAttributes): Tensor {
  const [alpha, gamma] = [attributes.float("alpha"), attributes.float("gamma")];
  return formulaOf("Selu", x, (f, x) => {
    const below = f.apply("mul", f.apply("expm1", x), alpha);
    f.apply("mul", f.apply("select", f.apply("gt", x, 0), x, below), gamma);
  });
}

/** `max(x, 0) + min(alpha·(exp(x/alpha) − 1), 0)`. */
function celu(x: Tensor, attributes: NodeAttributes): Tensor {
  const alpha = attributes.float("alpha");
  return formulaOf("Celu", x, (f, x) => {
    const below = f.apply("mul", f.apply("expm1", f.apply("div", x, alpha)), alpha);
    f.apply("select", f.apply("gt", x, 0), x, below);
  });
}

/** `min(max(alpha·x + beta, 0), 1)`. */
function hardSigmoid(x: Tensor, attributes: NodeAttributes): Tensor {
  const [alpha, beta] = [attributes.float("alpha"), attributes.float("beta")];
  return formulaOf("HardSigmoid", x, (f, x) => {
    const line = f.apply("add", f.apply("mul", x, alpha), beta);
    f.apply("minimum", f.apply("maximum", line, 0), 1);
  });
}

/** `x·sigmoid(alpha·x)`. */
function swish(x: Tensor, attributes: NodeAttributes): Tensor {
  const alpha = attributes.float("alpha");
  return formulaOf(
    "Swish",
    x,
    (f, x) => f.apply("mul", x, f.apply("sigmoid", f.apply("mul", x, alpha))),
  );
}

/** `x·tanh(log(1 + exp(x)))`. */
function mish(x: Tensor): Tensor {
  return formulaOf("Mish", x, (f, x) => {
    const tail = f.apply("log1p", f.apply("exp", f.apply("neg", f.apply("abs", x))));
    const soft = f.apply("add", f.apply("maximum", x, 0), tail);
    f.apply("mul", x, f.apply("tanh", soft));
  });
}

/** `x/(1 + |x|)`. */
function softsign(x: Tensor): Tensor {
  return formulaOf(
    "Softsign",
    x,
    (f, x) => f.apply("div", x, f.apply("add", f.apply("abs", x), 1)),
  );
}

/** `log(1 + exp(x))`. */
function softplus(x: Tensor): Tensor {
  return activation.softplus(x, { threshold: Infinity });
}

/** `x` where it is above `alpha`, else 0. */
function thresholded(x: Tensor, attributes: NodeAttributes): Tensor {
  const alpha = attributes.float("alpha");
  return formulaOf(
    "ThresholdedRelu",
    x,
    (f, x) => f.apply("select", f.apply("gt", x, alpha), x, f.read(0, "float")),
  );
}

/** `x` moved towards 0 by `bias` where it is further from it than `lambd`, else 0. */
function shrink(x: Tensor, attributes: NodeAttributes): Tensor {
  const [bias, lambd] = [attributes.float("bias"), attributes.float("lambd")];
  return formulaOf("Shrink", x, (f, x) => {
    const above = f.apply(
      "select",
      f.apply("gt", x, lambd),
      f.apply("sub", x, bias),
      f.read(0, "float"),
    );
    f.apply("select", f.apply("lt", x, -lambd), f.apply("add", x, bias), above);
  });
}

/** `x`, but `slope·x` where `x` is negative; the slope broadcasts. */
function prelu(call: OperatorCall): Tensor {
  const [x, slope] = [call.input(0), call.input(1)];
  const formula = new Formula("PRelu");
  const value = formula.read(x, "float");
  const negative = formula.apply("mul", value, formula.read(slope, "float"));
  formula.apply("select", formula.apply("lt", value, 0), negative, value);
  return formula.result(x.dtype);
}

/** Functions that stand between layers. */
export const ACTIVATIONS: OperatorRules = {
  Relu: layered(relu, () => new ReLU()),
  Sigmoid: unary(activation.sigmoid),
  Tanh: unary(activation.tanh),
  LeakyRelu: withAttributes(
    { alpha: float(0.01) },
    (x, attributes) => activation.leakyRelu(x, attributes.float("alpha")),
  ),
  PRelu: { inputs: [2, 2], compute: prelu },
  Elu: withAttributes(
    { alpha: float(1) },
    (x, attributes) => activation.elu(x, attributes.float("alpha")),
  ),
  Selu: withAttributes(
    { alpha: float(1.6732632423543772), gamma: float(1.0507009873554805) },
    selu,
  ),
  Celu: withAttributes({ alpha: float(1) }, celu),
  Gelu: withAttributes(
    { approximate: text("none", "none", "tanh") },
    (x, attributes) =>
      activation.gelu(x, { approximate: attributes.text("approximate") as "none" }),
  ),
  HardSigmoid: withAttributes({ alpha: float(0.2), beta: float(0.5) }, hardSigmoid),
  HardSwish: unary(activation.hardswish),
  Softplus: unary(softplus),
  Softsign: unary(softsign),
  Mish: unary(mish),
  Swish: withAttributes({ alpha: float(1) }, swish),
  ThresholdedRelu: withAttributes({ alpha: float(1) }, thresholded),
  Shrink: withAttributes({ bias: float(0), lambd: float(0.5) }, shrink),
  "com.microsoft:Gelu": unary(activation.gelu),
  "com.microsoft:QuickGelu": withAttributes({ alpha: float(1.702) }, swish),
};
