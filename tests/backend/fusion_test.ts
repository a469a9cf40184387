/** The rules over recorded operations, which need no device. */
import { assertEquals } from "@std/assert";
import {
  fuse,
  isOperation,
  type Operation,
  QUANTIZED_INSIDE,
  type Recorded,
} from "../../lib/backend/webgpu/fusion.ts";
import { type FunctionName, type Step, wordsOf } from "../../lib/backend/expression.ts";
import { PooledBuffer } from "../../lib/backend/webgpu/pool.ts";
import {
  bfloat16,
  type DType,
  float32,
  int16,
  int32,
  int8,
  type Operand,
  type PackedRows,
  uint8,
} from "../../mod.ts";

/** A shader of nothing. */
const none = () => ({ arrays: [], fields: [], workgroup: 1, body: "" });
const pool = { acquire: () => buffer("none"), release: () => {} };
/** A buffer without memory. */
function buffer(label: string): PooledBuffer {
  return new PooledBuffer(undefined, 16, false, label, pool);
}

type Summed = PackedRows & { sums: PooledBuffer };

/** Builds a forward, an operation after the other, over matrices of `rows` rows. */
class Forward {
  readonly recorded: Recorded[] = [];
  readonly input: PooledBuffer = buffer("input");

  constructor(readonly rows: number, readonly dtype: DType = float32) {}

  private matrix(of: PooledBuffer, columns: number): Operand {
    return { buffer: of, dtype: this.dtype, shape: [this.rows, columns] };
  }

  linear(x: PooledBuffer, [k, n]: number[]): PooledBuffer {
    const y = buffer("linear");
    const w = { buffer: buffer("w"), dtype: float32, shape: [n, k] };
    this.recorded.push({ op: "linear", x: this.matrix(x, k), w, bias: null, relu: false, y });
    return y;
  }

  relu(x: PooledBuffer, n: number): PooledBuffer {
    const y = buffer("relu");
    this.recorded.push({ op: "relu", x: this.matrix(x, n), y });
    return y;
  }

  private packed(rows: number, k: number, bits: 4 | 8 = 8): Summed {
    const [data, sums] = [buffer("data"), buffer("sums")];
    return { data, sums, rows, k, bits, groupSize: k, offset: bits === 8 ? 128 : 0 };
  }

  quantize(x: PooledBuffer, k: number): Summed {
    const y = this.packed(this.rows, k);
    const args = {
      inverseScale: buffer("inverse"),
      zeroPoint: buffer("zero point"),
      quantMin: 0,
      quantMax: 255,
      productDtype: float32,
      outputDtype: uint8,
      offset: 128,
    } as const;
    this.recorded.push({ op: "quantize rows", x: this.matrix(x, k), args, y });
    return y;
  }

  packedLinear(x: PackedRows, n: number, outputDtype: DType = float32, bits: 4 | 8 = 8) {
    const y = buffer("packed linear");
    const w = this.packed(n, x.k, bits);
    const args = {
      xScale: buffer("x scale"),
      xZeroPoint: null,
      wScale: buffer("w scale"),
      wZeroPoint: null,
      wParamCount: 1,
      bias: null,
      outputDtype,
    };
    this.recorded.push({ op: "packed linear", x, w, args, relu: false, y });
    return y;
  }

  pointwise(name: FunctionName, columns: number, ...inputs: (PooledBuffer | Operand)[]) {
    const y = buffer(name);
    const operands = inputs.map((x) => x instanceof PooledBuffer ? this.matrix(x, columns) : x);
    const args = operands.map((_, i) => `x${i}` as const);
    const expression = { steps: [[name, ...args] as Step], constants: [] };
    const shape = [this.rows, columns];
    this.recorded.push({
      op: "pointwise",
      expression,
      inputs: operands,
      shape,
      dtype: this.dtype,
      y,
    });
    return y;
  }

  /** Any other operation, which is a dispatch already. */
  dispatch(...inputs: PooledBuffer[]): PooledBuffer {
    const y = buffer("dispatch");
    const kernel = { key: "other", shader: none };
    this.recorded.push({ kernel, buffers: [...inputs, y], params: [], workgroups: 1 });
    return y;
  }

  /** What is left, in words. */
  fused(output: PooledBuffer): string[] {
    return fuse(this.recorded, [output]).map((item) =>
      isOperation(item) ? words(item) : "dispatch"
    );
  }
}

