/**
 * Recurrent cells as dispatches: two a step, the product of the hidden state and what the cell makes of it.
 *
 * @module
 */
import { float32 } from "../../numbers/dtype.ts";
import { numelOf } from "../../numbers/shape.ts";
import { type Operand, type Recurrence, type RecurrentArgs, recurrentSizes } from "../backend.ts";
import { type DispatchTarget, gpu } from "./dispatch_target.ts";
import { recurrentKernel, recurrentWorkgroups } from "./kernels/recurrent.ts";
import { pointwiseStep } from "./pointwise.ts";
import type { PooledBuffer } from "./pool.ts";
import { linearProduct } from "./products.ts";

/** Runs the cell over all steps. What it acquires is given back if that fails. */
export function recurrentSteps(
  x: Operand,
  args: RecurrentArgs,
  target: DispatchTarget,
): Recurrence {
  const { pool } = target.sink;
  const { steps, batch, size, gates } = recurrentSizes(x, args);
  const made: PooledBuffer[] = [];
  const make = (numel: number) => {
    const buffer = pool.acquire(numel * float32.itemSize, "recurrent");
    made.push(buffer);
    return buffer;
  };
  try {
    const output = make(steps * batch * size);
    const hidden = make(batch * size);
    const state = args.cell === "lstm" ? make(batch * size) : null;
    begin(args.hidden, hidden, [batch, size], target);
    if (state) begin(args.state, state, [batch, size], target);
    const product = make(batch * gates * size);
    run(x, args, { output, hidden, state }, product, target);
    pool.release(product);
    return { output, hidden, state };
  } catch (error) {
    made.forEach((buffer) => pool.release(buffer));
    throw error;
  }
}

/** A copy of what a state begins from, or zeros. */
function begin(
  from: Operand | null,
  y: PooledBuffer,
  shape: readonly number[],
  target: DispatchTarget,
): void {
  if (numelOf(shape) === 0) return;
  if (from) return target.sink.copy(gpu(from.buffer), y);
  const expression = { steps: [["abs", "f0"]], constants: [0] } as const;
  pointwiseStep({ op: "pointwise", expression, inputs: [], shape, dtype: float32, y }, target);
}

function run(
  x: Operand,
  args: RecurrentArgs,
  { output, hidden, state }: Recurrence,
  product: PooledBuffer,
  target: DispatchTarget,
): void {
  const { cell, weight, bias, reverse } = args;
  const { steps, batch, size, rowOf } = recurrentSizes(x, args);
  const numel = batch * size;
  if (numel === 0) return;
  const before: Operand = { buffer: hidden, dtype: float32, shape: [batch, size] };
  const kernel = recurrentKernel(cell);
  const buffers = [x.buffer, product, ...state ? [state] : [], hidden, output].map(gpu);
  for (let s = 0; s < steps; s++) {
    const t = reverse ? steps - 1 - s : s;
    linearProduct({ op: "linear", x: before, w: weight, bias, relu: false, y: product }, target);
    const params = [numel, size, rowOf(t, 0), rowOf(t, 1) - rowOf(t, 0)];
    target.sink.dispatch(kernel, buffers, params, recurrentWorkgroups(numel));
  }
}
