/**
 * Operators on bytes with the scales of a file: the same bytes as onnxruntime's kernels give.
 *
 * @module
 */
import { type DType, float32, int32 } from "../../../numbers/dtype.ts";
import { numelOf } from "../../../numbers/shape.ts";
import * as activation from "../../../tensor/activations.ts";
import { Formula } from "../../../tensor/formula.ts";
import { cat, indexSelect, slice, transpose } from "../../../tensor/movement.ts";
import { amax, sum } from "../../../tensor/reduction.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { type ByteType, centred, checkByteType, toByte, toFloat } from "../bytes/byte_type.ts";
import { ByteLinear } from "../bytes/byte_linear.ts";
import { ByteTable, lookUp, tableOf } from "../bytes/byte_table.ts";
import { integerProduct, packed } from "../bytes/integer_product.ts";
import { requantized } from "../bytes/requantize.ts";
import { type Operand, productTable, sumTable } from "../bytes/with_constant.ts";
import { hostTensor } from "../node/host_values.ts";
import { float, int, type NodeAttributes } from "../node/node_attributes.ts";
import {
  type Layer,
  type LayerNode,
  OperatorCall,
  type OperatorRule,
  type OperatorRules,
  type WeightForm,
} from "../node/operator_rule.ts";
import { layerOf } from "./layers.ts";
import { AVERAGE_POOL_ATTRIBUTES, averagePool } from "./pools.ts";
import { axisOf } from "./reshaping.ts";

/** The parameters in two neighbouring inputs, a scale and a zero point, that are known on the host. */
export function byteType(call: OperatorCall, scale: number, dtype: DType): ByteType {
  const type = {
    scale: call.number(scale)!,
    zeroPoint: call.number(scale + 1) ?? 0,
    dtype: call.inputs[scale + 1]?.dtype ?? dtype,
  };
  checkByteType(`its input ${scale}`, type);
  return type;
}

/** The products of two stacks of matrices of bytes. */
function products(a: Tensor, b: Tensor, za: number | Tensor, zb: number | Tensor): Tensor {
  const { backend } = a;
  const columns = transpose(b, -1, -2);
  const rows = columns.shape.at(-2)!;
  const batch = numelOf(b.shape.slice(0, -2));
  const multiplied = (x: Tensor, w: Tensor) => {
    using left = packed(x);
    using right = packed(w);
    return integerProduct(
      backend,
      { rows: left.rows, dtype: a.dtype, zeroPoint: za },
      { rows: right.rows, dtype: b.dtype, zeroPoint: zb },
    );
  };
  const shape = [...a.shape.slice(0, -1), rows];
  if (batch === 1) return multiplied(a, columns).reshape(shape);
  const [m, k] = a.shape.slice(-2);
  const own = numelOf(a.shape.slice(0, -2));
  const left = a.reshape(own, m, k);
  const right = columns.reshape(batch, rows, k);
  const count = Math.max(own, batch);
  const at = (stack: Tensor, i: number) =>
    slice(stack, 0, i % stack.shape[0], i % stack.shape[0] + 1);
  const all = Array.from({ length: count }, (_, i) => multiplied(at(left, i), at(right, i)));
  const leading = own >= batch ? a.shape.slice(0, -2) : b.shape.slice(0, -2);
  return cat(all, 0).reshape([...leading, m, rows]);
}

/** Matrices of both operands; a vector is a row on the left and a column on the right. */
function asMatrices(a: Tensor, b: Tensor): [Tensor, Tensor] {
  return [
    a.ndim === 1 ? a.reshape(1, a.numel) : a,
    b.ndim === 1 ? b.reshape(b.numel, 1) : b,
  ];
}

/** Sums less what a zero point a row of `a` takes: `za[m]·Σ(b − zb)[n]`. */
function lessRowZeroPoints(sums: Tensor, za: Tensor, b: Tensor, zb: Tensor | undefined): Tensor {
  const f = new Formula("zero points");
  const q = f.read(b, "int");
  f.apply("sub", q, zb ? f.read(zb, "int") : f.read(0, "int"));
  const columns = sum(f.result(int32), b.ndim - 2, { keepdim: true });
  const g = new Formula("zero points");
  const taken = g.apply("mul", g.read(za.reshape([za.numel, 1]), "int"), g.read(columns, "int"));
  g.apply("sub", g.read(sums, "int"), taken);
  return g.result(int32);
}

/** A zero point of one number, or one a column, as products take it. */
function columnZeroPoint(z: Tensor | undefined): number | Tensor {
  return z ? z.to(float32).reshape(z.numel) : 0;
}

