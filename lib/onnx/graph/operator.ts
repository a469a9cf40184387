/**
 * Telling operators.
 *
 * @module
 */
import { domainName } from "../file/check_model.ts";
import type { NodeProto } from "../file/proto.ts";

/** Whether a node is of an operator of ONNX's own domain; of one of these if any are named. */
export function isOp({ opType, domain }: NodeProto, ...opTypes: readonly string[]): boolean {
  return domainName(domain) === "" && (opTypes.length === 0 || opTypes.includes(opType));
}
