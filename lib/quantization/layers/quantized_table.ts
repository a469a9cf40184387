/**
 * Functions of one number as tables of 256 bytes.
 *
 * @module
 */
import { AddScalar } from "../../nn/add_scalar.ts";
import { ELU } from "../../nn/elu.ts";
import { GELU } from "../../nn/gelu.ts";
import { Hardsigmoid } from "../../nn/hardsigmoid.ts";
import { Hardswish } from "../../nn/hardswish.ts";
import { LeakyReLU } from "../../nn/leaky_relu.ts";
import { deepcopy, Module } from "../../nn/module.ts";
import { MulScalar } from "../../nn/mul_scalar.ts";
import { PReLU } from "../../nn/prelu.ts";
import { ReLU6 } from "../../nn/relu6.ts";
import { Sigmoid } from "../../nn/sigmoid.ts";
import { SiLU } from "../../nn/silu.ts";
import { Tanh } from "../../nn/tanh.ts";
import { formatShape } from "../../numbers/shape.ts";
import { lookup } from "../../tensor/byte_table.ts";
import { checkSameDevice } from "../../tensor/ops.ts";
import { checkTensor, Tensor, tensorFromBytes } from "../../tensor/tensor.ts";
import { type ActivationQuantizer, quantizeActivation } from "../tensors/activation_quantizer.ts";
import { type FunctionParts, registerFunctionKind } from "./function_kind.ts";

/** All bytes in order, as tables have them. */
const ALL = Uint8Array.from({ length: 256 }, (_, i) => i);

/**
 * A function of one number, such as `Sigmoid`, on bytes: for each of the 256 bytes that the input can have, the one
 * that the function's value is quantized to. Made by `quantize_` of an {@linkcode ObservedFunction}.
 *
 * @example
 * ```ts
 * import { Hardswish, QuantizedTable, Tensor, tensor, uint8 } from "@staticquant/staticquant";
 * const bytes = { scale: 0.5, zeroPoint: 8, targetDtype: uint8, quantMin: 0, quantMax: 255 };
 * const parts = { input: bytes, output: bytes };
 * const table = await QuantizedTable.tableOf(new Hardswish(), parts);
 * const layer = new QuantizedTable({ ...parts, table }, "Hardswish()");
 * const y = layer.forward(Tensor.fromBytes(tensor([2, 8, 20], { dtype: uint8 }), bytes));
 * console.log(await y.intRepr().data()); // Uint8Array [ 8, 8, 20 ]
 * ```
 */
export class QuantizedTable extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "QuantizedTable";

  /** 256 bytes: the one for byte `b` of an unsigned dtype stands at `b`, that for a signed one at `b & 255`. */
  readonly table: Tensor;
  /** How the input becomes bytes. */
  readonly input: ActivationQuantizer;
  /** What bytes of the table stand for. */
  readonly output: ActivationQuantizer;

  /**
   * A layer of parts that are already there.
   *
   * @param parts the table and both quantizers.
   * @param of what the table stands for, for people.
   * @throws {RangeError} if the table has another size or dtype than the output.
   */
  constructor({ table, input, output }: FunctionParts, readonly of: string = "") {
    super();
    if (!table || table.numel !== 256 || table.ndim !== 1 || table.dtype !== output.targetDtype) {
      throw new RangeError(
        `QuantizedTable: a table has 256 bytes of ${output.targetDtype.name}, got ${
          table ? `${table.dtype.name} of shape ${formatShape(table.shape)}` : "none"
        }`,
      );
    }
    if (!input) throw new RangeError("QuantizedTable: the input has a scale of its own; give it");
    this.table = table;
    this.input = input;
    this.output = output;
  }

  /**
   * The table of a function: computed at once on the CPU, so that it is the same for every device.
   *
   * @param float a layer that computes element by element.
   * @param parts how input and output become bytes.
   * @returns 256 bytes, where the layer's own tensors are, else where `init` chose.
   */
  static async tableOf(
    float: Module,
    { input, output }: Omit<FunctionParts, "table">,
  ): Promise<Tensor> {
    const { targetDtype: dtype } = input!;
    const device = Object.values(float.stateDict())[0]?.device;
    const copy = await deepcopy(float).to("cpu");
    using all = tensorFromBytes(ALL, { shape: [256], dtype, device: "cpu" });
    using x = Tensor.fromBytes(all, input!);
    using value = copy.forward(x);
    using found = quantizeActivation(value, output);
    using bytes = found.intRepr();
    Object.values(copy.stateDict()).forEach((t) => t.dispose());
    return tensorFromBytes(await bytes.bytes(), {
      shape: [256],
      dtype: output.targetDtype,
      device,
    }).keep();
  }

  /** What it computes with. */
  get parts(): FunctionParts {
    const { table, input, output } = this;
    return { table, input, output };
  }

  /** No dtype but its own does for a table. */
  protected override castFields(): string[] {
    return [];
  }

  /**
   * The function of each number, as bytes. Enqueued.
   *
   * @param x float, of any shape.
   * @throws {TypeError} if `x` is no float Tensor.
   */
  override forward(x: Tensor): Tensor {
    checkTensor(this.displayName, x);
    checkSameDevice(this.displayName, x, this.table);
    using quantized = quantizeActivation(x, this.input);
    using bytes = quantized.intRepr();
    using found = lookup(bytes, this.table);
    return Tensor.fromBytes(found, { ...this.output, dtype: x.dtype });
  }

  /** What the table stands for, and the output's parameters. */
  override extraRepr(): string {
    const { of, output: { scale, zeroPoint } } = this;
    return `${of && `${of}, `}scale=${scale}, zero_point=${zeroPoint}`;
  }
}

registerFunctionKind({
  name: "QuantizedTable",
  type: QuantizedTable,
  floatTypes: [
    ...[AddScalar, MulScalar],
    ...[ELU, GELU, Hardsigmoid, Hardswish, LeakyReLU, PReLU, ReLU6, Sigmoid, SiLU, Tanh],
  ],
  input: true,
  table: true,
  takes: (float) => !(float instanceof PReLU) || float.numParameters === 1,
  tableOf: QuantizedTable.tableOf,
  build: (float, parts) => new QuantizedTable(parts, String(float)),
});
