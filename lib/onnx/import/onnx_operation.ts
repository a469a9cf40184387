import type { Backend } from "../../backend/backend.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { FloatType } from "./node/element_types.ts";
import type { NodeAttributes } from "./node/node_attributes.ts";
import { OnnxNode } from "./onnx_node.ts";
import { OperatorCall, type OperatorRule } from "./node/operator_rule.ts";

/** Operators whose results are elements of their first input, in another order or some of them. */
const MOVING = new Set(
  "Expand Flatten Identity Reshape Slice Split Squeeze Transpose Unsqueeze".split(" "),
);

/**
 * A node of a graph that is no layer of its own: it computes what its operator says.
 *
 * @ignore
 */
export class OnnxOperation extends OnnxNode {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "OnnxOperation";

  /**
   * @param opType the operator, as files name it.
   * @param rule what is known of it.
   * @param attributes the node's.
   * @param outputs how many outputs the node has.
   * @param float what float32 of the file is.
   */
  constructor(
    override readonly opType: string,
    private readonly rule: OperatorRule,
    private readonly attributes: NodeAttributes,
    private readonly outputs: number,
    private readonly float: FloatType,
  ) {
    super();
  }

  /**
   * All outputs. Enqueued.
   *
   * @param inputs nothing for those that the node leaves out.
   * @param backend where results are made.
   * @param most elements that a result may have.
   */
  override run(
    inputs: readonly (Tensor | undefined)[],
    backend: Backend,
    most?: number,
  ): readonly Tensor[] {
    const { rule, attributes, outputs, float } = this;
    const result = rule.compute(
      new OperatorCall(inputs, attributes, outputs, backend, float, most),
    );
    return result instanceof Tensor ? [result] : result;
  }

  /** Whether bytes of a quantized tensor go through. */
  get passesBytes(): boolean {
    return MOVING.has(this.opType);
  }

  /** The operator and its attributes. */
  override extraRepr(): string {
    const text = String(this.attributes);
    return text ? `${this.opType}, ${text}` : this.opType;
  }
}
