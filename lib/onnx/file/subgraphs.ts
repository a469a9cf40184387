/**
 * The graphs inside of nodes: bodies of `Loop` and `Scan`, branches of `If`. They can read the values of
 * the graphs around them.
 *
 * @module
 */
import type { GraphProto, NodeProto } from "./proto.ts";

/** The graphs that a node's attributes hold. */
export function subgraphs(node: NodeProto): GraphProto[] {
  return node.attribute.flatMap(({ g, graphs }) => g ? [g, ...graphs] : graphs);
}

/** A graph and all those inside of its nodes, at any depth; each before those in it. */
export function* walkGraphs(graph: GraphProto): Generator<GraphProto> {
  yield graph;
  for (const node of graph.node) {
    for (const inner of subgraphs(node)) yield* walkGraphs(inner);
  }
}

/** The names of a graph's constants, sparse ones too. */
export function initializerNames(graph: GraphProto): string[] {
  return [
    ...graph.initializer.map(({ name }) => name),
    ...graph.sparseInitializer.map(({ values }) => values?.name ?? ""),
  ];
}

/** The values that a graph itself defines: inputs, constants and what its nodes make. */
export function definedValues(graph: GraphProto): Set<string> {
  return new Set([
    ...graph.input.map(({ name }) => name),
    ...initializerNames(graph),
    ...graph.node.flatMap(({ output }) => output),
  ].filter((name) => name !== ""));
}

/** The values around a graph that it reads, also from graphs inside of it; each once. */
export function freeValues(graph: GraphProto): Set<string> {
  const own = definedValues(graph);
  const read = [
    ...graph.node.flatMap((node) => [...node.input, ...captures(node)]),
    ...graph.output.map(({ name }) => name),
  ];
  return new Set(read.filter((name) => name !== "" && !own.has(name)));
}

/** The values that a node reads other than by its inputs, from the graphs inside of it; each once. */
export function captures(node: NodeProto): string[] {
  const graphs = subgraphs(node);
  return graphs.length === 0 ? [] : [...new Set(graphs.flatMap((g) => [...freeValues(g)]))];
}
