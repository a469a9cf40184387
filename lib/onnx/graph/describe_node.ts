/** Naming a node in messages. */
import { quote } from "../../numbers/printable.ts";
import type { NodeProto } from "../file/proto.ts";

/** A node for messages: its operator, and its name or else its first output. */
export function describeNode({ name, opType, output }: NodeProto): string {
  return name
    ? `${opType} node ${quote(name)}`
    : `the ${opType} node that makes ${quote(output[0] ?? "")}`;
}
