/**
 * Moving elements, as dispatches.
 *
 * @module
 */
import { numelOf } from "../../numbers/shape.ts";
import type { DeviceBuffer, GatherArgs, Operand, PadArgs, StridedArgs } from "../backend.ts";
import type { ChannelsLast } from "../channels_last.ts";
import type { Expression } from "../expression.ts";
import { type Runs, sideBySide } from "../side_by_side.ts";
import { collapse } from "../strides.ts";
import { type DispatchTarget, elementwiseStep, gpu } from "./dispatch_target.ts";
import {
  carrier,
  catKernel,
  gatherKernel,
  gatherParams,
  padKernel,
  unitOf,
  unitWorkgroups,
} from "./kernels/movement.ts";
import { pointwiseKernel, pointwiseWorkgroups, walkParams } from "./kernels/pointwise.ts";

/** What moves elements alone: an expression that changes nothing. */
const UNCHANGED: Expression = { steps: [["int", "x0"]], constants: [] };

/** See `Backend.strided`; into `y`. */
export function strided(
  x: Operand,
  { shape, strides, offset }: StridedArgs,
  y: DeviceBuffer,
  target: DispatchTarget,
): void {
  const walk = collapse({ sizes: shape, strides: [strides], offsets: [offset] });
  const bits = carrier(x.dtype);
  const numel = numelOf(shape);
  target.sink.dispatch(
    pointwiseKernel(UNCHANGED, [bits], walk, bits),
    [x.buffer, y].map(gpu),
    [Math.ceil(numel / 4), ...walkParams(walk)],
    pointwiseWorkgroups(numel),
  );
}

/** Inputs that one kernel puts together. */
const CAT_AT_ONCE = 7;

/** A buffer of runs. */
interface Part extends Runs {
  readonly buffer: DeviceBuffer;
}

/** See `Backend.cat`; into `y`. Many inputs are put together group by group. */
export function cat(
  xs: readonly (Operand | ChannelsLast)[],
  dim: number,
  y: DeviceBuffer,
  target: DispatchTarget,
): void {
  const [{ dtype }] = xs;
  const { count, width, parts } = sideBySide(xs, dim);
  const { sink } = target;
  let open: Part[] = parts.map((runs, n) => ({ ...runs, buffer: xs[n].buffer }))
    .filter(({ length }) => length > 0);
  const made: DeviceBuffer[] = [];
  const join = (group: readonly Part[], into: DeviceBuffer, width: number): Part => {
    const lengths = group.map(({ length }) => length);
    const begins = lengths.map((_, n) => lengths.slice(0, n).reduce((sum, size) => sum + size, 0));
    const length = lengths.reduce((sum, size) => sum + size, 0);
    const strides = group.map(({ stride }) => stride);
    const fields = [count * width, width, length, ...begins, ...strides];
    const { unit, bytes } = unitOf(dtype, fields.map((size) => size * dtype.itemSize));
    const units = fields.map((size) => size * dtype.itemSize / bytes);
    const buffers = [...group.map(({ buffer }) => buffer), into].map(gpu);
    const kernel = catKernel(unit, group.length, length < width);
    sink.dispatch(kernel, buffers, units, unitWorkgroups(units[0], unit));
    return { buffer: into, length, stride: width };
  };
  try {
    while (open.length > CAT_AT_ONCE) {
      const next: Part[] = [];
      for (let n = 0; n < open.length; n += CAT_AT_ONCE) {
        const group = open.slice(n, n + CAT_AT_ONCE);
        const row = group.reduce((sum, { length }) => sum + length, 0);
        const into = sink.pool.acquire(count * row * dtype.itemSize, "cat");
        made.push(into);
        next.push(join(group, into, row));
      }
      open = next;
    }
    if (open.length > 0) join(open, y, width);
  } finally {
    made.forEach((buffer) => sink.pool.release(gpu(buffer)));
  }
}

/** See `Backend.pad`; into `y`. */
export function pad(
  x: Operand,
  { shape, before, mode, bits }: PadArgs,
  y: DeviceBuffer,
  target: DispatchTarget,
): void {
  const dims: { size: number; from: number; before: number }[] = [];
  shape.forEach((size, d) => {
    const dim = { size, from: x.shape[d], before: before[d] };
    const plain = (one: typeof dim) => one.size === one.from && one.before === 0;
    const outer = dims.at(-1);
    // A dimension without a border goes with one outside of it that has none, or only constants.
    if (outer && plain(dim) && (mode === "constant" || plain(outer))) {
      dims[dims.length - 1] = {
        size: outer.size * size,
        from: outer.from * size,
        before: outer.before * size,
      };
    } else {
      dims.push(dim);
    }
  });
  const kernel = padKernel(x.dtype, dims.length, mode);
  const params = dims.flatMap((dim) => [dim.size, dim.from, dim.before >>> 0]);
  elementwiseStep(target, kernel, [x.buffer], y, numelOf(shape), x.dtype, [bits, ...params]);
}

/** See `Backend.gather`; into `y`. */
export function gather(
  x: Operand,
  index: Operand,
  { shape, strides, indexStrides, size, stride }: GatherArgs,
  y: DeviceBuffer,
  target: DispatchTarget,
): void {
  const walk = collapse({ sizes: shape, strides: [strides, indexStrides] });
  // Whole rows that one index points at are moved in wider units.
  const last = walk.sizes.length - 1;
  const rows = walk.strides[0][last] === 1 && walk.strides[1][last] === 0;
  const counts = rows ? [walk.sizes[last], stride, ...walk.strides[0].slice(0, last)] : [1];
  const { unit, bytes } = unitOf(x.dtype, counts.map((count) => count * x.dtype.itemSize));
  const wide = bytes / x.dtype.itemSize;
  const units = {
    sizes: walk.sizes.map((size, d) => d === last ? size / wide : size),
    strides: [walk.strides[0].map((s, d) => d === last ? s : s / wide), walk.strides[1]],
  };
  const numel = numelOf(shape) / wide;
  target.sink.dispatch(
    gatherKernel(unit, index.dtype, walk.sizes.length),
    [x.buffer, index.buffer, y].map(gpu),
    [numel, size, stride / wide, ...gatherParams(units)],
    unitWorkgroups(numel, unit),
  );
}