function words(operation: Operation): string {
  const { op } = operation;
  if (op === "pointwise") return wordsOf(operation.expression);
  const relu = (op === "linear" || op === "packed linear") && operation.relu ? " relu" : "";
  if (op !== "packed linear") return op + relu;
  const { quantize, requantize, x } = operation;
  return (quantize ? "quantize+" : "") + op + relu + (requantize ? "+quantize" : "") +
    (x.sums ? "" : " unsummed");
}

Deno.test("ReLU joins the product before it, which writes what ReLU would have written", () => {
  const f = new Forward(3);
  const y = f.relu(f.linear(f.input, [8, 4]), 4);
  const z = f.linear(y, [4, 2]);
  assertEquals(f.fused(z), ["linear relu", "linear"]);
  const [first] = fuse(f.recorded, [z]) as Operation[];
  assertEquals(first.y, y);
  // A second ReLU has nothing to join, and neither has one of something else.
  const g = new Forward(3);
  const twice = g.relu(g.relu(g.linear(g.input, [8, 4]), 4), 4);
  assertEquals(g.fused(g.relu(g.dispatch(twice), 4)), ["linear relu", "relu", "dispatch", "relu"]);
});

Deno.test("integers stay integers from product to product", () => {
  const f = new Forward(40);
  const first = f.relu(f.packedLinear(f.quantize(f.input, 32), 16), 16);
  const rows = f.quantize(first, 16);
  const y = f.packedLinear(rows, 8);
  assertEquals(f.fused(y), [
    "quantize rows",
    "packed linear relu+quantize",
    "packed linear unsummed",
  ]);
  const [, product] = fuse(f.recorded, [y]) as Operation[];
  assertEquals(product.y, rows.data);
});

Deno.test("few rows are quantized by the product that reads them, if it is small", () => {
  const count = (rows: number, k: number, n: number, bits: 4 | 8 = 8) => {
    const f = new Forward(rows);
    return f.fused(f.packedLinear(f.quantize(f.input, k), n, float32, bits)).length;
  };
  assertEquals(count(8, 64, 64), 1);
  assertEquals(count(9, 64, 64), 2, "too many rows");
  assertEquals(count(1, QUANTIZED_INSIDE / 64, 64), 1);
  assertEquals(count(1, QUANTIZED_INSIDE / 64, 65), 2, "too large");
  assertEquals(count(1, 64, 64, 4), 2, "nibbles");
});

Deno.test("what something else reads too is left as it is", () => {
  const { recorded, output } = shared((f, y) => f.dispatch(y));
  assertEquals(
    fuse(recorded, [output]).filter(isOperation).map(words),
    ["quantize rows", "packed linear", "relu", "quantize rows", "packed linear"],
  );
  // Being the output counts, and so does a reader that nobody needs.
  const f = new Forward(40);
  const y = f.linear(f.input, [8, 4]);
  f.relu(y, 4);
  assertEquals(f.fused(y), ["linear", "relu"]);
  // Rows for two products are quantized once.
  const g = new Forward(2);
  const rows = g.quantize(g.input, 16);
  g.packedLinear(rows, 4);
  assertEquals(g.fused(g.packedLinear(rows, 4)), [
    "quantize rows",
    "packed linear",
    "packed linear",
  ]);
});

/** Two layers with ReLU between them, and another reader of the first one's result. */
function shared(other: (f: Forward, y: PooledBuffer) => void) {
  const f = new Forward(40);
  const y = f.packedLinear(f.quantize(f.input, 32), 16);
  const rows = f.quantize(f.relu(y, 16), 16);
  other(f, y);
  return { recorded: f.recorded, output: f.packedLinear(rows, 8) };
}

Deno.test("a product that has no such kernel is not joined", () => {
  for (const [dtype, bits] of [[int32, 8], [float32, 4]] as const) {
    const f = new Forward(40);
    const y = f.packedLinear(f.quantize(f.input, 32), 16, dtype, bits);
    const z = f.packedLinear(f.quantize(f.relu(y, 16), 16), 8);
    assertEquals(f.fused(z).length, 5, `${dtype.name} ${bits}`);
  }
});

Deno.test("rows whose sums a dispatch binds are quantized apart", () => {
  const f = new Forward(40);
  const rows = f.quantize(f.packedLinear(f.quantize(f.input, 32), 16), 16);
  f.dispatch(rows.sums);
  assertEquals(f.fused(f.packedLinear(rows, 8)), [
    "quantize rows",
    "packed linear",
    "quantize rows",
    "dispatch",
    "packed linear",
  ]);
});