function matMulInteger(call: OperatorCall): Tensor {
  const [a, b] = asMatrices(call.input(0), call.input(1));
  const [, , za, zb] = call.inputs;
  const zero = columnZeroPoint(zb);
  const sums = za && za.numel > 1
    ? lessRowZeroPoints(products(a, b, 0, zero), za, b, zb)
    : products(a, b, columnZeroPoint(za), zero);
  const shape = [...call.input(0).shape.slice(0, -1), ...b.shape.slice(-1)];
  return call.input(1).ndim === 1 || call.input(0).ndim === 1
    ? sums.reshape(call.input(1).ndim === 1 ? shape.slice(0, -1) : shape)
    : sums;
}

/** `sa·sb/sy`, one for all or one a column, rounded after each step as the kernels do. */
export function multipliers(
  a: number,
  b: readonly number[],
  y: number | undefined,
  alpha = 1,
): number[] {
  return b.map((scale) => {
    const product = Math.fround(Math.fround(Math.fround(alpha * a)) * scale);
    return y === undefined ? product : Math.fround(product / y);
  });
}

/** One number, or a tensor of one a column. */
function beside(call: OperatorCall, x: Tensor, numbers: readonly number[]): number | Tensor {
  return numbers.length === 1
    ? numbers[0]
    : call.onto(x, hostTensor(numbers, [numbers.length], float32));
}

function qLinearMatMul(call: OperatorCall): Tensor {
  const [a, b] = [call.input(0), call.input(3)];
  const [x, y] = [byteType(call, 1, a.dtype), byteType(call, 6, a.dtype)];
  const zb = call.inputs[5];
  const scales = multipliers(x.scale, call.someNumbers(4), y.scale);
  const sums = products(...asMatrices(a, b), x.zeroPoint, columnZeroPoint(zb && call.onto(b, zb)));
  return requantized(sums, null, beside(call, a, scales), y);
}

/** Gemm of bytes: `A·B + C`, with floats where no output scale is given. */
function qGemm(call: OperatorCall): Tensor {
  const { attributes } = call;
  const [a, b] = [call.input(0), call.input(3)];
  const x = byteType(call, 1, a.dtype);
  const left = attributes.int("transA") ? transpose(a, 0, 1) : a;
  const right = attributes.int("transB") ? transpose(b, 0, 1) : b;
  const zb = call.inputs[5];
  const sums = products(left, right, x.zeroPoint, columnZeroPoint(zb && call.onto(b, zb)));
  const bias = call.inputs[6] ?? null;
  const alpha = attributes.float("alpha");
  const output = call.inputs[7] ? byteType(call, 7, a.dtype) : undefined;
  const by = beside(call, a, multipliers(x.scale, call.someNumbers(4), output?.scale, alpha));
  if (output) return requantized(sums, bias, by, output);
  const f = new Formula("QGemm");
  const total = f.read(sums, "int");
  const all = bias ? f.apply("add", total, f.read(bias, "int")) : total;
  f.apply("mul", f.apply("float", all), f.read(by, "float"));
  return f.result(call.float);
}

/**
 * Sums of bytes: `a·ra + (b·rb + (zy − (ra·za + rb·zb)))` with the ratios of the scales to the output's. onnxruntime's
 * kernel for AVX2 rounds each product together with its sum, which decides otherwise for one or two in a million.
 */
function qLinearAdd(call: OperatorCall): Tensor {
  const [a, b] = [call.input(0), call.input(3)];
  const x = byteType(call, 1, a.dtype);
  const w = byteType(call, 4, b.dtype);
  const y = byteType(call, 6, a.dtype);
  const [ra, rb] = [Math.fround(x.scale / y.scale), Math.fround(w.scale / y.scale)];
  const taken = Math.fround(ra * x.zeroPoint + Math.fround(rb * w.zeroPoint));
  const fixed = Math.fround(y.zeroPoint - taken);
  const f = new Formula("QLinearAdd");
  const part = (q: Tensor, ratio: number) =>
    f.apply("mul", f.apply("float", f.read(q, "int")), ratio);
  ofRaw(f, f.apply("add", part(a, ra), f.apply("add", part(b, rb), fixed)), y);
  return f.result(y.dtype);
}

/** Products of bytes: `(a − za)·(b − zb)·(sa·sb/sy) + zy`. */
function qLinearMul(call: OperatorCall): Tensor {
  const [a, b] = [call.input(0), call.input(3)];
  const [x, w, y] = [
    byteType(call, 1, a.dtype),
    byteType(call, 4, b.dtype),
    byteType(call, 6, a.dtype),
  ];
  const [ratio] = multipliers(x.scale, [w.scale], y.scale);
  const f = new Formula("QLinearMul");
  const product = f.apply("mul", centred(f, a, x.zeroPoint), centred(f, b, w.zeroPoint));
  ofRaw(f, f.apply("add", f.apply("mul", f.apply("float", product), ratio), y.zeroPoint), y);
  return f.result(y.dtype);
}

