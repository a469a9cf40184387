/**
 * Operators on bytes with the scales of a file: the same bytes as onnxruntime's kernels give.
 *
 * @module
 */
import type { Argument } from "../../../backend/expression.ts";
import { float32, int32 } from "../../../numbers/dtype.ts";
import { numelOf } from "../../../numbers/shape.ts";
import * as activation from "../../../tensor/activations.ts";
import { quantizedAdd, quantizedMul } from "../../../tensor/byte_arithmetic.ts";
import { quantizedCat } from "../../../tensor/byte_cat.ts";
import { saturated } from "../../../tensor/byte_params.ts";
import { lookup } from "../../../tensor/byte_table.ts";
import { Formula } from "../../../tensor/formula.ts";
import { indexSelect } from "../../../tensor/movement.ts";
import { dequantizeLinear } from "../../../tensor/quantize_linear.ts";
import { amax, sum } from "../../../tensor/reduction.ts";
import { type Tensor, tidy } from "../../../tensor/tensor.ts";
import { ByteConcat } from "../bytes/byte_concat.ts";
import { ByteTable, tableOf } from "../bytes/byte_table.ts";
import { type ByteType, parametersOf } from "../bytes/byte_type.ts";
import { hostTensor } from "../node/host_values.ts";
import { float, int, type NodeAttributes } from "../node/node_attributes.ts";
import {
  type Layer,
  type LayerNode,
  OperatorCall,
  type OperatorRule,
  type OperatorRules,
} from "../node/operator_rule.ts";
import { byteType, constantByteType } from "./byte_parameters.ts";
import { layerOf } from "./layers.ts";
import { AVERAGE_POOL_ATTRIBUTES, averagePool } from "./pools.ts";
import { axisOf } from "./reshaping.ts";

/** A sum or product of bytes. */
type Binary = typeof quantizedAdd;

/** The parameters of both operands and of the result. */
function binaryParameters(a: ByteType, b: ByteType, y: ByteType) {
  return { a: parametersOf(a), b: parametersOf(b), y: parametersOf(y) };
}

function binary(compute: Binary): OperatorRule {
  return {
    inputs: [7, 8],
    host: [1, 2, 4, 5, 6, 7],
    layer: (node) => withConstant(node, compute),
    compute: (call) => {
      const [a, b] = [call.input(0), call.input(3)];
      const types = [1, 4, 6].map((at) => byteType(call, at, a.dtype));
      return compute(a, b, binaryParameters(types[0], types[1], types[2]));
    },
  };
}

/** A sum or product with one constant byte is a table. */
function withConstant(node: LayerNode, compute: Binary): Layer | undefined {
  const [a, b, y] = [1, 4, 6].map((at) => constantByteType(node, at));
  const constants = [0, 3].filter((at) => node.constantType(at));
  if (!a || !b || !y || constants.length !== 1) return undefined;
  const [at] = constants;
  const { shape } = node.constantType(at)!;
  // The constant must not give the other more dimensions.
  const fits = numelOf(shape) === 1 && shape.length <= (node.rank(3 - at) ?? 0);
  if (!fits) return undefined;
  const constant = node.host(at);
  const all = hostTensor(Uint8Array.from({ length: 256 }, (_, i) => i), [256], a.dtype);
  const table = tidy(() => {
    const one = constant.reshape(1);
    const [left, right] = at === 0 ? [one, all] : [all, one];
    return compute(left, right, binaryParameters(a, b, y));
  });
  const module = new ByteTable(node.onDevice(table), node.node.opType);
  return { module, inputs: [3 - at], parameters: [] };
}

/** The bytes nearest to floats that have the zero point in them already. */
function asBytesOf(f: Formula, value: Argument, { dtype }: ByteType): Tensor {
  saturated(f, f.apply("round", value), 0, dtype);
  return f.result(dtype);
}

