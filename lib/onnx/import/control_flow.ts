/**
 * Nodes with graphs inside of them, which choose and repeat by what is known on the host.
 *
 * @module
 */
import type { Backend } from "../../backend/backend.ts";
import { Module } from "../../nn/module.ts";
import { cat } from "../../tensor/movement.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { bool } from "../../numbers/dtype.ts";
import { hostNumbers, hostTensor } from "./node/host_values.ts";
import { computeGraph, type GraphModule, NO_PLAN, OnnxConstants, type Plan } from "./onnx_graph.ts";
import { OnnxNode } from "./onnx_node.ts";

/** A graph inside of a node. */
export class OnnxBody extends Module implements GraphModule {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "OnnxBody";

  readonly constants: OnnxConstants = new OnnxConstants();
  readonly plan: Plan;

  /** A graph; the children are set while it is built. */
  constructor(build: (module: OnnxBody) => Plan) {
    super();
    this.plan = NO_PLAN;
    this.plan = build(this);
  }

  /** Its outputs. */
  run(inputs: readonly Tensor[], backend: Backend): Tensor[] {
    return computeGraph(this, inputs, backend);
  }

  /** The first output. */
  override forward(...inputs: Tensor[]): Tensor {
    const { backend } = inputs.find(({ device }) => device !== "cpu") ?? inputs[0];
    return this.run(inputs, backend)[0];
  }
}

/** Computes one of two graphs. */
export class OnnxIf extends OnnxNode {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "OnnxIf";

  override readonly opType = "If";

  /** The graphs read what the node reads after its condition. */
  constructor(readonly then_branch: OnnxBody, readonly else_branch: OnnxBody) {
    super();
  }

  /** The outputs of the graph that the condition chooses. */
  override run(inputs: readonly (Tensor | undefined)[], backend: Backend): readonly Tensor[] {
    const [condition, ...captured] = inputs as readonly Tensor[];
    const branch = hostNumbers(condition)[0] ? this.then_branch : this.else_branch;
    return branch.run(captured, backend);
  }
}

/** Computes a graph again and again. */
export class OnnxLoop extends OnnxNode {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "OnnxLoop";

  override readonly opType = "Loop";

  /**
   * @param body reads how often it ran, the condition, what it made the last time, and what it captures.
   * @param carried how many values it makes for the next time.
   */
  constructor(readonly body: OnnxBody, private readonly carried: number) {
    super();
  }

  /** What it made the last time, and for each of its other outputs what it made each time. */
  override run(inputs: readonly (Tensor | undefined)[], backend: Backend): readonly Tensor[] {
    const { body, carried } = this;
    const [most, first] = inputs.slice(0, 2).map((x) => x && hostNumbers(x)[0]);
    let values = inputs.slice(2, 2 + carried) as Tensor[];
    const captured = inputs.slice(2 + carried) as Tensor[];
    let goesOn = first ?? 1;
    const made: Tensor[][] = [];
    for (let i = 0; i < (most ?? Infinity) && goesOn; i++) {
      const condition = hostTensor([goesOn], [], bool);
      const [next, ...results] = body.run(
        [hostTensor([i], []), condition, ...values, ...captured],
        backend,
      );
      goesOn = hostNumbers(next)[0];
      values = results.slice(0, carried);
      results.slice(carried).forEach((t, k) => (made[k] ??= []).push(t.reshape([1, ...t.shape])));
    }
    if (made.length === 0 && body.plan.outputs.length > 1 + carried) {
      throw new RangeError("it ran no time, so the shape of what it makes each time is not known");
    }
    return [...values, ...made.map((all) => cat(all, 0))];
  }
}
