/**
 * Where operations become dispatches, and the frames of those that are no products.
 *
 * @module
 */
import type { DType } from "../../numbers/dtype.ts";
import { type DeviceBuffer, packedRowBytes, type PackedRows } from "../backend.ts";
import { elementwiseWorkgroups } from "./kernels/elementwise.ts";
import type { Kernel } from "./kernels/kernel.ts";
import { type RowTeam, rowTeam } from "./kernels/pack_rows.ts";
import type { PooledBuffer } from "./pool.ts";
import type { StepSink } from "./steps.ts";

/** What takes the dispatches, and what kernels must know of the device. */
export interface DispatchTarget {
  readonly sink: StepSink;
  /** Lanes of every subgroup, which choose the tiles of products; 1 if they cannot be used. */
  readonly subgroupSize: number;
}

/** A buffer as the device's queue takes it. */
export const gpu = (buffer: DeviceBuffer) => buffer as PooledBuffer;

/** Dispatches a kernel that makes each element of `y` from the inputs at its place. */
export function elementwiseStep(
  { sink }: DispatchTarget,
  kernel: Kernel,
  inputs: readonly DeviceBuffer[],
  y: DeviceBuffer,
  numel: number,
  dtype: DType,
  params: readonly number[] = [],
): void {
  const workgroups = elementwiseWorkgroups(numel, dtype);
  sink.dispatch(kernel, [...inputs, y].map(gpu), [numel, ...params], workgroups);
}

/** Packed rows of bytes with whatever contents, and sums of them. */
export type SummedRows = PackedRows & { readonly sums: DeviceBuffer };

/** Room for the packed bytes of a matrix and for their sums. */
export function bytesFor(
  { sink: { pool } }: DispatchTarget,
  [rows, k]: readonly number[],
  offset: 0 | 128,
  label: string,
): SummedRows {
  const data = pool.acquire(rows * packedRowBytes(k), label);
  const sums = pool.acquire(rows * 4, label);
  return { data, sums, rows, k, bits: 8, groupSize: k, offset };
}

/** Dispatches a kernel that writes packed rows of bytes and their sums. */
export function rowsStep(
  { sink, subgroupSize }: DispatchTarget,
  kernel: (team: RowTeam, whole: boolean) => Kernel,
  inputs: readonly DeviceBuffer[],
  { data, sums, rows, k }: SummedRows,
  outputs: readonly DeviceBuffer[] = [],
): void {
  const team = rowTeam(rows, subgroupSize);
  const params = [k, packedRowBytes(k) / 4, rows];
  const buffers = [...inputs, data, sums, ...outputs].map(gpu);
  sink.dispatch(kernel(team, k % 4 === 0), buffers, params, Math.ceil(rows / team.rows));
}