/** The nearest integer to a float that has the zero point in it already, within the type. */
function ofRaw(f: Formula, value: ReturnType<Formula["apply"]>, { dtype }: ByteType): void {
  const whole = f.apply("round", value);
  f.apply("int", f.apply("minimum", f.apply("maximum", whole, dtype.min), dtype.max));
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
      const table = tableOf(
        byteType(call, 1, q.dtype),
        byteType(call, 3, q.dtype),
        (x) => compute(x, call.attributes),
      );
      return lookUp(call.onto(q, table), q);
    },
  };
}

/** Where a product has its inputs. */
interface ProductInputs {
  readonly a: number;
  readonly b: number;
  readonly y: number;
  readonly bias?: number;
}

/** The layer of a product with a constant matrix and constant parameters. */
function byteLinear(
  node: LayerNode,
  at: ProductInputs,
  form: WeightForm,
  alpha = 1,
): Layer | undefined {
  const input = constantByteType(node, at.a + 1);
  const type = node.constantType(at.b);
  const [scale, zeros] = [node.constantNumbers(at.b + 1), node.constantNumbers(at.b + 2)];
  const hasOutput = Boolean(node.node.input[at.y]);
  const output = hasOutput ? constantByteType(node, at.y) : undefined;
  if (!input || type?.shape.length !== 2 || !scale || !zeros || hasOutput && !output) {
    return undefined;
  }
  const bias = at.bias === undefined || !node.node.input[at.bias] ? undefined : at.bias;
  const rows = type.shape[form === "same" ? 0 : 1];
  const biasShape = bias === undefined ? undefined : node.constantType(bias)?.shape;
  if (bias !== undefined && (biasShape?.length !== 1 || biasShape[0] !== rows)) return undefined;
  const onDevice = (numbers: ArrayLike<number>) =>
    node.onDevice(hostTensor(numbers, [numbers.length], float32));
  const scales = Array.from(scale);
  const isZero = Array.from(zeros).every((zero) => zero === 0);
  const module = new ByteLinear({
    weight: node.onDevice(node.host(at.b), form),
    scale: onDevice(scales),
    zeroPoint: isZero ? null : onDevice(Array.from(zeros)),
    bias: bias === undefined ? null : node.weight(bias),
    input,
    output,
    multiplier: onDevice(multipliers(input.scale, scales, output?.scale, alpha)),
  });
  return { module, inputs: [at.a], parameters: [] };
}

/** The parameters of a node in constants, if they are. */
export function constantByteType(node: LayerNode, scale: number): ByteType | undefined {
  const [value, zero] = [node.constantNumbers(scale), node.constantNumbers(scale + 1)];
  if (!value || !zero) return undefined;
  const type = {
    scale: value[0],
    zeroPoint: zero[0],
    dtype: node.constantType(scale + 1)!.dtype,
  };
  checkByteType(`its input ${scale}`, type);
  return type;
}

function qGemmLayer(node: LayerNode): Layer | undefined {
  const { attributes } = node;
  if (attributes.int("transA")) return undefined;
  const form = attributes.int("transB") ? "same" : "transposed";
  return byteLinear(node, { a: 0, b: 3, y: 7, bias: 6 }, form, attributes.float("alpha"));
}

/** A sum or product with one constant byte is a table. */
function withConstant(node: LayerNode, tableFrom: typeof sumTable): Layer | undefined {
  const [a, b] = [0, 3].map((at): Operand | undefined => {
    const type = constantByteType(node, at + 1);
    const constant = node.constantType(at);
    const isOne = constant && numelOf(constant.shape) === 1;
    if (!type || constant && !isOne) return undefined;
    return { type, byte: isOne ? node.constantNumbers(at)![0] : undefined };
  });
  const y = constantByteType(node, 6);
  if (!a || !b || !y || (a.byte === undefined) === (b.byte === undefined)) return undefined;
  // The constant must not give the other more dimensions.
  const at = a.byte === undefined ? 3 : 0;
  if (node.constantType(at)!.shape.length > 1 && node.rank(3 - at) === undefined) return undefined;
  if (node.constantType(at)!.shape.length > (node.rank(3 - at) ?? 1)) return undefined;
  const module = new ByteTable(tableFrom(a, b, y), node.backend, node.node.opType);
  return { module, inputs: [3 - at], parameters: [] };
}

