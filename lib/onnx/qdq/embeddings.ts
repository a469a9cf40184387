/**
 * Tables that nodes look rows up in, such as those of embeddings, in bytes.
 *
 * Each row has a scale of its own, so that a row of padding with huge numbers costs the others nothing. What is
 * looked up are the bytes of a row and its scale, and only these are multiplied: a DequantizeLinear before the
 * Gather would bring the whole table into floats at every run.
 *
 * @module
 */
import { intOf } from "../file/attributes.ts";
import type { NodeProto } from "../file/proto.ts";
import { elementCount } from "../file/tensor_data.ts";
import type { FloatConstant } from "../graph/float_constant.ts";
import type { GraphFacts } from "./graph_facts.ts";
import type { QdqWriter } from "./insert.ts";
import { quantizeConstant, type QuantizedConstant } from "./weights.ts";

/** Bytes of floats from which on a table is worth nodes of its own. */
const LEAST_BYTES = 4096;
/** About what these nodes take in a file, in bytes. */
const NODES_BYTES = 512;

/** The axis along which a node looks up; nothing if its indices are not known to be numbers of rows. */
function lookupAxis(node: NodeProto, rank: number, facts: GraphFacts): number | undefined {
  if (node.opType === "Gather") {
    const axis = intOf(node, "axis", 0);
    return axis < 0 ? axis + rank : axis;
  }
  const plain = node.opType === "GatherND" && intOf(node, "batch_dims", 0) === 0;
  return plain && facts.dims(node.input[1])?.at(-1) === 1 ? 0 : undefined;
}

/** Whether a node looks up in a constant that bytes and scales make smaller. */
export function looksUpInTable(node: NodeProto, facts: GraphFacts): boolean {
  const dims = facts.constantDims(node.input[0]);
  const axis = dims && lookupAxis(node, dims.length, facts);
  if (axis === undefined || !(axis in dims!)) return false;
  const count = elementCount(dims!);
  return 4 * count >= LEAST_BYTES && count + 4 * dims![axis] + NODES_BYTES < 4 * count;
}

/** The columns of a matrix as rows. */
function transposed(
  { dims: [rows, columns], integers, ...rest }: QuantizedConstant,
): QuantizedConstant {
  const turned = new Int8Array(integers.length);
  for (let r = 0, i = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) turned[c * rows + r] = integers[i++];
  }
  return { ...rest, dims: [columns, rows], integers: turned, axis: 0 };
}

/** Whether one matrix has the rows of another as columns. */
function isTransposed(a: FloatConstant, b: FloatConstant): boolean {
  const [rows, columns] = a.dims;
  for (let r = 0, i = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      if (!Object.is(a.data[i++], b.data[c * rows + r])) return false;
    }
  }
  return true;
}

/** The tables of a graph; a layer that multiplies with one shares its integers. */
export class Tables {
  private readonly axes: ReadonlyMap<NodeProto, number>;
  /** By name and axis. */
  private readonly quantized = new Map<string, QuantizedConstant>();

  /** @param lookups the nodes that look up. */
  constructor(private readonly facts: GraphFacts, lookups: Iterable<NodeProto>) {
    this.axes = new Map([...lookups].map((node) => {
      const { length } = facts.constantDims(node.input[0])!;
      return [node, lookupAxis(node, length, facts)!] as const;
    }));
  }

  /** Takes note of a weight in integers; a table of this name has the same. */
  share(name: string, quantized: QuantizedConstant): void {
    const { type, axis, zeroPoint } = quantized;
    if (type !== "int8" || axis === undefined || zeroPoint.some((zero) => zero !== 0)) return;
    this.quantized.set(`${name} ${axis}`, quantized);
  }

  /**
   * The table that a weight is, transposed: that of a model whose last layer multiplies with its embedding.
   *
   * @param weight in floats.
   * @param quantized in integers, with a scale for each column.
   * @returns its name, and itself in integers.
   */
  tied(
    weight: FloatConstant,
    quantized: QuantizedConstant,
  ): { name: string; table: QuantizedConstant } | undefined {
    if (weight.dims.length !== 2 || quantized.axis !== 1 || quantized.type !== "int8") {
      return undefined;
    }
    const names = new Set([...this.axes].flatMap(([{ input: [name] }, axis]) => {
      const dims = this.facts.constantDims(name)!;
      const fits = dims.length === 2 && dims[0] === weight.dims[1] && dims[1] === weight.dims[0];
      return fits && axis === 0 && !this.quantized.has(`${name} 0`) ? [name] : [];
    }));
    const name = [...names].find((name) => {
      using table = this.facts.constant(name)!;
      return isTransposed(weight, table);
    });
    if (name === undefined) return undefined;
    const table = transposed(quantized);
    this.share(name, table);
    return { name, table };
  }

  private quantize(name: string, axis: number): QuantizedConstant {
    using table = this.facts.constant(name)!;
    return quantizeConstant(table, { type: "int8", symmetric: true }, axis);
  }

  /** Has every lookup read integers and give what they stand for. */
  write(writer: QdqWriter): void {
    for (const [node, axis] of this.axes) {
      const [name] = node.input;
      const key = `${name} ${axis}`;
      const table = this.quantized.get(key) ?? this.quantize(name, axis);
      this.quantized.set(key, table);
      writer.lookUp(node, name, table);
    }
  }
}
