/**
 * Layers that work element by element, and those that look numbers up, in ONNX.
 *
 * @module
 */
import { ELU } from "../../nn/elu.ts";
import { Embedding } from "../../nn/embedding.ts";
import { GELU } from "../../nn/gelu.ts";
import { Hardsigmoid } from "../../nn/hardsigmoid.ts";
import { Hardswish } from "../../nn/hardswish.ts";
import { LeakyReLU } from "../../nn/leaky_relu.ts";
import { LogSoftmax } from "../../nn/log_softmax.ts";
import type { Module } from "../../nn/module.ts";
import { PReLU } from "../../nn/prelu.ts";
import { ReLU } from "../../nn/relu.ts";
import { ReLU6 } from "../../nn/relu6.ts";
import { Sigmoid } from "../../nn/sigmoid.ts";
import { SiLU } from "../../nn/silu.ts";
import { Softmax } from "../../nn/softmax.ts";
import { Tanh } from "../../nn/tanh.ts";
import { entry, type Form, type FormEntry, parameter } from "./form.ts";
import { float, type Node } from "./nodes.ts";

/** A layer that is one operator. */
function one<L extends Module>(
  opType: string,
  attributes: (layer: L) => Node["attributes"] = () => ({}),
): Form<L> {
  return (nodes, layer, [x]) => nodes.add(opType, [x], attributes(layer));
}

/** Their forms. */
export const ACTIVATION_FORMS: readonly FormEntry[] = [
  entry(ReLU, one("Relu")),
  entry(ReLU6, (nodes, _, [x]) => nodes.add("Clip", [x, float(0), float(6)])),
  entry(Sigmoid, one("Sigmoid")),
  entry(Tanh, one("Tanh")),
  entry(SiLU, (nodes, _, [x]) => nodes.add("Mul", [x, nodes.add("Sigmoid", [x])])),
  entry(GELU, one("Gelu", ({ approximate }) => ({ approximate: { s: approximate } }))),
  entry(Hardswish, one("HardSwish")),
  entry(Hardsigmoid, one("HardSigmoid", () => ({ alpha: { f: 1 / 6 }, beta: { f: 0.5 } }))),
  entry(LeakyReLU, one("LeakyRelu", ({ negativeSlope }) => ({ alpha: { f: negativeSlope } }))),
  entry(ELU, one("Elu", ({ alpha }) => ({ alpha: { f: alpha } }))),
  entry(Softmax, one("Softmax", ({ dim }) => ({ axis: dim }))),
  entry(LogSoftmax, one("LogSoftmax", ({ dim }) => ({ axis: dim }))),
  entry(PReLU, (nodes, { weight, numParameters }, [x], { sources: [{ shape }] }) => {
    // One slope a channel, dimension 1.
    const after = numParameters === 1 ? 0 : Math.max(0, shape.length - 2);
    const dims = [numParameters, ...new Array<number>(after).fill(1)];
    return nodes.add("PRelu", [x, parameter("weight", weight, dims)]);
  }),
  entry(
    Embedding,
    (nodes, { weight }, [indices]) =>
      nodes.add("Gather", [parameter("weight", weight), indices], { axis: 0 }),
  ),
];
