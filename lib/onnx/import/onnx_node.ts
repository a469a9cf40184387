import type { Backend } from "../../backend/backend.ts";
import { backendFor } from "../../backend/registry.ts";
import { Module } from "../../nn/module.ts";
import type { Tensor } from "../../tensor/tensor.ts";

/** A module that is a node of a graph and no layer: it may leave inputs out and have several outputs. */
export abstract class OnnxNode extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "OnnxNode";

  /** The operator, as files name it. */
  abstract readonly opType: string;

  /**
   * All outputs. Enqueued.
   *
   * @param inputs nothing for those that the node leaves out.
   * @param backend where results are made.
   */
  abstract run(inputs: readonly (Tensor | undefined)[], backend: Backend): readonly Tensor[];

  /** The first output. Enqueued. */
  override forward(...inputs: Tensor[]): Tensor {
    const onDevice = inputs.find((x) => x && x.device !== "cpu");
    return this.run(inputs, onDevice?.backend ?? backendFor("cpu"))[0];
  }
}
