/**
 * Tables of embeddings in few bits.
 *
 * @module
 */
import { intOf } from "../file/attributes.ts";
import type { OnnxModel } from "../file/model.ts";
import type { NodeProto } from "../file/proto.ts";
import { tensorDims } from "../file/tensor_data.ts";
import { floatConstant } from "../graph/float_constant.ts";
import { isOp } from "../graph/operator.ts";
import { looksUpInTable } from "../qdq/embeddings.ts";
import { checkFinite } from "../qdq/finite.ts";
import { GraphFacts } from "../qdq/graph_facts.ts";
import type { QuantSpec } from "../qdq/params.ts";
import type { QuantizedNode } from "../qdq/quantize_graph.ts";
import { nodeName } from "../qdq/selection.ts";
import { type BlockMatrix, groupsOf, roundBlocks } from "./blocks.ts";
import { areHalves, castToFloat, channelBytes } from "./channel_bytes.ts";
import { constantInput, GraphEditors, type PlacedNode } from "./graph_editors.ts";
import { mseRounder, type RoundingSpec } from "./group_rounders.ts";

/** Bits of an element of a table; 32 leaves it float. */
export type EmbeddingBits = 4 | 8 | 32;

/** How tables are stored. */
export interface TableSpecs extends RoundingSpec {
  readonly embeddingBits: EmbeddingBits;
  readonly groupSize: number;
}

/** Nodes by their names, and what became of them. */
export type TableNodes = ReadonlyMap<string, QuantizedNode>;

/**
 * Stores the tables of a model in few bits.
 *
 * @param where opens the errors.
 * @param model is changed.
 * @param kept why a node is to stay as it is; nothing if it is not.
 * @returns the nodes that look up in float tables worth it.
 * @throws {OnnxError} if a table holds a NaN or an infinity.
 */
export function quantizeTables(
  where: string,
  model: OnnxModel,
  kept: (node: NodeProto) => string | undefined,
  specs: TableSpecs,
): TableNodes {
  const facts = new GraphFacts(model.graph);
  const lookups = model.graph.node.filter((node) =>
    isOp(node, "Gather", "GatherND") && facts.isFloat(node.input[0]) && looksUpInTable(node, facts)
  );
  const reasons = new Map(lookups.map((node) => {
    const float = specs.embeddingBits === 32 ? "tables are to stay float" : undefined;
    return [node, kept(node) ?? float] as const;
  }));
  const chosen = lookups.filter((node) => reasons.get(node) === undefined);
  checkFinite(where, facts, chosen);
  const nodes = new Map(lookups.map((node) => {
    const reason = reasons.get(node);
    const told = { name: nodeName(node), opType: node.opType, quantized: reason === undefined };
    return [told.name, reason === undefined ? told : { ...told, reason }];
  }));
  const grouped = new Set(
    specs.embeddingBits === 4 ? chosen.filter((node) => takesGroups(node, facts)) : [],
  );
  const graphs = new GraphEditors(model);
  const axes = new Map(chosen.map((node) => [node, lookupAxis(node, facts)]));
  const stored = new Map<string, readonly string[]>();
  for (const placed of graphs.nodes) {
    const axis = axes.get(placed.node);
    if (axis === undefined) continue;
    if (grouped.has(placed.node)) writeGroups(graphs, placed, stored, specs);
    else writeRows(graphs, placed, stored, axis);
  }
  graphs.finish();
  return nodes;
}

/** The axis along which a node looks up. */
function lookupAxis(node: NodeProto, facts: GraphFacts): number {
  const axis = node.opType === "Gather" ? intOf(node, "axis", 0) : 0;
  return axis < 0 ? axis + facts.constantDims(node.input[0])!.length : axis;
}