/** A function of one byte, with the inputs x, its scale and zero point, and the output's. */
function tableOperator(
  compute: (x: Tensor, attributes: NodeAttributes) => Tensor,
  attributes: OperatorRule["attributes"] = {},
): OperatorRule {
  return {
    inputs: [5, 5],
    host: [1, 2, 3, 4],
    attributes,
    layer: (node) => tableLayer(node, (x) => compute(x, node.attributes)),
    compute: (call) => {
      const q = call.input(0);
      const [x, y] = [byteType(call, 1, q.dtype), byteType(call, 3, q.dtype)];
      return lookup(q, tableOf(x, y, (x) => compute(x, call.attributes), q.device));
    },
  };
}

/** The table of a node whose parameters are constants, as a layer. */
function tableLayer(node: LayerNode, compute: (x: Tensor) => Tensor): Layer | undefined {
  const [input, output] = [constantByteType(node, 1), constantByteType(node, 3)];
  if (!input || !output) return undefined;
  const table = tableOf(input, output, compute, node.backend.device);
  return layerOf(new ByteTable(table, node.node.opType));
}

/**
 * The rule of an operator of floats for bytes: a table. After the input come its scale and zero point, those of the
 * output, and then the operator's other inputs, which are constants.
 */
export function onBytes(rule: OperatorRule): OperatorRule {
  const evaluate =
    (others: readonly (Tensor | undefined)[], attributes: NodeAttributes) => (x: Tensor) => {
      const call = new OperatorCall([x, ...others], attributes, 1, x.backend, float32);
      return rule.compute(call) as Tensor;
    };
  return {
    inputs: [5, rule.inputs[1] + 4],
    attributes: rule.attributes,
    host: (input) => input > 0,
    layer: (node) => {
      const others = node.node.input.slice(5).map((name, i) => name ? node.host(5 + i) : undefined);
      return tableLayer(node, evaluate(others, node.attributes));
    },
    compute: (call) => {
      const q = call.input(0);
      const compute = evaluate(call.inputs.slice(5), call.attributes);
      const [x, y] = [byteType(call, 1, q.dtype), byteType(call, 3, q.dtype)];
      return lookup(q, tableOf(x, y, compute, q.device));
    },
  };
}

/** Bytes of several scales as those of one, one after the other. */
function qLinearConcat(call: OperatorCall): Tensor {
  const parts: Tensor[] = [];
  const types: ByteType[] = [];
  for (let i = 2; i < call.inputs.length; i += 3) {
    parts.push(call.input(i));
    types.push(byteType(call, i + 1, call.input(i).dtype));
  }
  const dim = axisOf(call.attributes.int("axis"), parts[0].ndim);
  const y = parametersOf(byteType(call, 0, parts[0].dtype));
  return quantizedCat(parts, { xs: types.map(parametersOf), y, dim });
}

function qLinearConcatLayer(node: LayerNode): Layer | undefined {
  const inputs = node.node.input.map((_, i) => i).filter((i) => i >= 2 && (i - 2) % 3 === 0);
  const output = constantByteType(node, 0);
  const types = inputs.map((i) => constantByteType(node, i + 1));
  if (!output || !types.every((type) => type !== undefined)) return undefined;
  const module = new ByteConcat(types, output, node.attributes.int("axis"), node.backend);
  return { module, inputs, parameters: [] };
}

/** The mean of each plane of bytes. */
function qLinearGlobalAveragePool(call: OperatorCall): Tensor {
  const q = call.input(0);
  const last = call.attributes.int("channels_last") !== 0;
  const dims = q.shape.map((_, d) => d).slice(last ? 1 : 2, last ? -1 : undefined);
  const count = numelOf(dims.map((d) => q.shape[d]));
  const [x, y] = [byteType(call, 1, q.dtype), byteType(call, 3, q.dtype)];
  const total = sum(q, dims, { keepdim: true });
  const f = new Formula("QLinearGlobalAveragePool");
  const centre = f.apply("sub", f.read(total, "int"), f.read(x.zeroPoint * count, "int"));
  const ratio = Math.fround(x.scale / Math.fround(y.scale * count));
  const steps = f.apply("round", f.apply("mul", f.apply("float", centre), ratio));
  saturated(f, steps, y.zeroPoint, y.dtype);
  return f.result(y.dtype);
}

