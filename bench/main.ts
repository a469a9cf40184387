/**
 * The table: this project's layers beside everyone else's, on one machine, in one run. Given no
 * shapes it measures all, and whole models, and puts what it found into `RESULTS.md`.
 *
 * Run: `deno task bench`, with `--python PATH` also beside the PyTorch and torchao of that Python;
 * with shapes such as `256,1024,1024`, or `--quick`, for a look that is not written down.
 *
 * @module
 */
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { init, type Table } from "../mod.ts";
import type { Contestant, Entry, Team } from "./contestant.ts";
import { DeviceClock } from "./device_clock.ts";
import { LAYERS, ours } from "./layers.ts";
import { type Candidate, measure, type MeasureOptions, type Timing } from "./measure.ts";
import { MODELS } from "./models.ts";
import type { Adapter, ModelOutcome, Outcome, ShapeOutcome, Times } from "./outcome.ts";
import { measureBandwidth, measurePeaks } from "./peak.ts";
import { jaxJs } from "./peers/jax.ts";
import { onnxruntime } from "./peers/onnxruntime.ts";
import { pytorch } from "./peers/python.ts";
import { tensorflowJs } from "./peers/tfjs.ts";
import { list, markdownTable, withSection } from "./results.ts";
import { parseShape, type Shape, SHAPES, title } from "./shapes.ts";
import { failures, modelTable, REFERENCE, shapeTable, speedupTable } from "./tables.ts";

const RESULTS = new URL("./RESULTS.md", import.meta.url);

const { values: flags, positionals } = parseArgs({
  options: { python: { type: "string" }, quick: { type: "boolean" } },
  allowPositionals: true,
});
const shapes = positionals.length ? positionals.map(parseShape) : SHAPES;
const options: MeasureOptions = flags.quick
  ? { rounds: 3, roundMs: 60, budgetMs: 500 }
  : { rounds: 7, roundMs: 200, budgetMs: 4000 };

const message = (error: unknown) => error instanceof Error ? error.message : String(error);

/** The clock watches from before anyone opens a device. */
const clock = new DeviceClock();
const { adapter } = await init({ device: "webgpu" });

const entries: Entry[] = [
  ours,
  jaxJs,
  tensorflowJs,
  onnxruntime,
  ...(flags.python ? [pytorch(flags.python)] : []),
];
const names = entries.flatMap((entry) => entry.names);
const teams: Team[] = [];
const contestants = new Map<string, Contestant | string>();
for (const entry of entries) {
  try {
    const team = await entry.open();
    teams.push(team);
    team.contestants.forEach((contestant) => contestants.set(contestant.name, contestant));
  } catch (error) {
    entry.names.forEach((name) => contestants.set(name, message(error)));
  }
}

/** Lets those who can be made take turns; says of the others why they cannot. */
async function timed(
  makers: readonly (readonly [name: string, make: () => Promise<Candidate>])[],
  options: MeasureOptions,
): Promise<Times> {
  const times = new Map<string, Timing | string>();
  const failed = (name: string, error: unknown) => void times.set(name, message(error));
  const candidates: Candidate[] = [];
  for (const [name, make] of makers) {
    await make().then((candidate) => candidates.push(candidate), (error) => failed(name, error));
  }
  for (const timing of await measure(candidates, { ...options, failed })) {
    times.set(timing.name, timing);
  }
  for (const { dispose } of candidates) await dispose?.();
  return new Map(makers.map(([name]) => [name, times.get(name)!]));
}

async function measureShape(shape: Shape): Promise<ShapeOutcome> {
  const makers = [...contestants].map(([name, contestant]) => {
    const make = () =>
      typeof contestant === "string"
        ? Promise.reject(new Error(contestant))
        : contestant.layer(shape);
    return [name, make] as const;
  });
  const times = await timed(makers, { ...options, clock });
  for (const { widths } of Object.values(LAYERS)) {
    const byteLength = shape.n * shape.k * (widths?.w ?? 0);
    if (byteLength === 0 || bandwidth.has(byteLength)) continue;
    bandwidth.set(byteLength, await measureBandwidth(byteLength, clock));
  }
  return { shape, times };
}

/** Prints a table under a heading, and gives both as Markdown. */
function show(heading: string, table: Table): string {
  console.log(`\n${heading}\n${table}`);
  return `### ${heading}\n\n${markdownTable(table)}`;
}

const versions = [
  `Deno ${Deno.version.deno}`,
  ...teams.map(({ version }) => version),
].join(", ");
const processor = `${
  cpus()[0]?.model ?? "unknown processor"
}, ${cpus().length} threads, ${Deno.build.target}`;
console.log(`${adapter}\n${processor}\n${versions}`);

const bandwidth = new Map<number, number>();
const limits: Adapter = { peaks: await measurePeaks(clock), bandwidth };
const gigas = (perSecond: number) => (perSecond / 1e9).toPrecision(3);
const outcomes: ShapeOutcome[] = [];
const details: string[] = [];
for (const shape of shapes) {
  const outcome = await measureShape(shape);
  outcomes.push(outcome);
  details.push(show(title(shape), shapeTable(outcome, names, limits)));
}
const models: ModelOutcome[] = [];
for (const { name, rows, unit, candidates } of positionals.length ? [] : MODELS) {
  const makers = (await candidates()).map((candidate) =>
    [candidate.name, () => Promise.resolve(candidate)] as const
  );
  const outcome = { name, rows, unit, times: await timed(makers, options) };
  models.push(outcome);
  details.push(show(name, modelTable(outcome)));
}
for (const { close } of teams) await close?.();

const outcome: Outcome = { names, shapes: outcomes, models };
const failed = failures(outcome);
const summary = [
  show(`How many times as fast as ${REFERENCE}`, speedupTable(outcome)),
  ...(failed.length ? [list(failed.map((reason) => `Failed: ${reason}`))] : []),
];
failed.forEach((reason) => console.log(`Failed: ${reason}`));

const reading = [...bandwidth].toSorted(([a], [b]) => a - b).map(([byteLength, perSecond]) =>
  `${(byteLength / 2 ** 20).toPrecision(3)} MiB at ${gigas(perSecond)} GB/s`
);
const facts = [
  `Machine: ${processor}.`,
  `Versions: ${versions}.`,
  `Measured on ${new Date().toISOString().slice(0, 10)} by \`deno task bench${
    flags.python ? " --python PATH" : ""
  }\`.`,
  `In registers the adapter does ${
    gigas(limits.peaks.float32)
  } · 10⁹ operations a second in float32 ` +
  `and ${gigas(limits.peaks.int8)} · 10⁹ in int8. It reads ${reading.join(", ")}.`,
];

if (!flags.quick && !positionals.length) {
  const section = [
    list(facts),
    ...summary,
    ...details,
  ];
  const before = await Deno.readTextFile(RESULTS).catch(() => "");
  await Deno.writeTextFile(RESULTS, withSection(before, adapter, section.join("\n\n")));
  console.log(`\nWritten to ${RESULTS.pathname}`);
}