Deno.test("all rules hold at once", () => {
  const f = new Forward(1);
  const hidden = f.relu(f.packedLinear(f.quantize(f.input, 32), 16), 16);
  const y = f.packedLinear(f.quantize(hidden, 16), 8);
  assertEquals(f.fused(f.relu(y, 8)), [
    "quantize+packed linear relu+quantize",
    "packed linear relu unsummed",
  ]);
});

Deno.test("expressions are joined with those that only they read", () => {
  const f = new Forward(3);
  const a = f.pointwise("exp", 4, f.input);
  const b = f.pointwise("neg", 4, a);
  const y = f.pointwise("mul", 4, a, b);
  assertEquals(f.fused(y), ["exp x0, neg t0, mul t0 t1"]);
  const [joined] = fuse(f.recorded, [y]);
  assertEquals(isOperation(joined) && joined.op === "pointwise" && joined.inputs.length, 1);
  // What they read besides comes along once, and broadcasts as it did.
  const g = new Forward(3);
  const [row, other] = [{ buffer: buffer("row"), dtype: float32, shape: [4] }, buffer("other")];
  const sum = g.pointwise("add", 4, g.input, row);
  const product = g.pointwise("mul", 4, row, sum);
  assertEquals(g.fused(g.pointwise("sub", 4, other, product)), [
    "add x0 x1, mul x1 t0, sub x2 t1",
  ]);
});

Deno.test("an expression in between that something else reads is kept", () => {
  const f = new Forward(3);
  const a = f.pointwise("exp", 4, f.input);
  f.dispatch(a);
  assertEquals(f.fused(f.pointwise("neg", 4, a)), ["exp x0", "dispatch", "neg x0"]);
  const g = new Forward(3);
  const b = g.pointwise("exp", 4, g.input);
  g.pointwise("neg", 4, b);
  assertEquals(g.fused(b), ["exp x0", "neg x0"]);
});

Deno.test("joined expressions round as memory does, and are left apart where it does more", () => {
  for (
    const [dtype, words] of [
      [bfloat16, ["exp x0, bfloat16 t0, neg t1"]],
      [int32, ["exp x0, neg t0"]],
      [int8, ["exp x0, int8 t0, neg t1"]],
      [int16, ["exp x0", "neg x0"]],
    ] as const
  ) {
    const f = new Forward(3, dtype);
    assertEquals(f.fused(f.pointwise("neg", 4, f.pointwise("exp", 4, f.input))), [...words]);
  }
});

Deno.test("dimensions of size 1 before a shape keep no expressions apart", () => {
  for (const [first, second] of [[[3, 4], [1, 3, 4]], [[1, 3, 4], [3, 4]]]) {
    const [x, row, a, y] = ["x", "row", "a", "y"].map(buffer);
    const of = (buffer: PooledBuffer, shape: number[]) => ({ buffer, dtype: float32, shape });
    const step = (inputs: Operand[], shape: number[], y: PooledBuffer): Recorded => {
      const steps: Step[] = [["mul", "x0", "x1"]];
      const expression = { steps, constants: [] };
      return { op: "pointwise", expression, inputs, shape, dtype: float32, y };
    };
    const [joined, ...others] = fuse([
      step([of(x, first), of(row, first.with(-2, 1))], first, a),
      step([of(a, second), of(row, [4])], second, y),
    ], [y]) as Extract<Operation, { op: "pointwise" }>[];
    assertEquals(others, []);
    assertEquals(wordsOf(joined.expression), "mul x0 x1, mul t0 x1");
    const rank = second.length;
    const ones = first.with(-2, 1).slice(-rank);
    assertEquals(joined.inputs.map((x) => x.shape), [first.slice(-rank), ones]);
    assertEquals(joined.shape, second);
  }
});

Deno.test("expressions of other shapes, too many inputs or too many steps are left apart", () => {
  const f = new Forward(1);
  const a = f.pointwise("exp", 4, f.input);
  const wide = new Forward(3);
  wide.recorded.push(...f.recorded);
  const operand = { buffer: a, dtype: float32, shape: [1, 4] };
  assertEquals(wide.fused(wide.pointwise("neg", 4, operand)), ["exp x0", "neg x0"]);
  const g = new Forward(3);
  let sum = g.input;
  for (let i = 0; i < 8; i++) sum = g.pointwise("add", 4, sum, buffer("other"));
  assertEquals(g.fused(sum).length, 2);
  const h = new Forward(3);
  let long = h.input;
  for (let i = 0; i < 100; i++) long = h.pointwise("neg", 4, long);
  assertEquals(h.fused(long).length, 2);
});