/** The mean of windows of bytes: their floats are added up, divided and quantized. */
function qLinearAveragePool(call: OperatorCall): Tensor {
  const q = call.input(0);
  const [x, y] = [byteType(call, 1, q.dtype), byteType(call, 3, q.dtype)];
  const floats = dequantizeLinear(q, parametersOf(x));
  const means = averagePool(
    new OperatorCall([floats], call.attributes, 1, call.backend, call.float),
  );
  const f = new Formula("QLinearAveragePool");
  const steps = f.apply("quotient", f.read(means, "float"), y.scale);
  return asBytesOf(f, f.apply("add", steps, y.zeroPoint), y);
}

/** Shares of a dimension, by way of a table of the exponential function. */
function qLinearSoftmax(call: OperatorCall): Tensor {
  const q = call.input(0);
  const dim = axisOf(call.attributes.int("axis"), q.ndim);
  const [x, y] = [byteType(call, 1, q.dtype), byteType(call, 3, q.dtype)];
  // The greatest byte stands at the end of the table, which is as high as the sum allows.
  const room = Math.max(0, Math.log(FLOAT_MAX / q.shape[dim]) - 5) / x.scale;
  const table = Float32Array.from({ length: 256 }, (_, i) => Math.exp((i - 255 + room) * x.scale));
  const greatest = amax(q, dim, { keepdim: true });
  const f = new Formula("QLinearSoftmax");
  f.apply("sub", f.apply("add", f.read(q, "int"), f.read(255, "int")), f.read(greatest, "int"));
  const powers = indexSelect(call.onto(q, hostTensor(table, [256], float32)), 0, f.result(int32));
  const total = sum(powers, dim, { keepdim: true });
  const g = new Formula("QLinearSoftmax");
  const parts = g.apply("mul", g.read(powers, "float"), Math.floor(Math.fround(1 / y.scale)));
  const share = g.apply("round", g.apply("quotient", parts, g.read(total, "float")));
  return asBytesOf(g, g.apply("add", share, y.zeroPoint), y);
}

const FLOAT_MAX = 3.4028234663852886e38;

/** Operators of ONNX and of onnxruntime on bytes. */
export const INTEGERS: OperatorRules = {
  "com.microsoft:QLinearAdd": binary(quantizedAdd),
  "com.microsoft:QLinearMul": binary(quantizedMul),
  "com.microsoft:QLinearSigmoid": tableOperator(activation.sigmoid),
  "com.microsoft:QLinearLeakyRelu": tableOperator(
    (x, attributes) => activation.leakyRelu(x, attributes.float("alpha")),
    { alpha: float(0.01) },
  ),
  "com.microsoft:QLinearConcat": {
    inputs: [5, Infinity],
    host: (input) => input < 2 || (input - 2) % 3 > 0,
    attributes: { axis: int() },
    layer: qLinearConcatLayer,
    compute: qLinearConcat,
  },
  "com.microsoft:QLinearGlobalAveragePool": {
    inputs: [5, 5],
    host: [1, 2, 3, 4],
    attributes: { channels_last: int(0) },
    compute: qLinearGlobalAveragePool,
  },
  "com.microsoft:QLinearAveragePool": {
    inputs: [5, 5],
    host: [1, 2, 3, 4],
    attributes: { ...AVERAGE_POOL_ATTRIBUTES, channels_last: int(0, [0]) },
    compute: qLinearAveragePool,
  },
  "com.microsoft:QLinearSoftmax": {
    inputs: [5, 5],
    host: [1, 2, 3, 4],
    attributes: { axis: int(-1), opset: { kind: "ignored" } },
    compute: qLinearSoftmax,
  },
};
