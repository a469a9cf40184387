/**
 * An ONNX graph as plain data, before it is written in protobuf.
 *
 * @module
 */

/** The element types that are used. */
export type OnnxType = "FLOAT" | "INT8" | "UINT8" | "INT4" | "UINT4" | "INT32" | "INT64";

/** A size of a dimension, or the name of one that is only known when the model runs. */
export type Dimension = number | string;

/** A constant. */
export interface Initializer {
  readonly name: string;
  readonly type: OnnxType;
  readonly dims: readonly number[];
  /** The elements, little-endian; those of 4 bits two a byte, the first in the low half. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** An operation. */
export interface Node {
  readonly name: string;
  readonly opType: string;
  readonly inputs: readonly string[];
  readonly output: string;
  /** Integers, which are all that the operations here need. */
  readonly attributes: Readonly<Record<string, number>>;
}

/** A float input or output. */
export interface ValueInfo {
  readonly name: string;
  readonly dims: readonly Dimension[];
}

/** A whole graph. */
export interface Graph {
  readonly name: string;
  readonly nodes: readonly Node[];
  readonly initializers: readonly Initializer[];
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
}

/** The bytes of an array, without copying. */
function bytesOf(array: ArrayBufferView): Uint8Array<ArrayBuffer> {
  return new Uint8Array(array.buffer as ArrayBuffer, array.byteOffset, array.byteLength);
}

/** Collects nodes and constants; names are made unique. */
export class GraphBuilder {
  /** The operations, in order. */
  readonly nodes: Node[] = [];
  /** The constants. */
  readonly initializers: Initializer[] = [];
  private readonly names: Set<string>;
  private readonly constants = new Map<string, string>();

  /** A graph without nodes, in which `reserved` names are taken. */
  constructor(reserved: readonly string[]) {
    this.names = new Set(reserved);
  }

  /** The name, or if it is taken one like it. */
  private unique(name: string): string {
    let free = name;
    for (let i = 1; this.names.has(free); i++) free = `${name}_${i}`;
    this.names.add(free);
    return free;
  }

  /**
   * Adds a constant and returns its name. A name begins with that of the layer it belongs to, so the same
   * name means the same constant: that of a layer which is called again.
   */
  constant(
    name: string,
    type: OnnxType,
    dims: readonly number[],
    elements: ArrayBufferView,
  ): string {
    const known = this.constants.get(name);
    if (known) return known;
    const free = this.unique(name);
    this.constants.set(name, free);
    this.initializers.push({ name: free, type, dims, bytes: bytesOf(elements) });
    return free;
  }

  /** Adds an operation on the values with these names and returns its output's name. */
  add(
    layer: string,
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, number>> = {},
  ): string {
    const name = this.unique(`${layer}/${opType}`);
    this.nodes.push({ name, opType, inputs, output: name, attributes });
    return name;
  }

  /** Gives a value another name, everywhere. */
  rename(from: string, to: string): void {
    this.nodes.forEach((node, i) => {
      this.nodes[i] = {
        ...node,
        inputs: node.inputs.map((name) => name === from ? to : name),
        output: node.output === from ? to : node.output,
      };
    });
  }
}
