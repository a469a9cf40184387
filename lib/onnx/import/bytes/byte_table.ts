import type { Device } from "../../../backend/backend.ts";
import { Module } from "../../../nn/module.ts";
import { uint8 } from "../../../numbers/dtype.ts";
import { byteTable, lookup } from "../../../tensor/byte_table.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { type ByteType, parametersOf } from "./byte_type.ts";

/** What a function of floats, element by element, makes of each byte; the function computes on the CPU. */
export function tableOf(
  input: ByteType,
  output: ByteType,
  compute: (x: Tensor) => Tensor,
  device: Device,
): Tensor {
  return byteTable(compute, {
    x: parametersOf(input),
    y: parametersOf(output),
    dtype: input.dtype,
    outputDtype: output.dtype,
    device,
  });
}

/** A function of one byte: the integers of another layer's output in, integers for the next one out. */
export class ByteTable extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "ByteTable";

  /** 256 bytes, in the order of the input's bits. */
  table: Tensor;

  /**
   * @param table on the device, which this owns from now on.
   * @param of what the table stands for, for people.
   */
  constructor(table: Tensor, private readonly of: string = "") {
    super();
    this.table = table;
  }

  /** Looked up, byte by byte. Enqueued. */
  override forward(q: Tensor): Tensor {
    return lookup(q, this.table);
  }

  /** What it stands for. */
  override extraRepr(): string {
    const { dtype } = this.table;
    return [this.of, dtype === uint8 ? "" : dtype.name].filter(Boolean).join(", ");
  }
}
