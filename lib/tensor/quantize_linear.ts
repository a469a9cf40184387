/**
 * Numbers as integers and back, with parameters that are known, for a whole tensor or along a dimension:
 * ONNX's QuantizeLinear and DequantizeLinear, with the integers of onnxruntime's CPU kernels.
 *
 * @module
 */
import type { Backend } from "../backend/backend.ts";
import { checkDType, checkOptions, given } from "../numbers/arguments.ts";
import { type DType, float32, int32, uint8 } from "../numbers/dtype.ts";
import { encode } from "../numbers/encoding.ts";
import { formatShape } from "../numbers/shape.ts";
import {
  checkQuantized,
  checkScale,
  checkZeroPoint,
  dequantized,
  inverseOf,
  quantized,
  saturated,
} from "./byte_params.ts";
import { dimOf } from "./dims.ts";
import { Formula } from "./formula.ts";
import { amax, amin } from "./reduction.ts";
import { checkTensor, Tensor } from "./tensor.ts";

/** Options of {@linkcode quantizeLinear} and {@linkcode dequantizeLinear}. */
export interface LinearQuantization {
  /** The distance between neighbouring integers: one for all, or one a place along `axis`. */
  scale: number | readonly number[] | Float32Array;
  /** The integer that stands for 0: one for all, or as many as there are scales; 0 by default. */
  zeroPoint?: number | readonly number[] | Int8Array | Uint8Array | Int32Array;
  /** The dimension along which there are several scales; 1 by default. */
  axis?: number;
  /** The dtype of the result: uint8 by default for integers, float32 for numbers. */
  dtype?: DType;
}

/** Parameters as an expression reads them, and how to free those on the device. */
interface Read extends Disposable {
  readonly scale: Tensor | number;
  readonly inverse: Tensor | number;
  readonly zeroPoint: Tensor | number;
}

const isNumber = (value: unknown): value is number => typeof value === "number";

/** Checks the parameters of integers of a dtype, and brings several to the device. */
function paramsOf(where: string, x: Tensor, options: LinearQuantization, dtype: DType): Read {
  const { scale, zeroPoint = 0, axis = 1 } = options;
  const zeroPointOf = (z: unknown) => checkZeroPoint(where, "zeroPoint", z, dtype);
  if (isNumber(scale) || scale === undefined) {
    const one = checkScale(where, "scale", scale);
    return {
      scale: one,
      inverse: inverseOf(one),
      zeroPoint: zeroPointOf(zeroPoint),
      [Symbol.dispose]: () => {},
    };
  }
  const dim = dimOf(where, axis, x.shape);
  const size = x.shape[dim];
  const zeroPoints = isNumber(zeroPoint) ? new Array(scale.length).fill(zeroPoint) : zeroPoint;
  if (scale.length !== size || zeroPoints.length !== size) {
    throw new RangeError(
      `${where}: dimension ${dim} of shape ${
        formatShape(x.shape)
      } has ${size} places, but there are ` +
        `${scale.length} scales and ${zeroPoints.length} zero points`,
    );
  }
  const scales = Array.from(scale, (s) => checkScale(where, "scale", s));
  const shape = x.shape.map((_, d) => d === dim ? size : 1);
  const made = [
    uploaded(x.backend, scales, shape, float32),
    uploaded(x.backend, scales.map(inverseOf), shape, float32),
    uploaded(x.backend, Array.from(zeroPoints, zeroPointOf), shape, int32),
  ];
  return {
    scale: made[0],
    inverse: made[1],
    zeroPoint: made[2],
    [Symbol.dispose]: () => made.forEach((t) => t.dispose()),
  };
}

function uploaded(
  backend: Backend,
  values: readonly number[],
  shape: readonly number[],
  dtype: DType,
): Tensor {
  return new Tensor(backend, backend.upload(encode(values, dtype)), shape, dtype);
}

const OPTIONS = ["scale", "zeroPoint", "axis", "dtype"];

/**
 * The integers `clamp(round(x / scale) + zeroPoint)`: the quotient is rounded to float32, then to the nearest
 * whole number, ties to even, and what leaves the dtype saturates. The integers are those of
 * onnxruntime's CPU kernel on every device; a NaN becomes the least one. Enqueued.
 *
 * @param x float, of any shape.
 * @throws {RangeError} if a scale is not positive, a zero point no integer of the dtype, or their number
 * not the size of the dimension.
 * @throws {TypeError} if `x` is no float Tensor.
 *
 * @example
 * ```ts
 * import { quantizeLinear, tensor } from "@staticquant/staticquant";
 * const q = quantizeLinear(tensor([-1, 0.25, 0.75, 99]), { scale: 0.5, zeroPoint: 10 });
 * console.log(await q.data()); // Uint8Array [ 8, 10, 12, 208 ]
 * ```
 */
export function quantizeLinear(x: Tensor, options: LinearQuantization): Tensor {
  const where = "quantizeLinear";
  checkTensor(where, x);
  if (!x.dtype.isFloat) {
    throw new TypeError(`${where}: the input must be a float tensor, got ${x.dtype.name}`);
  }
  checkGiven(where, options);
  const { dtype = uint8 } = options;
  checkDType(where, "dtype", dtype);
  checkQuantized(where, dtype);
  using params = paramsOf(where, x, options, dtype);
  const formula = new Formula(where);
  quantized(formula, formula.read(x, "float"), params, dtype);
  return formula.result(dtype);
}

