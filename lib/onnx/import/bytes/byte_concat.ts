import type { Backend } from "../../../backend/backend.ts";
import { Module } from "../../../nn/module.ts";
import { tablesToScale } from "../../../tensor/byte_cat.ts";
import { cat } from "../../../tensor/movement.ts";
import { type Tensor, zeros } from "../../../tensor/tensor.ts";
import { ByteTable } from "./byte_table.ts";
import { type ByteType, parametersOf } from "./byte_type.ts";

/** Tensors of bytes one after the other, those of another scale than the result's by way of a table each. */
export class ByteConcat extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "ByteConcat";

  /** The table of each input; null where its bytes stay as they are. */
  tables: (ByteTable | null)[];

  /**
   * @param inputs how the bytes of each are read.
   * @param output how those of the result are.
   * @param axis the dimension that grows; from the end below 0.
   */
  constructor(
    inputs: readonly ByteType[],
    output: ByteType,
    readonly axis: number,
    { device }: Backend,
  ) {
    super();
    using like = zeros([1], { dtype: output.dtype, device });
    this.tables = tablesToScale(like, inputs.map(parametersOf), parametersOf(output))
      .map((table) => table && new ByteTable(table));
  }

  /** All of them. Enqueued. */
  override forward(...parts: Tensor[]): Tensor {
    return cat(parts.map((q, i) => this.tables[i]?.forward(q) ?? q), this.axis);
  }

  /** How many there are. */
  override extraRepr(): string {
    return `${this.tables.length} inputs, axis=${this.axis}`;
  }
}