/** The table of a node whose parameters are constants, as a layer. */
function tableLayer(node: LayerNode, compute: (x: Tensor) => Tensor): Layer | undefined {
  const [input, output] = [constantByteType(node, 1), constantByteType(node, 3)];
  if (!input || !output) return undefined;
  return layerOf(new ByteTable(tableOf(input, output, compute), node.backend, node.node.opType));
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
      const table = tableOf(byteType(call, 1, q.dtype), byteType(call, 3, q.dtype), compute);
      return lookUp(call.onto(q, table), q);
    },
  };
}

/** Bytes of several scales as those of one, one after the other. */
function qLinearConcat(call: OperatorCall): Tensor {
  const [, zero] = call.inputs;
  const output = byteType(call, 0, zero!.dtype);
  const parts: Tensor[] = [];
  for (let i = 2; i < call.inputs.length; i += 3) {
    const q = call.input(i);
    const input = byteType(call, i + 1, q.dtype);
    const same = input.scale === output.scale && input.zeroPoint === output.zeroPoint;
    parts.push(same ? q : lookUp(call.onto(q, tableOf(input, output, (x) => x)), q));
  }
  return cat(parts, axisOf(call.attributes.int("axis"), parts[0].ndim));
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
  toByte(f, f.apply("mul", f.apply("float", centre), ratio), y);
  return f.result(y.dtype);
}

/** The mean of windows of bytes: their floats are added up, divided and quantized. */
function qLinearAveragePool(call: OperatorCall): Tensor {
  const q = call.input(0);
  const [x, y] = [byteType(call, 1, q.dtype), byteType(call, 3, q.dtype)];
  const f = new Formula("QLinearAveragePool");
  toFloat(f, q, x);
  const floats = f.result(float32);
  const { attributes } = call;
  const means = averagePool(
    new OperatorCall([floats], attributes, 1, call.backend, call.float),
  );
  const g = new Formula("QLinearAveragePool");
  ofRaw(g, g.apply("add", g.apply("div", g.read(means, "float"), y.scale), y.zeroPoint), y);
  return g.result(y.dtype);
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
  const share = g.apply("round", g.apply("div", parts, g.read(total, "float")));
  ofRaw(g, g.apply("add", share, y.zeroPoint), y);
  return g.result(y.dtype);
}

const FLOAT_MAX = 3.4028234663852886e38;

/** Products of bytes as floats: `(A − za)·(B − zb)·sa·sb + bias`. */
function matMulIntegerToFloat(call: OperatorCall): Tensor {
  const [a, b, sa, sb, za, zb, bias] = call.inputs as (Tensor | undefined)[] as Tensor[];
  const sums = products(...asMatrices(a, b), columnZeroPoint(za), columnZeroPoint(zb));
  const f = new Formula("MatMulIntegerToFloat");
  const by = f.apply("mul", f.read(sa, "float"), f.read(sb, "float"));
  const value = f.apply("mul", f.apply("float", f.read(sums, "int")), by);
  if (bias) f.apply("add", value, f.read(bias, "float"));
  return f.result(sa.dtype);
}

/** Operators of ONNX and of onnxruntime on bytes. */
export const INTEGERS: OperatorRules = {
  MatMulInteger: { inputs: [2, 4], compute: matMulInteger },
  QLinearMatMul: {
    inputs: [8, 8],
    host: [1, 2, 4, 5, 6, 7],
    layer: (node) => byteLinear(node, { a: 0, b: 3, y: 6 }, "transposed"),
    compute: qLinearMatMul,
  },
  "com.microsoft:QGemm": {
    inputs: [6, 9],
    host: [1, 2, 4, 5, 7, 8],
    attributes: { alpha: float(1), transA: int(0), transB: int(0) },
    layer: qGemmLayer,
    compute: qGemm,
  },
  "com.microsoft:QLinearAdd": {
    inputs: [7, 8],
    host: [1, 2, 4, 5, 6, 7],
    layer: (node) => withConstant(node, sumTable),
    compute: qLinearAdd,
  },
  "com.microsoft:QLinearMul": {
    inputs: [7, 8],
    host: [1, 2, 4, 5, 6, 7],
    layer: (node) => withConstant(node, productTable),
    compute: qLinearMul,
  },
  "com.microsoft:QLinearSigmoid": tableOperator(activation.sigmoid),
  "com.microsoft:QLinearLeakyRelu": tableOperator(
    (x, attributes) => activation.leakyRelu(x, attributes.float("alpha")),
    { alpha: float(0.01) },
  ),
  "com.microsoft:QLinearConcat": {
    inputs: [5, Infinity],
    host: (input) => input < 2 || (input - 2) % 3 > 0,
    attributes: { axis: int() },
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
  "com.microsoft:MatMulIntegerToFloat": { inputs: [4, 7], compute: matMulIntegerToFloat },
};
