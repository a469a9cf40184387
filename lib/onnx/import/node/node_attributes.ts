/**
 * The attributes of a node, read and checked against what its operator takes.
 *
 * @module
 */
import { nearest } from "../../../numbers/arguments.ts";
import { quote } from "../../../numbers/printable.ts";
import { attributeOf } from "../../file/attributes.ts";
import type { AttributeProto, NodeProto, TensorProto } from "../../file/proto.ts";

/** What an operator takes as an attribute, and what it is where a node leaves it out. */
export type AttributeSpec =
  /** An integer; nothing stands for it where it may be left out. */
  | { readonly kind: "int"; readonly otherwise?: number; readonly of?: readonly number[] }
  | { readonly kind: "float"; readonly otherwise?: number }
  /** One of the texts that are computed here. */
  | { readonly kind: "text"; readonly otherwise?: string; readonly of?: readonly string[] }
  | { readonly kind: "ints" }
  | { readonly kind: "floats" }
  | { readonly kind: "texts" }
  | { readonly kind: "tensor" }
  | { readonly kind: "graph" }
  /** One that says nothing of the result. */
  | { readonly kind: "ignored" };

/** The attributes that an operator takes, by name. */
export type AttributeSpecs = Readonly<Record<string, AttributeSpec>>;

/** An integer attribute. */
export const int = (otherwise?: number, of?: readonly number[]): AttributeSpec => ({
  kind: "int",
  otherwise,
  of,
});
/** A float attribute. */
export const float = (otherwise?: number): AttributeSpec => ({ kind: "float", otherwise });
/** A text attribute. */
export const text = (otherwise?: string, ...of: readonly string[]): AttributeSpec => ({
  kind: "text",
  otherwise,
  of: of.length ? of : undefined,
});
/** A list of integers. */
export const INTS: AttributeSpec = { kind: "ints" };
/** A list of floats. */
export const FLOATS: AttributeSpec = { kind: "floats" };
/** A list of texts. */
export const TEXTS: AttributeSpec = { kind: "texts" };
/** A constant. */
export const TENSOR: AttributeSpec = { kind: "tensor" };
/** A graph inside of the node. */
export const GRAPH: AttributeSpec = { kind: "graph" };
/** Says nothing of the result. */
export const IGNORED: AttributeSpec = { kind: "ignored" };

/** The number by which files mark what an attribute holds; old ones leave it at 0. */
const TYPE_CODES: Partial<Record<AttributeSpec["kind"], number>> = {
  float: 1,
  int: 2,
  text: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  texts: 8,
};

const decoder = new TextDecoder();

/** A node's attributes, with what its operator has for those that are left out. */
export class NodeAttributes {
  /** Of a node whose attributes {@linkcode attributeProblems} found nothing wrong with. */
  constructor(private readonly node: NodeProto, private readonly specs: AttributeSpecs) {}

  private find(name: string): { given?: AttributeProto; spec: AttributeSpec } {
    if (!Object.hasOwn(this.specs, name)) throw new Error(`no attribute ${name} is described`);
    return { given: attributeOf(this.node, name), spec: this.specs[name] };
  }

  /** Whether the node has it. */
  has(name: string): boolean {
    return this.find(name).given !== undefined;
  }

  /** An integer. */
  int(name: string): number {
    return this.optionalInt(name) ?? NaN;
  }

  /** An integer that may be left out. */
  optionalInt(name: string): number | undefined {
    const { given, spec } = this.find(name);
    return given ? Number(given.i) : (spec as { otherwise?: number }).otherwise;
  }

  /** A float. */
  float(name: string): number {
    const { given, spec } = this.find(name);
    return given ? given.f : (spec as { otherwise?: number }).otherwise ?? NaN;
  }

  /** A text. */
  text(name: string): string {
    const { given, spec } = this.find(name);
    return given ? decoder.decode(given.s) : (spec as { otherwise?: string }).otherwise ?? "";
  }

  /** Integers, if the node has them. */
  ints(name: string): number[] | undefined {
    return this.find(name).given?.ints.map(Number);
  }

  /** Floats, if the node has them. */
  floats(name: string): number[] | undefined {
    return this.find(name).given?.floats;
  }

  /** Texts, if the node has them. */
  texts(name: string): string[] | undefined {
    return this.find(name).given?.strings.map((bytes) => decoder.decode(bytes));
  }

  /** A constant, if the node has it. */
  tensor(name: string): TensorProto | undefined {
    return this.find(name).given?.t;
  }

  /** Those that the node has, as text for people. */
  toString(): string {
    return this.node.attribute.filter(({ name }) => Object.hasOwn(this.specs, name))
      .map((attribute) => `${attribute.name}=${shown(attribute, this.specs[attribute.name].kind)}`)
      .join(", ");
  }
}

function shown(attribute: AttributeProto, kind: AttributeSpec["kind"]): string {
  switch (kind) {
    case "int":
      return String(attribute.i);
    case "float":
      return String(attribute.f);
    case "text":
      return quote(decoder.decode(attribute.s));
    case "ints":
      return `[${attribute.ints.join(", ")}]`;
    case "floats":
      return `[${attribute.floats.join(", ")}]`;
    default:
      return "…";
  }
}

/** What is wrong with a node's attributes, each a clause such as `has an attribute "x", …`. */
export function attributeProblems(node: NodeProto, specs: AttributeSpecs): string[] {
  const problems: string[] = [];
  for (const attribute of node.attribute) {
    const { name } = attribute;
    if (!Object.hasOwn(specs, name)) {
      const like = nearest(name, Object.keys(specs));
      problems.push(
        `has an attribute ${quote(name)}, which is not known here` +
          (like ? ` (it knows ${like})` : ""),
      );
      continue;
    }
    const spec = specs[name];
    const code = TYPE_CODES[spec.kind];
    if (code !== undefined && attribute.type !== 0 && Number(attribute.type) !== code) {
      problems.push(`has an attribute ${quote(name)} that holds no ${spec.kind}`);
    } else if (spec.kind === "text" && spec.of) {
      const value = decoder.decode(attribute.s);
      if (spec.of.includes(value)) continue;
      problems.push(
        `has ${name} = ${quote(value)}, and only ${spec.of.map(quote).join(", ")} ` +
          `${spec.of.length === 1 ? "is" : "are"} computed here`,
      );
    } else if (spec.kind === "int" && spec.of && !spec.of.includes(Number(attribute.i))) {
      problems.push(
        `has ${name} = ${attribute.i}, and only ${spec.of.join(", ")} ` +
          `${spec.of.length === 1 ? "is" : "are"} computed here`,
      );
    }
  }
  return problems;
}
