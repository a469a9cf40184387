/** Functions of one byte as tables, and steps that run once: neither takes a device. */
import { assertEquals } from "@std/assert";
import { type Expression, type Step, wordsOf } from "../../lib/backend/expression.ts";
import { tabulated } from "../../lib/backend/webgpu/byte_tables.ts";
import { byConstancy } from "../../lib/backend/webgpu/constant_steps.ts";
import type { PointwiseOperation } from "../../lib/backend/webgpu/fusion.ts";
import { PooledBuffer } from "../../lib/backend/webgpu/pool.ts";
import { type RecordedStep, StepList } from "../../lib/backend/webgpu/steps.ts";
import { type DType, float32, int32, int8, type Operand, uint8 } from "../../mod.ts";

const pool = { acquire: () => buffer(), release: () => {} };
function buffer(): PooledBuffer {
  return new PooledBuffer(undefined, 16, false, "", pool);
}

/** An operand; a constant one where `constants` gets it. */
function operand(dtype: DType, shape: number[], constants?: Set<PooledBuffer>): Operand {
  const of = buffer();
  constants?.add(of);
  return { buffer: of, dtype, shape };
}

/** What becomes of an expression: the words of each operation, with its dtype and shape. */
function tabulation(
  steps: Step[],
  inputs: Operand[],
  dtype: DType,
  constants: ReadonlySet<PooledBuffer>,
): string[] {
  const expression: Expression = { steps, constants: [3] };
  const shape = [2, 300];
  const operation: PointwiseOperation = {
    ...{ op: "pointwise", expression, inputs, shape, dtype, y: buffer() },
  };
  const [all, table] = [buffer(), buffer()];
  const made = tabulated([operation], {
    isConstant: (buffer) => constants.has(buffer as PooledBuffer),
    allBytes: () => all,
    table: () => table,
  }) as PointwiseOperation[];
  assertEquals(made.at(-1)!.y, operation.y);
  return made.map(({ expression, dtype, shape, inputs }) =>
    `${wordsOf(expression)} → ${dtype.name} ${shape} of ${inputs.map(({ shape }) => shape).join()}`
  );
}

Deno.test("what is computed of one byte is computed once of each, and looked up", () => {
  const constants = new Set<PooledBuffer>();
  const x = operand(uint8, [2, 300]);
  const table = operand(uint8, [256], constants);
  const one = operand(float32, [1, 1], constants);
  const product: Step[] = [["lookup", "x1", "x0"], ["mul", "x0", "t0"], ["add", "t1", "i0"]];
  assertEquals(tabulation(product, [x, table], uint8, constants), [
    "lookup x1 x0, mul x0 t0, add t1 i0 → int32 256 of 256,256",
    "lookup x1 x0 → uint8 2,300 of 2,300,256",
  ]);
  const scaled: Step[] = [["float", "x0"], ["mul", "t0", "x1"], ["int", "t1"]];
  assertEquals(tabulation(scaled, [x, one], int8, constants), [
    "float x0, mul t0 x1, int t1 → int32 256 of 256,1",
    "lookup x1 x0 → int8 2,300 of 2,300,256",
  ]);
});

Deno.test("what is no function of one byte is left as it is", () => {
  const constants = new Set<PooledBuffer>();
  const x = operand(uint8, [2, 300]);
  const sum: Step[] = [["add", "x0", "x1"], ["neg", "t0"]];
  const words = "add x0 x1, neg t0 → ";
  const of = (inputs: Operand[], dtype: DType = uint8) =>
    tabulation(sum, inputs, dtype, constants).map((line) => line.split(" of ")[0]);
  const kept = (dtype: DType) => [`${words}${dtype.name} 2,300`];
  assertEquals(of([x, operand(uint8, [2, 300])]), kept(uint8), "two that vary");
  assertEquals(of([x, operand(int32, [300], constants)]), kept(uint8), "a constant a column");
  const one = () => operand(int32, [1], constants);
  assertEquals(of([x, one()], float32), kept(float32), "numbers come out");
  assertEquals(of([operand(int32, [2, 300]), one()]), kept(uint8), "numbers come in");
  assertEquals(of([one(), one()]), kept(uint8), "nothing varies");
  const varying: Step[] = [["lookup", "x0", "x1"], ["neg", "t0"]];
  const table = operand(uint8, [256]);
  const found = tabulation(varying, [table, operand(uint8, [1], constants)], uint8, constants);
  assertEquals(found.length, 1, "the table varies");
});

/** A kernel that writes its last buffer. */
const kernel = (key: string, buffers: number) => ({
  key,
  shader: () => ({
    arrays: Array.from(
      { length: buffers },
      (_, i) => ["", "u32", i + 1 < buffers ? undefined : "read_write"] as const,
    ),
    ...{ fields: [], workgroup: 1, body: "" },
  }),
});

Deno.test("steps that read constants alone run once, those after something varying do not", () => {
  const [input, weight, state, a, b, c, d, output] = Array.from({ length: 8 }, () => buffer());
  const list = new StepList(pool);
  const step = (key: string, ...buffers: PooledBuffer[]) =>
    list.dispatch(kernel(key, buffers.length), buffers, [], 1);
  step("of a weight", weight, a);
  step("of that", a, weight, b);
  list.copy(b, c);
  step("of the input", input, b, d);
  step("counts", weight, state);
  step("of what is counted", state, output);
  step("again", a, d);
  const planned = new Set([input, a, b, c, d, output]);
  const { constant, others } = byConstancy(list.items, planned, {
    inputs: [input],
    outputs: [output],
  });
  const names = (steps: readonly RecordedStep[]) =>
    steps.map((step) => "from" in step ? "copy" : step.kernel.key);
  assertEquals(names(constant), ["of a weight", "of that", "copy"]);
  assertEquals(names(others), ["of the input", "counts", "of what is counted", "again"]);
});

Deno.test("what a later step writes too is no constant", () => {
  const [input, weight, a] = [buffer(), buffer(), buffer()];
  const list = new StepList(pool);
  list.dispatch(kernel("fills", 2), [weight, a], [], 1);
  list.dispatch(kernel("changes", 2), [input, a], [], 1);
  const ends = { inputs: [input], outputs: [a] };
  assertEquals(byConstancy(list.items, new Set([input, a]), ends).constant, []);
});
