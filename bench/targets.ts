/**
 * What the project wants to reach, and whether it did.
 *
 * @module
 */
import { Table } from "../mod.ts";
import { geometricMean, type Outcome, type ShapeOutcome, speedup } from "./outcome.ts";
import { ratio } from "./tables.ts";
import { title } from "./shapes.ts";

/** `name` is to be at least so many times as fast as `other`. */
interface Target {
  readonly name: string;
  readonly other: string;
  readonly least: number;
  /** A shape, a model, or the geometric mean over all shapes. */
  readonly where: string;
}

const MEAN = "mean of the shapes";
const BATCHES = ["(256, 1024, 1024)", "(512, 4096, 4096)"];
const OVERALL: Target[] = [
  { name: "int8", other: "jax-js", least: 5, where: MEAN },
  { name: "int8", other: "float32", least: 1.5, where: MEAN },
  { name: "float32", other: "jax-js", least: 2.5, where: MEAN },
];
const ON_THE_CPU = [
  { other: "ORT float32", least: 2.3 },
  { other: "PyTorch", least: 1 },
  { other: "torchao uint8", least: 5 },
  { other: "torchao int8", least: 5 },
  { other: "torchao int8 ±127", least: 5 },
];
const COMPILED = [
  { where: "toy tutorial model, batch 1", least: 2 },
  { where: "three 1024 × 1024 layers with ReLU, batch 64", least: 1.25 },
];

const TARGETS: readonly Target[] = [
  ...OVERALL,
  ...ON_THE_CPU.flatMap((target) =>
    BATCHES.map((where) => ({ name: "int8 to ORT", ...target, where }))
  ),
  ...COMPILED.map((target) => ({ name: "int8 compiled", other: "int8", ...target })),
];

function reached({ shapes, models }: Outcome, { name, other, where }: Target): number | undefined {
  const ratioOf = ({ times }: ShapeOutcome) => speedup(times, name, other);
  if (where === MEAN) return geometricMean(shapes.map(ratioOf));
  const times = shapes.find(({ shape }) => title(shape) === where)?.times ??
    models.find((model) => model.name === where)?.times;
  return times && speedup(times, name, other);
}

/** The targets that were measured, each with what was reached. */
export function targetTable(outcome: Outcome): Table {
  const rows = TARGETS.flatMap((target) => {
    const value = reached(outcome, target);
    if (value === undefined) return [];
    const { name, other, where, least } = target;
    const what = `${name}: faster than ${other}`;
    const verdict = value >= least ? "yes" : "no";
    return [{ what, where, reached: ratio(value), "at least": ratio(least), met: verdict }];
  });
  return new Table(rows);
}