/** Has a node look up bytes and their scales, and only these rows be multiplied. */
function writeRows(
  { main, model }: GraphEditors,
  { node, editor, facts }: PlacedNode,
  stored: Map<string, readonly string[]>,
  axis: number,
): void {
  const [name, indices] = node.input;
  const [output] = node.output;
  const key = `${name} ${axis}`;
  const store = () => {
    using table = floatConstant(facts.constant(name))!;
    const { dims, integers, scale } = channelBytes(table, BYTES, axis);
    const sizes = dims.map((size, i) => i === axis ? size : 1);
    const type = areHalves(scale) ? "float16" : "float32";
    return [
      main.constant(`${name}_quantized`, "int8", dims, integers, true),
      main.constant(`${name}_row_scale`, type, sizes, scale),
      type,
    ];
  };
  const constants = stored.get(key) ?? store();
  stored.set(key, constants);
  const [bytes, scales, type] = constants;
  const look = (from: string, part: string, name = "") => {
    const to = editor.name(`${output}_${part}`);
    // Cast before, which is done once: not every GPU has floats of 16 bits to look up in.
    const early = part === "scale" && type === "float16";
    const table = early ? editor.name(`${to}_float`) : from;
    const lookup = model.messages.node({
      name,
      opType: node.opType,
      input: [table, indices],
      output: [to],
    });
    lookup.attribute = [...node.attribute];
    if (early) return { read: to, nodes: [castToFloat(editor, from, table), lookup] };
    if (part === "scale") return { read: to, nodes: [lookup] };
    const floats = editor.name(`${to}_float`);
    return { read: floats, nodes: [lookup, castToFloat(editor, to, floats)] };
  };
  const [integers, scale] = [look(bytes, "bytes", node.name), look(scales, "scale")];
  editor.replace(
    node,
    ...integers.nodes,
    ...scale.nodes,
    model.messages.node({ opType: "Mul", input: [integers.read, scale.read], output: [output] }),
  );
}

/** How tables of bytes are rounded. */
const BYTES: QuantSpec = { type: "int8", symmetric: true };

/** Whether GatherBlockQuantized does what a node does. */
function takesGroups(node: NodeProto, facts: GraphFacts): boolean {
  return node.opType === "Gather" && intOf(node, "axis", 0) === 0 &&
    facts.constantDims(node.input[0])?.length === 2;
}

/** Has a node look up groups of 4 bits. */
function writeGroups(
  { main, model }: GraphEditors,
  placed: PlacedNode,
  stored: Map<string, readonly string[]>,
  { groupSize, symmetric }: TableSpecs,
): void {
  const { node, editor } = placed;
  const [table, indices] = node.input;
  const constants = stored.get(table) ?? storeGroups(main, placed, groupSize, symmetric);
  stored.set(table, constants);
  const [data, ...rest] = constants;
  model.setOpset(1, "com.microsoft");
  editor.replace(
    node,
    model.messages.node({
      name: node.name,
      opType: "GatherBlockQuantized",
      domain: "com.microsoft",
      input: [data, indices, ...rest],
      output: node.output,
      attributes: {
        gather_axis: { i: 0 },
        quantize_axis: { i: 1 },
        block_size: { i: groupSize },
      },
    }),
  );
}

/** Adds a table's groups; the names of integers, scales and zero points. */
function storeGroups(
  main: GraphEditors["main"],
  placed: PlacedNode,
  groupSize: number,
  symmetric: boolean,
): string[] {
  const tensor = constantInput(placed, 0)!;
  using table = floatConstant(tensor)!;
  const [rows, columns] = tensorDims(tensor);
  const layout = { rows, columns, groupSize, bits: 4 };
  const matrix: BlockMatrix = roundBlocks(
    table.data,
    layout,
    mseRounder({ bits: 4, symmetric }),
    symmetric,
  );
  const sizes = [rows, groupsOf(matrix)];
  const { zeroPoints } = matrix;
  const type = zeroPoints ? "uint4" : "int4";
  const integers = zeroPoints ? matrix.integers : Int8Array.from(matrix.integers, (q) => q - 8);
  const { name } = tensor;
  return [
    main.constant(`${name}_Q4`, type, [rows, columns], integers),
    main.constant(`${name}_scales`, "float32", sizes, matrix.scales),
    ...zeroPoints ? [main.constant(`${name}_zero_points`, type, sizes, zeroPoints)] : [],
  ];
}
