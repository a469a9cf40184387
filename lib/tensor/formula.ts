/**
 * Writing an expression down over tensors and numbers, and having it computed.
 *
 * @module
 */
import {
  type Argument,
  type FunctionName,
  type Kind,
  kindOf,
  type Step,
  tablesOf,
} from "../backend/expression.ts";
import { given } from "../numbers/arguments.ts";
import {
  bfloat16,
  bool,
  type DType,
  float16,
  float32,
  int32,
  promoteTypes,
} from "../numbers/dtype.ts";
import { formatShape } from "../numbers/shape.ts";
import { withKnownNumbers } from "./known_number.ts";
import { checkSameDevice } from "./ops.ts";
import { pixelOperands } from "./pixels.ts";
import { Tensor } from "./tensor.ts";

/**
 * The shape that tensors broadcast to: sizes are compared from the last dimension on, and a size of 1,
 * or a missing one, repeats.
 *
 * @throws {RangeError} if they do not; `where` opens the message.
 */
export function broadcastShapes(
  where: string,
  ...shapes: readonly (readonly number[])[]
): number[] {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, d) => {
    const sizes = shapes.map((shape) => shape[shape.length - rank + d] ?? 1);
    const size = sizes.find((size) => size !== 1) ?? 1;
    if (sizes.every((other) => other === 1 || other === size)) return size;
    throw new RangeError(
      `${where}: shapes ${
        shapes.map(formatShape).join(" and ")
      } do not broadcast: counted from the ` +
        `last, sizes must be equal or 1; reshape one of the tensors`,
    );
  });
}

/** What weighs more in promotion: bool, integers, floats. */
function category(dtype: DType): number {
  return dtype === bool ? 0 : dtype.isFloat ? 2 : 1;
}

/**
 * The dtype of a result, as PyTorch promotes: a tensor without dimensions, and still less a number,
 * counts only where it is of a higher sort (bool, integer, float) than what weighs more.
 */
export function resultType(...values: readonly (Tensor | number)[]): DType {
  const levels = [
    values.flatMap((v) => v instanceof Tensor && v.ndim > 0 ? [v.dtype] : []),
    values.flatMap((v) => v instanceof Tensor && v.ndim === 0 ? [v.dtype] : []),
    values.flatMap((v) => v instanceof Tensor ? [] : [Number.isInteger(v) ? int32 : float32]),
  ];
  let result: DType | undefined;
  for (const level of levels) {
    if (level.length === 0) continue;
    const dtype = level.reduce(promoteTypes);
    if (!result || category(dtype) > category(result)) result = dtype;
  }
  return result!;
}

/** The function that does what memory of a dtype does to numbers. */
const ROUNDING: ReadonlyMap<DType, FunctionName> = new Map([
  [float16, "float16"],
  [bfloat16, "bfloat16"],
]);

/** An expression, step by step. */
export class Formula {
  private readonly tensors: Tensor[] = [];
  /** What quantized tensors are read as: their bytes, and the numbers that these stand for. */
  private readonly numbers = new Map<Tensor, Argument>();
  private readonly views: Tensor[] = [];
  private readonly steps: Step[] = [];
  private readonly constants: number[] = [];

  /** Begins one; `where` opens messages. */
  constructor(private readonly where: string) {}

  /**
   * A tensor or a number as an argument of the given kind.
   *
   * @throws {TypeError} if it is neither.
   */
  read(value: Tensor | number, kind: Kind): Argument {
    if (typeof value === "number") {
      return `${kind === "float" ? "f" : "i"}${this.constants.push(value) - 1}`;
    }
    checkOperand(this.where, value);
    if (kind === "float" && value.isQuantized) return this.fromBytes(value);
    const known = this.tensors.indexOf(value);
    const argument = `x${known < 0 ? this.tensors.push(value) - 1 : known}` as const;
    return kindOf(value.dtype) === kind ? argument : this.apply(kind, argument);
  }

  /** The numbers of a quantized tensor, of which the bytes are read. */
  private fromBytes(value: Tensor): Argument {
    const known = this.numbers.get(value);
    if (known) return known;
    const bytes = value.intRepr();
    this.views.push(bytes);
    const steps = this.apply(
      "sub",
      this.read(bytes, "int"),
      this.read(value.qZeroPoint(), "int"),
    );
    const exact = this.apply("mul", this.apply("float", steps), value.qScale());
    // Rounded as memory would round it, so that it is the same wherever the floats are made.
    const rounding = ROUNDING.get(value.dtype);
    const number = rounding
      ? this.apply(rounding, exact)
      : this.apply("float32", exact, this.read(0, "int"));
    this.numbers.set(value, number);
    return number;
  }

  /** A tensor of 256 bytes, to be looked up in. */
  table(value: Tensor): Argument {
    return `x${this.tensors.push(value) - 1}`;
  }

  /** 1 where a tensor or a number is not zero, else 0. */
  truth(value: Tensor | number): Argument {
    if (typeof value === "number") return this.read(value === 0 ? 0 : 1, "int");
    checkOperand(this.where, value);
    const kind = kindOf(value.dtype);
    const argument = this.read(value, kind);
    return value.dtype === bool ? argument : this.apply("ne", argument, this.read(0, kind));
  }

  /** A step; numbers are floats. */
  apply(name: FunctionName, ...values: (Argument | number)[]): Argument {
    const args = values.map((v) => typeof v === "number" ? this.read(v, "float") : v);
    return `t${this.steps.push([name, ...args]) - 1}`;
  }

  /**
   * Has it computed.
   *
   * @param dtype of the result.
   * @throws {RangeError} if the shapes do not broadcast.
   * @throws {Error} if the tensors live on different devices.
   */
  result(dtype: DType): Tensor {
    try {
      return this.computed(dtype);
    } finally {
      this.views.forEach((view) => view.dispose());
    }
  }

  private computed(dtype: DType): Tensor {
    const { where, steps, constants } = this;
    const [first, ...others] = this.tensors;
    checkSameDevice(where, first, ...others);
    const { backend } = first;
    const tables = tablesOf({ steps, constants });
    const walked = this.tensors.filter((_, n) => !tables.has(n));
    const shape = broadcastShapes(where, ...walked.map((t) => t.shape));
    const { expression, tensors } = withKnownNumbers({ steps, constants }, this.tensors, tables);
    const pixels = pixelOperands(tensors, shape);
    if (pixels) {
      const y = backend.pointwise(expression, pixels, shape, dtype, "channels last");
      return Tensor.channelsLast(backend, y, shape, dtype);
    }
    const operands = tensors.map((t) => t.operand);
    const y = backend.pointwise(expression, operands, shape, dtype);
    return new Tensor(backend, y, shape, dtype);
  }
}

/** Throws a TypeError unless `value` is a Tensor or a number. */
function checkOperand(where: string, value: unknown): void {
  if (value instanceof Tensor || typeof value === "number") return;
  const numbers = Array.isArray(value) || ArrayBuffer.isView(value);
  throw new TypeError(
    `${where}: expected a Tensor or a number, got ${given(value)}` +
      (numbers ? "; make it a tensor with tensor(…)" : ""),
  );
}

/** Throws a TypeError unless all are Tensors or numbers, and one a Tensor. */
export function checkOperands(where: string, ...values: readonly unknown[]): void {
  values.forEach((value) => checkOperand(where, value));
  if (values.some((value) => value instanceof Tensor)) return;
  throw new TypeError(
    `${where}: one of the arguments must be a Tensor, got the numbers ${
      values.join(" and ")
    }; make ` +
      `one a tensor with tensor(…), or compute with JavaScript's Math`,
  );
}
