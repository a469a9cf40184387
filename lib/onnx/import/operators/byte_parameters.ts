/**
 * The scales and zero points that operators on bytes have among their inputs.
 *
 * @module
 */
import type { DType } from "../../../numbers/dtype.ts";
import { type ByteType, checkByteType } from "../bytes/byte_type.ts";
import type { LayerNode, OperatorCall } from "../node/operator_rule.ts";

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

/** The parameters of a node in constants, if they are. */
export function constantByteType(
  node: LayerNode,
  scale: number,
  zeroPoint = scale + 1,
): ByteType | undefined {
  const [value, zero] = [node.constantNumbers(scale), node.constantNumbers(zeroPoint)];
  // One for all; operators on rows with scales of their own compute with tensors.
  if (value?.length !== 1 || zero?.length !== 1) return undefined;
  const type = {
    scale: value[0],
    zeroPoint: zero[0],
    dtype: node.constantType(zeroPoint)!.dtype,
  };
  checkByteType(`its input ${scale}`, type);
  return type;
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
