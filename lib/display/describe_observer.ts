/**
 * What observers look like.
 *
 * @module
 */
import type { AffineQuantizedObserverBase } from "../quantization/observers/observer.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { bundleOf, type DisplayBundle } from "../plot/bundle.ts";
import { shownIndices } from "../plot/summary.ts";
import { Table } from "../plot/table.ts";

/** What an observer saw, and the scale and zero point that follow. Waits for them. */
export async function displayObserver(
  observer: AffineQuantizedObserverBase,
): Promise<DisplayBundle> {
  const title = inspectObserver(observer);
  try {
    const [scale, zeroPoint] = await observer.calculateQParams();
    const range = hasMinMax(observer) ? await observer.minMax() : [];
    const [s, z, ...ends] = await Promise.all([scale, zeroPoint, ...range].map((t) => t?.data()));
    const [low, high] = ends;
    const rows = shownIndices(s.length).map((i) => {
      const at = (values: ArrayLike<number>) => i === undefined ? "…" : values[i];
      return {
        ...(s.length > 1 ? { block: i === undefined ? "…" : `${i}` } : {}),
        ...(low ? { from: at(low), to: at(high) } : {}),
        scale: at(s),
        "zero point": z ? at(z) : "none",
      };
    });
    return bundleOf(new Table(rows, { title }));
  } catch (error) {
    const note = error instanceof Error ? error.message : String(error);
    return bundleOf(new Table([], { title, note }));
  }
}

/** What observers of ranges have beside what all have. */
interface MinMax {
  minMax(): Promise<[min: Tensor, max: Tensor]>;
}

function hasMinMax(observer: object): observer is MinMax {
  return typeof Reflect.get(observer, "minMax") === "function";
}

/** How many batches an observer saw, if it counts them. */
function batchCountOf(observer: object): number | undefined {
  return Reflect.get(observer, "batchCount") ?? Reflect.get(observer, "batches");
}

/** An observer's class and settings, without waiting. */
export function inspectObserver(observer: AffineQuantizedObserverBase): string {
  return `${observer.constructor.name}(${observerSettings(observer)})`;
}

/** An observer's settings, and how many batches it saw. */
export function observerSettings(observer: AffineQuantizedObserverBase): string {
  const { mappingType, targetDtype, granularity, quantMin, quantMax } = observer;
  const narrow = quantMin !== targetDtype.min || quantMax !== targetDtype.max;
  const batches = batchCountOf(observer);
  return [
    mappingType,
    narrow ? `${targetDtype.name} from ${quantMin} to ${quantMax}` : targetDtype.name,
    granularity,
    ...(typeof batches === "number" ? [`${batches} batch${batches === 1 ? "" : "es"}`] : []),
  ].join(", ");
}
