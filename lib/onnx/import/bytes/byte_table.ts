/**
 * Functions of one byte, as a table of 256.
 *
 * @module
 */
import { backendFor } from "../../../backend/registry.ts";
import { Module } from "../../../nn/module.ts";
import { float32, uint8 } from "../../../numbers/dtype.ts";
import { Formula } from "../../../tensor/formula.ts";
import { indexSelect } from "../../../tensor/movement.ts";
import { type Tensor, tidy } from "../../../tensor/tensor.ts";
import { hostNumbers, hostTensor, uploaded } from "../node/host_values.ts";
import { type ByteType, toByte, toFloat } from "./byte_type.ts";

/** Bytes in the order of their bits, as numbers of the type. */
function everyByte({ dtype }: ByteType): Tensor {
  const signed = dtype.min < 0;
  const all = Array.from({ length: 256 }, (_, i) => signed && i > 127 ? i - 256 : i);
  return hostTensor(all, [256], dtype);
}

/**
 * What a function of floats makes of each byte, in the order of the bytes' bits, on the host.
 *
 * @param compute a function of a float32 tensor on the CPU, element by element.
 */
export function tableOf(
  input: ByteType,
  output: ByteType,
  compute: (x: Tensor) => Tensor,
): Tensor {
  return tidy(() => {
    const f = new Formula("table");
    toFloat(f, everyByte(input), input);
    const values = compute(f.result(float32));
    const g = new Formula("table");
    toByte(g, g.apply("div", g.read(values, "float"), g.read(output.scale, "float")), output);
    return g.result(output.dtype);
  });
}

/** The entries of a table for bytes. A signed byte below 0 counts from the table's end, where its bits are. */
export function lookUp(table: Tensor, q: Tensor): Tensor {
  return indexSelect(table, 0, q);
}

/** A function of one byte: the integers of another layer's output in, integers for the next one out. */
export class ByteTable extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "ByteTable";

  /** 256 bytes, in the order of the input's bits. */
  table: Tensor;

  /**
   * @param table on the host; a copy goes to the device.
   * @param of what the table stands for, for people.
   */
  constructor(table: Tensor, backend = backendFor(), private readonly of: string = "") {
    super();
    this.table = backend.device === "cpu"
      ? hostTensor(hostNumbers(table), [256], table.dtype)
      : uploaded(table, backend);
  }

  /** Looked up, byte by byte. Enqueued. */
  override forward(q: Tensor): Tensor {
    return lookUp(this.table, q);
  }

  /** What it stands for. */
  override extraRepr(): string {
    return [this.of, this.table.dtype === uint8 ? "" : this.table.dtype.name].filter(Boolean).join(
      ", ",
    );
  }
}
