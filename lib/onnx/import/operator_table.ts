/**
 * The operators that are computed here.
 *
 * @module
 */
import { domainName } from "../file/check_model.ts";
import type { NodeProto } from "../file/proto.ts";
import type { OperatorRule, OperatorRules } from "./node/operator_rule.ts";
import { ACTIVATIONS } from "./operators/activations.ts";
import { ARITHMETIC } from "./operators/arithmetic.ts";
import { CONVOLUTIONS } from "./operators/convolutions.ts";
import { RESIZING } from "./operators/resizing.ts";
import { POOLS } from "./operators/pools.ts";
import { INTEGER_CONVOLUTIONS } from "./operators/integer_convolutions.ts";
import { BYTE_PRODUCTS } from "./operators/byte_products.ts";
import { BYTES_DOMAIN } from "./bytes/bytes_domain.ts";
import { INTEGERS, onBytes } from "./operators/integers.ts";
import { QUANTIZING } from "./operators/quantizing.ts";
import { CONTROL } from "./operators/control.ts";
import { MOVEMENT } from "./operators/movement.ts";
import { SHAPES } from "./operators/shapes.ts";
import { NORMALIZATION } from "./operators/normalization.ts";
import { RECURRENT } from "./operators/recurrent.ts";
import { REDUCTIONS } from "./operators/reductions.ts";
import { PRODUCTS } from "./operators/products.ts";
import { RESHAPING } from "./operators/reshaping.ts";

/** One table a family. */
const FAMILIES: readonly OperatorRules[] = [
  ARITHMETIC,
  ACTIVATIONS,
  RESHAPING,
  SHAPES,
  MOVEMENT,
  CONTROL,
  PRODUCTS,
  REDUCTIONS,
  NORMALIZATION,
  RECURRENT,
  CONVOLUTIONS,
  RESIZING,
  POOLS,
  QUANTIZING,
  BYTE_PRODUCTS,
  INTEGERS,
  INTEGER_CONVOLUTIONS,
];

const RULES: ReadonlyMap<string, OperatorRule> = new Map(
  FAMILIES.flatMap((family) => Object.entries(family)),
);

/** What an operator is found by. */
function keyOf({ domain, opType }: Pick<NodeProto, "domain" | "opType">): string {
  const name = domainName(domain);
  return name ? `${name}:${opType}` : opType;
}

/** Rules of that domain that were asked for. */
const ON_BYTES = new Map<string, OperatorRule>();

/** What is known of a node's operator; nothing if it is not computed here. */
export function ruleOf(node: Pick<NodeProto, "domain" | "opType">): OperatorRule | undefined {
  const own = RULES.get(keyOf(node));
  if (own || node.domain !== BYTES_DOMAIN) return own;
  const float = RULES.get(node.opType) ?? RULES.get(`com.microsoft:${node.opType}`);
  if (!float) return undefined;
  const known = ON_BYTES.get(node.opType) ?? onBytes(float);
  ON_BYTES.set(node.opType, known);
  return known;
}

/** The operators that are computed here, in the alphabet's order. */
export function importedOperators(): string[] {
  return [...RULES.keys()].filter((key) => !key.startsWith(`${BYTES_DOMAIN}:`)).sort();
}
