/**
 * Operators that call elements something else: another shape, another type.
 *
 * @module
 */
import { bool, type DType } from "../../../numbers/dtype.ts";
import { formatShape, numelOf } from "../../../numbers/shape.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { dataTypeName } from "../../file/data_type.ts";
import type { NodeProto } from "../../file/proto.ts";
import { type FloatType, importedType } from "../node/element_types.ts";
import { IGNORED, int, type NodeAttributes } from "../node/node_attributes.ts";
import type { OperatorCall, OperatorRules } from "../node/operator_rule.ts";

/** An axis counted from the front. */
export function axisOf(axis: number, rank: number): number {
  const found = axis < 0 ? axis + rank : axis;
  if (Number.isInteger(axis) && found >= 0 && found < Math.max(rank, 1)) return found;
  throw new RangeError(`axis ${axis} is none of the ${rank} that the input has`);
}

/** The type that a Cast goes to. */
function castType(attributes: NodeAttributes, float: FloatType): DType | undefined {
  const type = dataTypeName(attributes.int("to"));
  return type && importedType(type, float);
}

function castProblem(_: NodeProto, attributes: NodeAttributes): string | undefined {
  if (castType(attributes, bool)) return undefined;
  const to = attributes.int("to");
  return `casts to ${dataTypeName(to) ?? `type ${to}`}, which tensors have not here`;
}

function reshape(call: OperatorCall): Tensor {
  const x = call.input(0);
  const sizes = call.someNumbers(1);
  if (call.attributes.int("allowzero")) return x.reshape(sizes);
  return x.reshape(sizes.map((size, i) => size === 0 ? x.shape[i] : size));
}

function flatten(call: OperatorCall): Tensor {
  const x = call.input(0);
  const axis = call.attributes.int("axis");
  const at = axis < 0 ? axis + x.ndim : axis;
  return x.reshape(numelOf(x.shape.slice(0, at)), numelOf(x.shape.slice(at)));
}

function squeeze(call: OperatorCall): Tensor {
  const x = call.input(0);
  const axes = call.numbers(1)?.map((axis) => axisOf(axis, x.ndim));
  const wrong = axes?.find((axis) => x.shape[axis] !== 1);
  if (wrong !== undefined) {
    throw new RangeError(`dimension ${wrong} of ${formatShape(x.shape)} has more than one element`);
  }
  return x.reshape(x.shape.filter((size, i) => axes ? !axes.includes(i) : size !== 1));
}

function unsqueeze(call: OperatorCall): Tensor {
  const x = call.input(0);
  const given = call.someNumbers(1);
  const rank = x.ndim + given.length;
  const axes = new Set(given.map((axis) => axisOf(axis, rank)));
  const sizes = x.shape.values();
  return x.reshape(
    Array.from({ length: rank }, (_, i) => axes.has(i) ? 1 : sizes.next().value ?? 1),
  );
}

/** Operators that call elements something else. */
export const RESHAPING: OperatorRules = {
  Identity: { inputs: [1, 1], compute: (call) => call.input(0) },
  Cast: {
    inputs: [1, 1],
    attributes: { to: int(), saturate: IGNORED, round_mode: IGNORED },
    refuse: castProblem,
    compute: (call) => call.input(0).to(castType(call.attributes, call.float)!),
  },
  CastLike: {
    inputs: [2, 2],
    unread: [1],
    attributes: { saturate: IGNORED, round_mode: IGNORED },
    compute: (call) => call.input(0).to(call.input(1).dtype),
  },
  Reshape: { inputs: [2, 2], host: [1], attributes: { allowzero: int(0) }, compute: reshape },
  Flatten: { inputs: [1, 1], attributes: { axis: int(1) }, compute: flatten },
  Squeeze: { inputs: [1, 2], host: [1], compute: squeeze },
  Unsqueeze: { inputs: [2, 2], host: [1], compute: unsqueeze },
};
