/**
 * What `merge` does.
 *
 * @module
 */
import { readFolder, statIfThere } from "../files/disk.ts";
import { InputFile } from "../files/input_file.ts";
import { paths } from "../files/paths.ts";
import { inputLines } from "../files/standard_input.ts";
import { mergeComparisons } from "../onnx/accuracy/merge_comparisons.ts";
import { mergeCalibrations, type MergedPart } from "../onnx/calibration/merge.ts";
import { formatBytes } from "../plot/format.ts";
import { CliError, EXIT } from "./cli_error.ts";
import type { Console } from "./console.ts";
import { factLines } from "./facts.ts";
import { progressOf } from "./json_log.ts";
import type { MergeOptions } from "./options.ts";
import { checkFree, checkOutputs, writeWhole } from "./output_file.ts";

/**
 * Merges parts.
 *
 * @returns the exit code.
 */
export async function merge(options: MergeOptions, console: Console): Promise<number> {
  const { out, force, partial, json, log } = options;
  const inputs = Object.fromEntries(
    options.parts.filter((part) => part !== "-").map((part) => [`the part ${part}`, part]),
  );
  await checkOutputs({ "--out": out }, inputs);
  await checkFree(out, force);
  using progress = progressOf(console, log, { command: "merge", out });
  const counts = { parts: 0, samples: 0 };
  const known: string[] = [];
  const parts = partPaths(options.parts, console.signal);
  const first = await parts.next();
  if (first.done) throw new CliError(EXIT.failed, "there is no part; give at least one");
  const mergeParts = await isOfComparison(first.value) ? mergeComparisons : mergeCalibrations;
  const merged = await mergeParts(following(first.value, parts), {
    partial,
    onPart: (part: MergedPart) => {
      progress.update("merging", ++counts.parts);
      if (part.known) known.push(part.name);
      else counts.samples += part.samples;
    },
  });
  console.signal.throwIfAborted();
  await console.finish(() => writeWhole(out, merged));
  progress.clear();
  const result = { out, ...counts, givenTwice: known.length, bytes: merged.length };
  progress.event?.("done", { ...counts, givenTwice: known.length, bytes: merged.length });
  if (json) console.out(`${JSON.stringify({ ...result, givenTwice: known }, null, 2)}\n`);
  else console.out(`${factLines(factsOf(result), console.outColumns)}\n`);
  return EXIT.ok;
}

/** Bytes of a file by which it can be told what it is. */
const BEGINNING = 4096;

/** Whether a part is of a comparison; of one that cannot be read, merging says why. */
async function isOfComparison(path: string): Promise<boolean> {
  try {
    using file = await InputFile.open(path);
    const text = new TextDecoder().decode(await file.read(0, BEGINNING));
    return text.includes('"kind":"staticquant comparison"');
  } catch {
    return false;
  }
}

async function* following(first: string, others: AsyncIterable<string>): AsyncGenerator<string> {
  yield first;
  yield* others;
}

function factsOf(
  { out, bytes, parts, samples, givenTwice }: {
    readonly out: string;
    readonly bytes: number;
    readonly parts: number;
    readonly samples: number;
    readonly givenTwice: number;
  },
): [string, string][] {
  const count = (n: number, what: string) => `${n} ${what}${n === 1 ? "" : "s"}`;
  const facts: [string, string][] = [
    ["written", `${out}, ${formatBytes(bytes)}`],
    ["merged", `${count(parts - givenTwice, "part")}, ${count(samples, "sample")}`],
  ];
  if (givenTwice > 0) facts.push(["counted once", `${count(givenTwice, "part")} that came again`]);
  return facts;
}

/** The paths of parts: files, those in folders by name, and those of a list on standard input. */
async function* partPaths(parts: readonly string[], signal: AbortSignal): AsyncGenerator<string> {
  for (const part of parts) {
    const listed = part === "-" ? inputLines() : await filesIn(part);
    for await (const path of listed) {
      signal.throwIfAborted();
      yield path;
    }
  }
}

/** A file, or the parts in a folder. */
async function filesIn(path: string): Promise<string[]> {
  if (!(await statIfThere(path))?.isDirectory) return [path];
  const names = (await readFolder(path)).map(({ name }) => name)
    .filter((name) => name.endsWith(".safetensors") && !name.startsWith(".")).sort();
  if (names.length > 0) return names.map((name) => paths().join(path, name));
  throw new CliError(EXIT.failed, `${path} is a folder without parts (.safetensors)`);
}
