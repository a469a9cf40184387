/**
 * Sums, products and tensors put together, of bytes as bytes: what PyTorch's eager mode has as `QFunctional`.
 *
 * @module
 */
import { Add } from "../../nn/add.ts";
import { Cat } from "../../nn/cat.ts";
import { Module } from "../../nn/module.ts";
import { Mul } from "../../nn/mul.ts";
import { Formula, resultType } from "../../tensor/formula.ts";
import { cat } from "../../tensor/movement.ts";
import { checkTensor, type Tensor } from "../../tensor/tensor.ts";
import {
  type ActivationQuantizer,
  quantizeActivation,
  quantizedFormula,
} from "../tensors/activation_quantizer.ts";
import { type FunctionParts, registerFunctionKind } from "./function_kind.ts";

/** A layer of several inputs that gives bytes; inputs may be floats, or bytes of any scale. */
export abstract class QuantizedFunctional extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "QuantizedFunctional";

  /** How the output becomes bytes. */
  readonly output: ActivationQuantizer;

  /** A layer that quantizes its output so. */
  constructor({ output }: FunctionParts) {
    super();
    this.output = output;
  }

  /** What it computes with. */
  get parts(): FunctionParts {
    return { input: null, output: this.output, table: null };
  }

  /** The output's parameters. */
  override extraRepr(): string {
    const { scale, zeroPoint } = this.output;
    return `scale=${scale}, zero_point=${zeroPoint}`;
  }
}

/** `a ∘ b` of numbers, rounded to float32 and then to bytes. */
function combined(
  where: string,
  name: "add" | "mul",
  [a, b]: readonly [Tensor, Tensor],
  relu: boolean,
  output: ActivationQuantizer,
): Tensor {
  checkTensor(where, a);
  checkTensor(where, b);
  const formula = new Formula(where);
  const value = formula.apply(name, formula.read(a, "float"), formula.read(b, "float"));
  const rounded = formula.apply("float32", value, formula.read(0, "int"));
  const kept = relu ? formula.apply("relu", rounded) : rounded;
  return quantizedFormula(formula, kept, output, resultType(a, b));
}

/**
 * `a + b` as bytes, `clamp(round((a + b) / scale) + zeroPoint)`, of floats or of bytes of any scale, as
 * `QFunctional.add` of PyTorch. Made by `quantize_` of an {@linkcode ObservedFunction}.
 *
 * @example
 * ```ts
 * import { QuantizedAdd, Tensor, tensor, uint8 } from "@staticquant/staticquant";
 * const a = Tensor.fromBytes(tensor([2, 8], { dtype: uint8 }), { scale: 0.5, zeroPoint: 0 });
 * const output = { scale: 0.25, zeroPoint: 3, targetDtype: uint8, quantMin: 0, quantMax: 255 };
 * const y = new QuantizedAdd({ input: null, output, table: null }).forward(a, a);
 * console.log(await y.intRepr().data(), await y.data()); // Uint8Array [ 11, 35 ] Float32Array [ 2, 8 ]
 * ```
 */
export class QuantizedAdd extends QuantizedFunctional {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "QuantizedAdd";

  /**
   * A sum.
   *
   * @param parts how the output becomes bytes.
   * @param relu whether negative sums become 0 first, as `add_relu` has it.
   */
  constructor(parts: FunctionParts, readonly relu: boolean = false) {
    super(parts);
  }

  /** The sums, as bytes; the tensors broadcast. Enqueued. @throws {RangeError} if they do not. */
  override forward(a: Tensor, b: Tensor): Tensor {
    return combined(this.displayName, "add", [a, b], this.relu, this.output);
  }

  /** The output's parameters, and whether it cuts off what is negative. */
  override extraRepr(): string {
    return super.extraRepr() + (this.relu ? ", relu=True" : "");
  }
}

/**
 * `a · b` as bytes, of floats or of bytes of any scale, as `QFunctional.mul` of PyTorch. Made by `quantize_` of an
 * {@linkcode ObservedFunction}.
 *
 * @example
 * ```ts
 * import { QuantizedMul, Tensor, tensor, uint8 } from "@staticquant/staticquant";
 * const a = Tensor.fromBytes(tensor([2, 8], { dtype: uint8 }), { scale: 0.5, zeroPoint: 0 });
 * const output = { scale: 0.25, zeroPoint: 0, targetDtype: uint8, quantMin: 0, quantMax: 255 };
 * const y = new QuantizedMul({ input: null, output, table: null }).forward(a, a);
 * console.log(await y.intRepr().data()); // Uint8Array [ 4, 64 ]
 * ```
 */
export class QuantizedMul extends QuantizedFunctional {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "QuantizedMul";

  /** The products, as bytes; the tensors broadcast. Enqueued. @throws {RangeError} if they do not. */
  override forward(a: Tensor, b: Tensor): Tensor {
    return combined(this.displayName, "mul", [a, b], false, this.output);
  }
}

/**
 * Tensors one after the other as bytes of one scale, as `QFunctional.cat` of PyTorch: bytes of that scale stay as
 * they are. Made by `quantize_` of an {@linkcode ObservedFunction}.
 *
 * @example
 * ```ts
 * import { QuantizedCat, Tensor, tensor, uint8 } from "@staticquant/staticquant";
 * const a = Tensor.fromBytes(tensor([2, 8], { dtype: uint8 }), { scale: 0.5, zeroPoint: 0 });
 * const output = { scale: 0.25, zeroPoint: 0, targetDtype: uint8, quantMin: 0, quantMax: 255 };
 * const y = new QuantizedCat({ input: null, output, table: null }).forward(a, tensor([3]));
 * console.log(await y.intRepr().data()); // Uint8Array [ 4, 16, 12 ]
 * ```
 */
export class QuantizedCat extends QuantizedFunctional {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "QuantizedCat";

  /**
   * Along a dimension.
   *
   * @param parts how the output becomes bytes.
   * @param dim the dimension that grows.
   */
  constructor(parts: FunctionParts, readonly dim: number = 0) {
    super(parts);
  }

  /** All of them, as bytes. Enqueued. @throws {RangeError} if they are not alike in all other sizes. */
  override forward(...xs: Tensor[]): Tensor {
    xs.forEach((x) => checkTensor(this.displayName, x));
    const quantized = xs.map((x) => quantizeActivation(x, this.output));
    try {
      return cat(quantized, this.dim);
    } finally {
      quantized.forEach((x) => x.dispose());
    }
  }

  /** The output's parameters, and the dimension. */
  override extraRepr(): string {
    return `${super.extraRepr()}, dim=${this.dim}`;
  }
}

registerFunctionKind({
  name: "QuantizedAdd",
  type: QuantizedAdd,
  floatTypes: [Add],
  input: false,
  table: false,
  build: ({ relu }, parts) => new QuantizedAdd(parts, relu),
});

registerFunctionKind({
  name: "QuantizedMul",
  type: QuantizedMul,
  floatTypes: [Mul],
  input: false,
  table: false,
  build: (_, parts) => new QuantizedMul(parts),
});

registerFunctionKind({
  name: "QuantizedCat",
  type: QuantizedCat,
  floatTypes: [Cat],
  input: false,
  table: false,
  build: ({ dim }, parts) => new QuantizedCat(parts, dim),
});
