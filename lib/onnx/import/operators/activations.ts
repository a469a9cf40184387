/**
 * Functions that stand between layers.
 *
 * @module
 */
import { ELU } from "../../../nn/elu.ts";
import { GELU } from "../../../nn/gelu.ts";
import { Hardsigmoid } from "../../../nn/hardsigmoid.ts";
import { Hardswish } from "../../../nn/hardswish.ts";
import { LeakyReLU } from "../../../nn/leaky_relu.ts";
import { PReLU } from "../../../nn/prelu.ts";
import { ReLU } from "../../../nn/relu.ts";
import { Sigmoid } from "../../../nn/sigmoid.ts";
import { SiLU } from "../../../nn/silu.ts";
import { Tanh } from "../../../nn/tanh.ts";
import { numelOf } from "../../../numbers/shape.ts";
import * as activation from "../../../tensor/activations.ts";
import { Formula } from "../../../tensor/formula.ts";
import { relu } from "../../../tensor/ops.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import type { Module } from "../../../nn/module.ts";
import { type AttributeSpecs, float, type NodeAttributes, text } from "../node/node_attributes.ts";
import type {
  Layer,
  LayerNode,
  OperatorCall,
  OperatorRule,
  OperatorRules,
} from "../node/operator_rule.ts";
import { formulaOf, unary } from "./arithmetic.ts";
import { holding, layerOf } from "./layers.ts";

/** A function of one input that is a layer too. */
function layered(compute: (x: Tensor) => Tensor, layer: () => Module): OperatorRule {
  return { ...unary(compute), layer: () => layerOf(layer()) };
}

/** A function of one input and of attributes. */
function withAttributes(
  attributes: AttributeSpecs,
  compute: (x: Tensor, attributes: NodeAttributes) => Tensor,
  layer?: (attributes: NodeAttributes) => Module | undefined,
): OperatorRule {
  return {
    inputs: [1, 1],
    attributes,
    ...(layer && {
      layer: (node) => {
        const module = layer(node.attributes);
        return module && layerOf(module);
      },
    }),
    compute: (call) => compute(call.input(0), call.attributes),
  };
}

/** Whether a float attribute is a number, but for the rounding of files to float32. */
function isAbout(attributes: NodeAttributes, name: string, value: number): boolean {
  return Math.abs(attributes.float(name) - value) <= 1e-6;
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

/** A slope for each channel, or one, is a layer's. */
function preluLayer(node: LayerNode): Layer | undefined {
  const slope = node.constantType(1);
  if (!slope?.dtype.isFloat) return undefined;
  // As PyTorch writes it, (C, 1, 1) for images.
  const channels = numelOf(slope.shape);
  if (channels !== 1 && (slope.shape.length < 2 || slope.shape[0] !== channels)) return undefined;
  const module = new PReLU({ numParameters: channels, device: "cpu" });
  return holding(module, node, [{ field: "weight", input: 1, form: "flat" }]);
}

/** Functions that stand between layers. */
export const ACTIVATIONS: OperatorRules = {
  Relu: layered(relu, () => new ReLU()),
  Sigmoid: layered(activation.sigmoid, () => new Sigmoid()),
  Tanh: layered(activation.tanh, () => new Tanh()),
  LeakyRelu: withAttributes(
    { alpha: float(0.01) },
    (x, attributes) => activation.leakyRelu(x, attributes.float("alpha")),
    (attributes) => new LeakyReLU({ negativeSlope: attributes.float("alpha") }),
  ),
  PRelu: { inputs: [2, 2], layer: preluLayer, compute: prelu },
  Elu: withAttributes(
    { alpha: float(1) },
    (x, attributes) => activation.elu(x, attributes.float("alpha")),
    (attributes) => new ELU({ alpha: attributes.float("alpha") }),
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
    (attributes) => new GELU({ approximate: attributes.text("approximate") as "none" }),
  ),
  HardSigmoid: withAttributes(
    { alpha: float(0.2), beta: float(0.5) },
    hardSigmoid,
    (attributes) =>
      isAbout(attributes, "alpha", 1 / 6) && isAbout(attributes, "beta", 0.5)
        ? new Hardsigmoid()
        : undefined,
  ),
  HardSwish: layered(activation.hardswish, () => new Hardswish()),
  Softplus: unary(softplus),
  Softsign: unary(softsign),
  Mish: unary(mish),
  Swish: withAttributes({ alpha: float(1) }, swish, swishLayer),
  ThresholdedRelu: withAttributes({ alpha: float(1) }, thresholded),
  Shrink: withAttributes({ bias: float(0), lambd: float(0.5) }, shrink),
  "com.microsoft:Gelu": layered(activation.gelu, () => new GELU()),
  "com.microsoft:QuickGelu": withAttributes({ alpha: float(1.702) }, swish, swishLayer),
};

/** With a factor of 1 it is SiLU. */
function swishLayer(attributes: NodeAttributes): Module | undefined {
  return attributes.float("alpha") === 1 ? new SiLU() : undefined;
}
