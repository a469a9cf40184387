/**
 * What a model computes but for the numbers in it.
 *
 * @module
 */
import type { OnnxModel } from "../file/model.ts";

/**
 * A model's operators, who reads what of whom, and the types and shapes of constants, in a text. Models with the same take the
 * same time, whatever names and numbers they have.
 */
export function structureOf({ graph }: OnnxModel): string {
  const known = new Map<string, string>([["", ""]]);
  for (const { name } of graph.input) known.set(name, `i${known.size}`);
  for (const { name, dataType, dims } of graph.initializer) {
    known.set(name, `${dataType}:${dims.join("x")}`);
  }
  return graph.node.map(({ opType, domain, input, output }, i) => {
    const read = input.map((name) => known.get(name) ?? name);
    output.forEach((name, k) => known.set(name, `${i}.${k}`));
    return `${domain} ${opType} ${read.join(" ")}`;
  }).join("\n");
}
