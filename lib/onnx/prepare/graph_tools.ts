/**
 * What the steps of a preparation share.
 *
 * @module
 */
import type { NodeProto } from "../file/proto.ts";
import { readTensor, tensorDims } from "../file/tensor_data.ts";
import { type FloatConstant, floatConstant } from "../graph/float_constant.ts";
import type { GraphEditor } from "../graph/graph_editor.ts";
import type { GraphView } from "../graph/graph_view.ts";
import type { ShapeFacts } from "../graph/infer_shapes.ts";
import { isOp } from "../graph/operator.ts";

/**
 * A step: looks for all its matches in one walk and hands the editor what is to change. A match takes in the whole
 * of a chain, so that a few walks find everything however long it is.
 *
 * @returns whether there is anything to change.
 */
export type Pass = (tools: GraphTools) => boolean;

/** What a step asks of a graph. */
export class GraphTools {
  /** A graph's editor, and the version of the operator set that it uses. */
  constructor(readonly editor: GraphEditor, readonly opset: number) {}

  /** Who makes and reads the values. */
  get view(): GraphView {
    return this.editor.view;
  }

  /** Shapes and element types. */
  get facts(): ShapeFacts {
    return this.editor.facts;
  }

  /** The float32 constant with this name. */
  floats(name: string | undefined): FloatConstant | undefined {
    return name ? floatConstant(this.editor.constantTensor(name)) : undefined;
  }

  /** The value of a float32 constant of one element. */
  scalar(name: string | undefined): number | undefined {
    const tensor = name ? this.editor.constantTensor(name) : undefined;
    if (!tensor || tensorDims(tensor).some((size) => size !== 1)) return undefined;
    return floatConstant(tensor)?.data[0];
  }

  /** A constant's numbers, whatever integers or floats they are. */
  numbers(name: string | undefined): number[] | undefined {
    const tensor = name ? this.editor.constantTensor(name) : undefined;
    return tensor && Array.from(readTensor(tensor).data as ArrayLike<number | bigint>, Number);
  }

  /** The node of this operator that makes a value which only one node reads. */
  private(value: string | undefined, opType: string): NodeProto | undefined {
    const node = value ? this.view.producer(value) : undefined;
    return node && isOp(node, opType) && this.view.onlyReader(value!) ? node : undefined;
  }
}

/** The operands of a node with two inputs where one is a constant that `read` understands. */
export function withConstant<T>(
  node: NodeProto,
  read: (name: string) => T | undefined,
): { value: string; constant: T; index: number } | undefined {
  const [a, b] = node.input;
  if (a === b) return undefined;
  const right = read(b);
  if (right !== undefined) return { value: a, constant: right, index: 1 };
  const left = read(a);
  return left === undefined ? undefined : { value: b, constant: left, index: 0 };
}
