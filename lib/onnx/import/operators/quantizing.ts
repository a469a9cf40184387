/**
 * Between floats and integers.
 *
 * @module
 */
import { type DType, float32, int8, uint8 } from "../../../numbers/dtype.ts";
import { dequantized, quantized } from "../../../tensor/byte_params.ts";
import { Formula } from "../../../tensor/formula.ts";
import { dynamicQuantizeLinear } from "../../../tensor/quantize_linear.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { dataTypeName } from "../../file/data_type.ts";
import type { NodeProto } from "../../file/proto.ts";
import { importedType } from "../node/element_types.ts";
import { IGNORED, int, type NodeAttributes } from "../node/node_attributes.ts";
import type { OperatorCall, OperatorRules } from "../node/operator_rule.ts";
import { axisOf } from "./reshaping.ts";

/** A tensor, and its parameters in shapes that broadcast to it. */
interface Spread {
  readonly x: Tensor;
  readonly scale: Tensor;
  readonly zeroPoint: Tensor | undefined;
  /** The shape that the result has. */
  readonly shape: readonly number[];
}

/** Parameters one for all, one a place of an axis, or one a block of it. */
function spread(call: OperatorCall): Spread {
  const [x, scale, zeroPoint] = call.inputs as [Tensor, Tensor, Tensor?];
  const { shape } = x;
  const along = (sizes: readonly number[], x_: Tensor): Spread => ({
    x: x_,
    scale: scale.reshape(sizes),
    zeroPoint: zeroPoint?.reshape(sizes),
    shape,
  });
  if (scale.numel === 1) return along([], x);
  const axis = axisOf(call.attributes.int("axis"), x.ndim);
  const block = call.attributes.int("block_size");
  if (block === 0) return along(shape.map((size, d) => d === axis ? size : 1), x);
  if (shape[axis] % block !== 0) {
    throw new RangeError(
      `dimension ${axis}, ${shape[axis]}, is no multiple of block_size ${block}`,
    );
  }
  const apart = [...shape.slice(0, axis), shape[axis] / block, block, ...shape.slice(axis + 1)];
  return along(scale.shape.toSpliced(axis + 1, 0, 1), x.reshape(apart));
}

/** The type of 8 bits that a QuantizeLinear makes. */
function byteType(call: OperatorCall): DType {
  const zeroPoint = call.inputs[2];
  const stated = dataTypeName(call.attributes.int("output_dtype"));
  const dtype = zeroPoint?.dtype ?? (stated && importedType(stated)) ?? uint8;
  if (dtype === int8 || dtype === uint8) return dtype;
  throw new TypeError(
    `it quantizes to other types than int8 and uint8, which is not computed here`,
  );
}

function quantize(call: OperatorCall): Tensor {
  const dtype = byteType(call);
  const { x, scale, zeroPoint = 0, shape } = spread(call);
  const f = new Formula("QuantizeLinear");
  // Without its inverse the quotient is divided exactly.
  quantized(f, f.read(x, "float"), { scale, inverse: 0, zeroPoint }, dtype);
  return f.result(dtype).reshape(shape);
}

function dequantize(call: OperatorCall): Tensor {
  const [given, , zero] = call.inputs as [Tensor, Tensor, Tensor?];
  if (zero && zero.dtype !== given.dtype) {
    throw new TypeError(
      `its zero point is of ${zero.dtype.name} and its integers of ${given.dtype.name}; both are of one type`,
    );
  }
  const { x, scale, zeroPoint = 0, shape } = spread(call);
  const f = new Formula("DequantizeLinear");
  dequantized(f, x, scale, zeroPoint);
  return f.result(scale.dtype).reshape(shape);
}

/** Why a node is not computed here. */
function refused(_: NodeProto, attributes: NodeAttributes): string | undefined {
  const code = attributes.int("output_dtype");
  const type = code ? dataTypeName(code) : undefined;
  if (!code || type === "int8" || type === "uint8") return undefined;
  return `has output_dtype = ${type ?? code}, and only int8 and uint8 are computed here`;
}

/** Bytes for the range that the input has, with its scale and zero point. */
function quantizeDynamic(call: OperatorCall): Tensor[] {
  const x = call.input(0);
  const { y, scale, zeroPoint } = dynamicQuantizeLinear(x.to(float32));
  return [y, scale.to(x.dtype), zeroPoint];
}

/** Between floats and integers. */
export const QUANTIZING: OperatorRules = {
  QuantizeLinear: {
    inputs: [2, 3],
    attributes: {
      axis: int(1),
      block_size: int(0),
      output_dtype: int(0),
      saturate: IGNORED,
      precision: IGNORED,
    },
    refuse: refused,
    compute: quantize,
  },
  DequantizeLinear: {
    inputs: [2, 3],
    attributes: { axis: int(1), block_size: int(0), output_dtype: IGNORED },
    compute: dequantize,
  },
  DynamicQuantizeLinear: { inputs: [1, 1], outputs: 3, compute: quantizeDynamic },
};
