/**
 * What a bench has found, as tables.
 *
 * @module
 */
import { Table } from "../mod.ts";
import { LAYERS } from "./layers.ts";
import type { Timing } from "./measure.ts";
import {
  type Adapter,
  geometricMean,
  type ModelOutcome,
  type Outcome,
  type ShapeOutcome,
  speedup,
} from "./outcome.ts";
import { bytes, operations, title } from "./shapes.ts";

/** What all else is compared with. */
export const REFERENCE = "jax-js";
const SHAPE = "(M, N, K)";
const MISSING = "failed";

/** A ratio as people say it. */
export function ratio(value: number | undefined): string {
  return value === undefined ? "" : `${value.toPrecision(value < 1 ? 2 : 3)} ×`;
}

/** Milliseconds with three digits. */
function milliseconds(value: number | undefined): string {
  if (value === undefined) return "";
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}

/** How many times as fast as the reference each contestant is, and the mean over the shapes. */
export function speedupTable({ names, shapes }: Outcome): Table {
  const rows = shapes.map(({ shape, times }) => ({
    [SHAPE]: title(shape),
    ...Object.fromEntries(names.map((name) => {
      const missing = typeof times.get(name) === "string" ? MISSING : "";
      return [name, ratio(speedup(times, name, REFERENCE)) || missing];
    })),
  }));
  const means = names.map((name) => {
    const ratios = shapes.map(({ times }) => speedup(times, name, REFERENCE));
    return [name, ratio(geometricMean(ratios))];
  });
  return new Table([...rows, { [SHAPE]: "geometric mean", ...Object.fromEntries(means) }]);
}

/** The shares of the adapter's peaks that a layer of this project reaches in its device time. */
function shares(
  name: string,
  { device }: Timing,
  { shape }: ShapeOutcome,
  { peaks, bandwidth }: Adapter,
): Record<string, string> {
  const layer = Object.entries(LAYERS).find(([known]) => known === name)?.[1];
  if (!layer?.widths || device === undefined) return {};
  const seconds = device / 1000;
  const atMost = bandwidth.get(shape.n * shape.k * layer.widths.w)!;
  return {
    "of bandwidth": percent(bytes(shape, layer.widths) / seconds / atMost),
    "of arithmetic": percent(operations(shape) / seconds / peaks[layer.arithmetic]),
  };
}

/** One shape in full. */
export function shapeTable(
  outcome: ShapeOutcome,
  names: readonly string[],
  adapter: Adapter,
): Table {
  const { times } = outcome;
  return new Table(names.map((name) => {
    const timing = times.get(name);
    if (timing === undefined || typeof timing === "string") {
      return { name, [`× ${REFERENCE}`]: timing === undefined ? "" : MISSING };
    }
    const { median, low, high, rounds, device } = timing;
    return {
      name,
      [`× ${REFERENCE}`]: ratio(speedup(times, name, REFERENCE)),
      "ms, median": milliseconds(median),
      "quartiles": `${milliseconds(low)} to ${milliseconds(high)}`,
      "rounds": rounds,
      "ms on the device": milliseconds(device),
      "of bandwidth": "",
      "of arithmetic": "",
      ...shares(name, timing, outcome, adapter),
    };
  }));
}

/** A whole model in all its forms. */
export function modelTable({ times, rows, unit }: ModelOutcome): Table {
  return new Table([...times].map(([name, timing]) => {
    if (typeof timing === "string") return { name, "× float": MISSING };
    const { median, low, high } = timing;
    return {
      name,
      "× float": ratio(speedup(times, name, "float")),
      "ms, median": milliseconds(median),
      "quartiles": `${milliseconds(low)} to ${milliseconds(high)}`,
      [`${unit} a second`]: Number((rows / median * 1000).toPrecision(3)),
    };
  }));
}

/** What went wrong, and with whom. */
export function failures({ shapes, models }: Pick<Outcome, "shapes" | "models">): string[] {
  const names = new Map<string, Set<string>>();
  for (const [name, timing] of [...shapes, ...models].flatMap(({ times }) => [...times])) {
    if (typeof timing !== "string") continue;
    if (!names.has(timing)) names.set(timing, new Set());
    names.get(timing)!.add(name);
  }
  return [...names].map(([reason, those]) => `${[...those].join(", ")}: ${reason}`);
}