/**
 * The numbers `(q − zeroPoint) · scale`, computed in float32 and rounded once. Enqueued.
 *
 * @param q integers of any shape; of int32 such as biases too.
 * @throws {RangeError} if a scale is not positive, a zero point no integer of the dtype, or their number
 * not the size of the dimension.
 * @throws {TypeError} if `q` is no Tensor of integers, or the dtype asked for no float one.
 *
 * @example
 * ```ts
 * import { dequantizeLinear, tensor, uint8 } from "@staticquant/staticquant";
 * const q = tensor([8, 10, 208], { dtype: uint8 });
 * console.log(await dequantizeLinear(q, { scale: 0.5, zeroPoint: 10 }).data()); // [ -1, 0, 99 ]
 * ```
 */
export function dequantizeLinear(q: Tensor, options: LinearQuantization): Tensor {
  const where = "dequantizeLinear";
  checkTensor(where, q);
  if (q.dtype.isFloat) {
    throw new TypeError(`${where}: the input must be a tensor of integers, got ${q.dtype.name}`);
  }
  checkGiven(where, options);
  const { dtype = float32 } = options;
  checkDType(where, "dtype", dtype);
  if (!dtype.isFloat) throw new TypeError(`${where}: dtype must be a float one, got ${dtype.name}`);
  using params = paramsOf(where, q, options, q.dtype);
  const formula = new Formula(where);
  dequantized(formula, q, params.scale, params.zeroPoint);
  return formula.result(dtype);
}

function checkGiven(where: string, options: unknown): void {
  if (options === undefined) {
    throw new TypeError(`${where}: expected { scale, zeroPoint }, got ${given(options)}`);
  }
  checkOptions(where, options, OPTIONS);
}

/** What {@linkcode dynamicQuantizeLinear} gives. */
export interface DynamicBytes {
  /** uint8, the shape of the input. */
  readonly y: Tensor;
  /** float32, one number without dimensions. */
  readonly scale: Tensor;
  /** uint8, one number without dimensions. */
  readonly zeroPoint: Tensor;
}

/**
 * The integers of a tensor over its own range, 0 included: `scale = (max − min)/255`, 1 if all is 0, and
 * `zeroPoint = round(−min/scale)`; ONNX's DynamicQuantizeLinear, with onnxruntime's results on every device.
 * Nothing waits: scale and zero point stay on the device. Enqueued.
 *
 * @param x float32, of any shape but an empty one.
 * @throws {RangeError} if `x` is empty.
 * @throws {TypeError} if `x` is no float32 Tensor.
 *
 * @example
 * ```ts
 * import { dynamicQuantizeLinear, tensor } from "@staticquant/staticquant";
 * const { y, scale, zeroPoint } = dynamicQuantizeLinear(tensor([-1, 0, 254]));
 * console.log(await y.data(), await scale.item(), await zeroPoint.item()); // [ 0, 1, 255 ] 1 1
 * ```
 */
export function dynamicQuantizeLinear(x: Tensor): DynamicBytes {
  const where = "dynamicQuantizeLinear";
  checkTensor(where, x);
  if (x.dtype !== float32) {
    throw new TypeError(`${where}: the input must be of float32, got ${x.dtype.name}`);
  }
  if (x.numel === 0) throw new RangeError(`${where}: the input is empty, so it has no range`);
  using flat = x.reshape(-1);
  using most = amax(flat);
  using least = amin(flat);
  const end = (formula: Formula, t: Tensor, name: "maximum" | "minimum") =>
    formula.apply(name, formula.read(t, "float"), 0);
  const ofScale = new Formula(where);
  const low = end(ofScale, least, "minimum");
  const span = ofScale.apply("sub", end(ofScale, most, "maximum"), low);
  const empty = ofScale.apply("eq", span, 0);
  const ratio = ofScale.apply("quotient", span, 255);
  ofScale.apply("select", empty, ofScale.read(1, "float"), ratio);
  const scale = ofScale.result(float32);
  const ofZero = new Formula(where);
  const divisor = ofZero.read(scale, "float");
  const steps = ofZero.apply("wholeQuotient", end(ofZero, least, "minimum"), divisor, 0);
  saturated(ofZero, ofZero.apply("neg", steps), 0, uint8);
  const zeroPoint = ofZero.result(uint8);
  using inverse = inverseOnDevice(where, scale);
  const formula = new Formula(where);
  quantized(formula, formula.read(x, "float"), { scale, inverse, zeroPoint }, uint8);
  return { y: formula.result(uint8), scale, zeroPoint };
}

/** 1/scale, or 0 where that may be no normal number. */
function inverseOnDevice(where: string, scale: Tensor): Tensor {
  const formula = new Formula(where);
  const s = formula.read(scale, "float");
  const inverse = formula.apply("quotient", formula.read(1, "float"), s);
  const zero = formula.read(0, "float");
  formula.apply("select", formula.apply("lt", s, 1e-36), zero, inverse);
  return formula.result(float32);
}
