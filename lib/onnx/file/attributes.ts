/**
 * Reading and setting the attributes of nodes.
 *
 * @module
 */
import type { AttributeProto, NodeProto } from "./proto.ts";
import type { AttributeValue, OnnxMessages } from "./messages.ts";

/** The attribute with this name, if the node has it. */
export function attributeOf(node: NodeProto, name: string): AttributeProto | undefined {
  return node.attribute.find((attribute) => attribute.name === name);
}

/** An integer attribute; the fallback if the node hasn't it. */
export function intOf(node: NodeProto, name: string, fallback: number): number {
  const attribute = attributeOf(node, name);
  return attribute ? Number(attribute.i) : fallback;
}

/** A float attribute; the fallback if the node hasn't it. */
export function floatOf(node: NodeProto, name: string, fallback: number): number {
  return attributeOf(node, name)?.f ?? fallback;
}

/** A text attribute; the fallback if the node hasn't it. */
export function stringOf(node: NodeProto, name: string, fallback: string): string {
  const attribute = attributeOf(node, name);
  return attribute ? new TextDecoder().decode(attribute.s) : fallback;
}

/** A list of integers, if the node has it. */
export function intsOf(node: NodeProto, name: string): number[] | undefined {
  return attributeOf(node, name)?.ints.map(Number);
}

/** A list of floats, if the node has it. */
export function floatsOf(node: NodeProto, name: string): number[] | undefined {
  return attributeOf(node, name)?.floats;
}

/** Adds an attribute, replaces the one with this name in its place, or with `undefined` removes it. */
export function setAttribute(
  messages: OnnxMessages,
  node: NodeProto,
  name: string,
  value: AttributeValue | undefined,
): void {
  const at = node.attribute.findIndex((attribute) => attribute.name === name);
  const made = value ? [messages.attribute(name, value)] : [];
  node.attribute.splice(at < 0 ? node.attribute.length : at, at < 0 ? 0 : 1, ...made);
}
