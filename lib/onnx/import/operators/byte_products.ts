/**
 * Products of matrices of bytes.
 *
 * @module
 */
import { float32, int32 } from "../../../numbers/dtype.ts";
import { matmulInteger, requantize } from "../../../tensor/byte_matmul.ts";
import { Formula } from "../../../tensor/formula.ts";
import { transpose } from "../../../tensor/movement.ts";
import { sum } from "../../../tensor/reduction.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { ByteLinear } from "../bytes/byte_linear.ts";
import type { ByteType } from "../bytes/byte_type.ts";
import { hostTensor } from "../node/host_values.ts";
import { float, int } from "../node/node_attributes.ts";
import type {
  Layer,
  LayerNode,
  OperatorCall,
  OperatorRules,
  WeightForm,
} from "../node/operator_rule.ts";
import { byteType, constantByteType, multipliers } from "./byte_parameters.ts";

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

/** Products of bytes, with zero points that need not be constant. */
function integerProduct(
  call: OperatorCall,
  za: Tensor | undefined,
  zb: Tensor | undefined,
): Tensor {
  const [a, b] = [call.input(0), call.input(1)];
  const bZeroPoint = zb ?? 0;
  return za && za.numel > 1
    ? lessRowZeroPoints(matmulInteger(a, b, { bZeroPoint }), za, b, zb)
    : matmulInteger(a, b, { aZeroPoint: za ?? 0, bZeroPoint });
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
  const scales = multipliers(x.scale, call.someNumbers(4), y.scale);
  const sums = matmulInteger(a, b, {
    aZeroPoint: x.zeroPoint,
    bZeroPoint: call.numbers(5) ?? 0,
  });
  return asBytes(sums, null, beside(call, a, scales), y);
}

/** Sums of products as bytes. */
function asBytes(
  sums: Tensor,
  bias: Tensor | null,
  multiplier: number | Tensor,
  { zeroPoint, dtype }: ByteType,
): Tensor {
  return requantize(sums, { multiplier, bias, zeroPoint, dtype });
}

/** Gemm of bytes: `A·B + C`, with floats where no output scale is given. */
function qGemm(call: OperatorCall): Tensor {
  const { attributes } = call;
  const [a, b] = [call.input(0), call.input(3)];
  const x = byteType(call, 1, a.dtype);
  const sums = matmulInteger(attributes.int("transA") ? transpose(a, 0, 1) : a, b, {
    transposeB: attributes.int("transB") !== 0,
    aZeroPoint: x.zeroPoint,
    bZeroPoint: call.numbers(5) ?? 0,
  });
  const bias = call.inputs[6] ?? null;
  const alpha = attributes.float("alpha");
  const output = call.inputs[7] ? byteType(call, 7, a.dtype) : undefined;
  const by = beside(call, a, multipliers(x.scale, call.someNumbers(4), output?.scale, alpha));
  if (output) return asBytes(sums, bias, by, output);
  const f = new Formula("QGemm");
  const total = f.read(sums, "int");
  const all = bias ? f.apply("add", total, f.read(bias, "int")) : total;
  f.apply("mul", f.apply("float", all), f.read(by, "float"));
  return f.result(call.float);
}

/** Where a product has its inputs. */
interface ProductInputs {
  readonly a: number;
  readonly aScale: number;
  readonly aZero: number;
  readonly b: number;
  readonly bScale: number;
  readonly bZero: number;
  /** That of the output's scale; its zero point is the next. */
  readonly y?: number;
  readonly bias?: number;
}

/** Where most have those of both operands: each, its scale, its zero point. */
const STEPS = { a: 0, aScale: 1, aZero: 2, b: 3, bScale: 4, bZero: 5 };

/** The layer of a product with a constant matrix and constant parameters. */
function byteLinear(
  node: LayerNode,
  at: ProductInputs,
  form: WeightForm,
  alpha = 1,
): Layer | undefined {
  const given = (input: number | undefined) =>
    input !== undefined && node.node.input[input] ? input : undefined;
  const input = constantByteType(node, at.aScale, at.aZero);
  const type = node.constantType(at.b);
  const scale = node.constantNumbers(at.bScale);
  const zeros = given(at.bZero) === undefined ? [0] : node.constantNumbers(at.bZero);
  const y = given(at.y);
  const output = y === undefined ? undefined : constantByteType(node, y);
  if (!input || type?.shape.length !== 2 || !scale || !zeros || y !== undefined && !output) {
    return undefined;
  }
  const bias = given(at.bias);
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
    zeroPoint: isZero ? null : onDevice(Array.from(scales, (_, i) => zeros[i % zeros.length])),
    bias: bias === undefined ? null : node.weight(bias),
    input,
    inputZeroPoint: input.zeroPoint === 0 ? null : onDevice([input.zeroPoint]),
    output,
    multiplier: onDevice(multipliers(input.scale, scales, output?.scale, alpha)),
  });
  return { module, inputs: [at.a], parameters: [] };
}

function qGemmLayer(node: LayerNode): Layer | undefined {
  const { attributes } = node;
  if (attributes.int("transA")) return undefined;
  const form = attributes.int("transB") ? "same" : "transposed";
  return byteLinear(node, { ...STEPS, y: 7, bias: 6 }, form, attributes.float("alpha"));
}

/** Products of bytes as floats: `(A − za)·(B − zb)·sa·sb + bias`. */
function matMulIntegerToFloat(call: OperatorCall): Tensor {
  const [, , sa, sb, za, zb, bias] = call.inputs as (Tensor | undefined)[] as Tensor[];
  const sums = integerProduct(call, za, zb);
  const f = new Formula("MatMulIntegerToFloat");
  const by = f.apply("mul", f.read(sa, "float"), f.read(sb, "float"));
  const value = f.apply("mul", f.apply("float", f.read(sums, "int")), by);
  if (bias) f.apply("add", value, f.read(bias, "float"));
  return f.result(sa.dtype);
}

function matMulIntegerToFloatLayer(node: LayerNode): Layer | undefined {
  const at = { a: 0, aScale: 2, aZero: 4, b: 1, bScale: 3, bZero: 5, bias: 6 };
  return byteLinear(node, at, "transposed");
}

/** Products of bytes as operators of ONNX and of onnxruntime. */
export const BYTE_PRODUCTS: OperatorRules = {
  MatMulInteger: {
    inputs: [2, 4],
    compute: (call) => integerProduct(call, call.inputs[2], call.inputs[3]),
  },
  QLinearMatMul: {
    inputs: [8, 8],
    host: [1, 2, 4, 5, 6, 7],
    layer: (node) => byteLinear(node, { ...STEPS, y: 6 }, "transposed"),
    compute: qLinearMatMul,
  },
  "com.microsoft:QGemm": {
    inputs: [6, 9],
    host: [1, 2, 4, 5, 7, 8],
    attributes: { alpha: float(1), transA: int(0), transB: int(0) },
    layer: qGemmLayer,
    compute: qGemm,
  },
  "com.microsoft:MatMulIntegerToFloat": {
    inputs: [4, 7],
    layer: matMulIntegerToFloatLayer,
    compute: matMulIntegerToFloat,
  },
};
