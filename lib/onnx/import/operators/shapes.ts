/**
 * Shapes, and values that are made of them.
 *
 * @module
 */
import { bool } from "../../../numbers/dtype.ts";
import { expand } from "../../../tensor/movement.ts";
import { ge, le, where } from "../../../tensor/pointwise.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { dataTypeName } from "../../file/data_type.ts";
import type { NodeProto, TensorProto } from "../../file/proto.ts";
import { readTensor, tensorDims, tensorType } from "../../file/tensor_data.ts";
import { constantType, type FloatType, importedNumbers } from "../node/element_types.ts";
import { hostTensor, uploaded } from "../node/host_values.ts";
import {
  FLOATS,
  IGNORED,
  int,
  INTS,
  type NodeAttributes,
  TENSOR,
} from "../node/node_attributes.ts";
import type { OperatorCall, OperatorRules } from "../node/operator_rule.ts";

/** An axis counted from the front, within 0 and `rank`. */
function bounded(axis: number, rank: number): number {
  return Math.min(Math.max(axis < 0 ? axis + rank : axis, 0), rank);
}

function shape(call: OperatorCall): Tensor {
  const { shape, ndim } = call.input(0);
  const start = bounded(call.attributes.int("start"), ndim);
  const part = shape.slice(start, bounded(call.attributes.optionalInt("end") ?? ndim, ndim));
  return hostTensor(part, [part.length]);
}

/** A constant of the file, on the host. */
function constantTensor(proto: TensorProto, float: FloatType): Tensor {
  const numbers = importedNumbers(readTensor(proto).data);
  return hostTensor(numbers, tensorDims(proto), constantType(tensorType(proto), float));
}

/** A constant in whichever attribute it is. */
function constant({ attributes, float }: OperatorCall): Tensor {
  const tensor = attributes.tensor("value");
  if (tensor) return constantTensor(tensor, float);
  if (attributes.has("value_int")) return hostTensor([attributes.int("value_int")], []);
  const ints = attributes.ints("value_ints");
  if (ints) return hostTensor(ints, [ints.length]);
  const floats = attributes.floats("value_floats");
  if (floats) return hostTensor(floats, [floats.length], float);
  return hostTensor([attributes.float("value_float")], [], float);
}

/** Why the constant of an attribute cannot be one here. */
function constantProblem(_: NodeProto, attributes: NodeAttributes): string | undefined {
  const proto = attributes.tensor("value");
  const type = proto && dataTypeName(proto.dataType);
  if (!proto || type && constantType(type)) return undefined;
  return `holds a constant of ${type ?? `type ${proto.dataType}`}, which tensors have not here`;
}

/** Tensors of one number. */
function constantOfShape(call: OperatorCall): Tensor {
  const value = call.attributes.tensor("value");
  const sizes = call.someNumbers(0);
  call.checkGrowth(sizes);
  const one = value ? constantTensor(value, call.float) : hostTensor([0], [], call.float);
  return expand(call.here(one).reshape(sizes.map(() => 1)), sizes);
}

/** `start`, `start + delta`, … up to and without `limit`. */
function range(call: OperatorCall): Tensor {
  const [start, limit, delta] = [0, 1, 2].map((i) => call.number(i)!);
  const count = Math.max(Math.ceil((limit - start) / delta), 0);
  if (Number.isNaN(count)) throw new RangeError("its step is 0");
  call.checkGrowth([count]);
  call.backend.checkFits(count * 4, "Range");
  const numbers = Float64Array.from({ length: count }, (_, i) => start + i * delta);
  return call.here(hostTensor(numbers, [count], call.input(0).dtype));
}

/** `x` on one side of a diagonal, 0 on the other. */
function trilu(call: OperatorCall): Tensor {
  const x = call.input(0);
  const [rows, columns] = x.shape.slice(-2);
  const k = call.number(1) ?? 0;
  const count = (n: number) => Array.from({ length: n }, (_, i) => i);
  const row = uploaded(hostTensor(count(rows).map((i) => i + k), [rows, 1]), x.backend);
  const column = uploaded(hostTensor(count(columns), [columns]), x.backend);
  const compare = call.attributes.int("upper") ? ge : le;
  return where(compare(column, row), x, 0);
}

/** Dropout drops nothing but while it trains. */
function dropout(call: OperatorCall): Tensor[] {
  const x = call.input(0);
  if (call.number(2) && call.number(1) !== 0) {
    throw new RangeError("it trains; export the model for inference");
  }
  if (call.outputs < 2) return [x];
  return [x, expand(call.onto(x, hostTensor([1], x.shape.map(() => 1), bool)), x.shape)];
}

/** Shape and what is made of shapes. */
export const SHAPES: OperatorRules = {
  Shape: {
    inputs: [1, 1],
    unread: [0],
    attributes: { start: int(0), end: int() },
    compute: shape,
  },
  Size: {
    inputs: [1, 1],
    unread: [0],
    compute: (call) => hostTensor([call.input(0).numel], []),
  },
  Constant: {
    inputs: [0, 0],
    attributes: {
      value: TENSOR,
      value_int: int(),
      value_ints: INTS,
      value_float: { kind: "float" },
      value_floats: FLOATS,
    },
    refuse: constantProblem,
    compute: constant,
  },
  ConstantOfShape: {
    inputs: [1, 1],
    host: [0],
    grows: true,
    attributes: { value: TENSOR },
    refuse: constantProblem,
    compute: constantOfShape,
  },
  Range: {
    inputs: [3, 3],
    host: [0, 1, 2],
    grows: true,
    attributes: { stash_type: IGNORED },
    compute: range,
  },
  Dropout: {
    inputs: [1, 3],
    outputs: 2,
    host: [1, 2],
    attributes: { seed: IGNORED },
    compute: dropout,
  },
  Trilu: { inputs: [1, 2], host: [1], attributes: { upper: int(1) }, compute: trilu },
};
