/**
 * Products of matrices.
 *
 * @module
 */
import { Linear } from "../../../nn/linear.ts";
import { matmul } from "../../../tensor/matmul.ts";
import { permute } from "../../../tensor/movement.ts";
import { add, mul } from "../../../tensor/pointwise.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { float, int } from "../node/node_attributes.ts";
import type { Layer, LayerNode, OperatorCall, OperatorRules } from "../node/operator_rule.ts";

/** Whether an input is a constant matrix of floats. */
function isFloatMatrix(node: LayerNode, input: number): boolean {
  const type = node.constantType(input);
  return type?.shape.length === 2 && type.dtype.isFloat;
}

/** The product with a constant matrix, and the sum with a constant row after it. */
function matMulLayer(node: LayerNode): Layer | undefined {
  if (!isFloatMatrix(node, 1)) return undefined;
  const weight = node.weight(1, "transposed");
  const [outFeatures, inFeatures] = weight.shape;
  const bias = node.bias() ?? null;
  const module = new Linear(inFeatures, outFeatures, { weight, bias });
  return {
    module,
    inputs: [0],
    parameters: [{ field: "weight", input: 1, form: "transposed" }],
  };
}

/** `A·B + C` with constant `B` and a constant row `C`, none of them turned or multiplied. */
function gemmLayer(node: LayerNode): Layer | undefined {
  const { attributes } = node;
  const plain = attributes.float("alpha") === 1 && attributes.int("transA") === 0;
  if (!plain || !isFloatMatrix(node, 1)) return undefined;
  const form = attributes.int("transB") ? "same" : "transposed";
  const hasBias = node.node.input.length > 2 && node.node.input[2] !== "";
  const [rows, columns] = node.constantType(1)!.shape;
  const outFeatures = form === "same" ? rows : columns;
  const biasShape = node.constantType(2)?.shape;
  const fits = biasShape?.length === 1 && biasShape[0] === outFeatures &&
    attributes.float("beta") === 1;
  if (hasBias && !fits) return undefined;
  const weight = node.weight(1, form);
  const bias = hasBias ? node.weight(2) : null;
  const module = new Linear(weight.shape[1], outFeatures, { weight, bias });
  const parameters = [{ field: "weight", input: 1, form } as const];
  const more = hasBias ? [{ field: "bias", input: 2, form: "same" } as const] : [];
  return { module, inputs: [0], parameters: [...parameters, ...more] };
}

function gemm(call: OperatorCall): Tensor {
  const { attributes } = call;
  const a = attributes.int("transA") ? permute(call.input(0), [1, 0]) : call.input(0);
  const product = matmul(a, call.input(1), { transposeB: attributes.int("transB") !== 0 });
  const [alpha, beta] = [attributes.float("alpha"), attributes.float("beta")];
  const scaled = alpha === 1 ? product : mul(product, alpha);
  const c = call.inputs[2];
  return c ? add(scaled, beta === 1 ? c : mul(c, beta)) : scaled;
}

/** Products. */
export const PRODUCTS: OperatorRules = {
  MatMul: {
    inputs: [2, 2],
    layer: matMulLayer,
    compute: (call) => matmul(call.input(0), call.input(1)),
  },
  Gemm: {
    inputs: [2, 3],
    attributes: { alpha: float(1), beta: float(1), transA: int(0), transB: int(0) },
    layer: gemmLayer,
    compute: gemm,
  },
};
