/**
 * Recorded steps that give the same at each replay, for they read nothing but constants: they run once.
 *
 * @module
 */
import type { PooledBuffer } from "./pool.ts";
import { bound, type Ends, type RecordedStep } from "./steps.ts";

/** The buffers that a step writes. */
function writtenBy(step: RecordedStep): readonly PooledBuffer[] {
  if ("from" in step) return [step.to];
  const { arrays } = step.kernel.shader();
  return step.buffers.filter((_, i) => arrays[i][2] === "read_write");
}

/** Steps, apart from those that run once. */
export interface ByConstancy {
  readonly constant: readonly RecordedStep[];
  readonly others: readonly RecordedStep[];
}

/**
 * Tells constant steps from the others. A buffer is constant if it was there before the recording and no
 * step writes it, or if it was planned and the only step that writes it is constant.
 */
export function byConstancy(
  steps: readonly RecordedStep[],
  planned: ReadonlySet<PooledBuffer>,
  { inputs }: Ends,
): ByConstancy {
  const constants = new Set<PooledBuffer>();
  const varying = new Set<PooledBuffer>(inputs);
  const users = Map.groupBy(
    steps.flatMap((step) => bound(step).map((b) => [b, step] as const)),
    ([b]) => b,
  );
  const writers = (buffer: PooledBuffer) =>
    users.get(buffer)!.filter(([, step]) => writtenBy(step).includes(buffer)).length;
  const isConstant = (step: RecordedStep) => {
    if (bound(step).some((buffer) => varying.has(buffer))) return false;
    const written = writtenBy(step);
    return bound(step).every((buffer) => {
      if (written.includes(buffer)) return planned.has(buffer) && writers(buffer) === 1;
      return constants.has(buffer) || (!planned.has(buffer) && writers(buffer) === 0);
    });
  };
  const apart: { constant: RecordedStep[]; others: RecordedStep[] } = { constant: [], others: [] };
  for (const step of steps) {
    const constant = isConstant(step);
    (constant ? apart.constant : apart.others).push(step);
    for (const buffer of bound(step)) {
      if (!planned.has(buffer) || constants.has(buffer)) continue;
      (constant ? constants : varying).add(buffer);
    }
  }
  return apart;
}
