/**
 * What `compare` does.
 *
 * @module
 */
import { readSamples } from "../data/read_samples.ts";
import { decibels, formatBytes, percent } from "../plot/format.ts";
import { Table } from "../plot/table.ts";
import type { Shard } from "../data/shard.ts";
import { readFileIfThere } from "../files/disk.ts";
import { compareState, comparisonOrigin } from "../onnx/accuracy/compare_onnx.ts";
import { median, type OnnxModelCost } from "../onnx/accuracy/comparison.ts";
import {
  checkWhole,
  comparisonOf,
  type ComparisonState,
  readComparison,
  writeComparison,
} from "../onnx/accuracy/comparison_state.ts";
import { checkOrigin } from "../onnx/calibration/origin.ts";
import type { OnnxModel } from "../onnx/file/model.ts";
import { loadOnnx } from "../onnx/file/model_file.ts";
import { useOnnxRuntime } from "../onnx/run/load_ort.ts";
import type { Comparison } from "./comparison.ts";
import type { Console } from "./console.ts";
import { CliError, EXIT, usage } from "./cli_error.ts";
import { factLines } from "./facts.ts";
import { htmlReport } from "./html_report.ts";
import { modelInputs } from "../onnx/inspect/model_inputs.ts";
import { type CompareOptions, withFlags } from "./options.ts";
import { checkFree, checkOutputs, writeWhole } from "./output_file.ts";
import { progressOf } from "./json_log.ts";
import { shardOf } from "./shard_options.ts";
import { formatMs } from "./report_figures.ts";

/** How many of the noisiest tensors are printed. */
const NOISIEST = 8;

/**
 * Compares two models.
 *
 * @returns the exit code.
 */
export async function compare(
  options: CompareOptions,
  console: Console,
): Promise<number> {
  const { float, quantized, report, out, force, json, targetSqnr } = options;
  checkSource(options);
  const inputs = {
    "the float model": float,
    "the quantized model": quantized,
    "--data": options.data,
    "--comparison": options.comparison,
  };
  await checkOutputs({ "--report": report, "--out": out }, inputs);
  for (const path of [report, out]) if (path !== undefined) await checkFree(path, force);
  const state = await measure(options, console);
  if (out !== undefined) {
    const part = writeComparison(state);
    await console.finish(() => writeWhole(out, part));
    const samples = state.samples.length;
    const facts: [string, string][] = [
      ["written", `${out}, ${formatBytes(part.length)}`],
      ["compared", `${samples} ${samples === 1 ? "sample" : "samples"}`],
    ];
    const result = { out, shard: options.shard, samples, bytes: part.length };
    console.out(
      json ? `${JSON.stringify(result, null, 2)}\n` : `${factLines(facts, console.outColumns)}\n`,
    );
    return EXIT.ok;
  }
  const data = options.data ?? options.comparison!;
  const comparison: Comparison = { float, quantized, data, result: comparisonOf(state) };
  if (report !== undefined) {
    const page = await htmlReport(comparison);
    console.signal.throwIfAborted();
    await console.finish(() => writeWhole(report, page));
  }
  console.out(json ? `${asJson(comparison)}\n` : `${summary(comparison, console.outColumns)}\n`);
  const missed = targetSqnr !== undefined &&
    !(comparison.result.sqnr >= targetSqnr);
  if (missed) console.err(`the target of ${decibels(targetSqnr)} is missed\n`);
  return missed ? EXIT.targetMissed : EXIT.ok;
}

/** @throws {CliError} unless there are samples, or a comparison and nothing that it has already. */
function checkSource({ data, comparison, shard, out, report }: CompareOptions): void {
  if (comparison === undefined) {
    if (data === undefined) {
      usage(
        "required option '--data <path>' not specified, nor --comparison with what merge wrote",
      );
    }
    if (shard !== undefined && out === undefined) {
      usage(
        "--shard goes with --out: what a share comes to alone says little; merge the parts first",
      );
    }
    if (out === undefined || report === undefined) return;
    usage("--report does not go with --out; give it with --comparison, once parts are merged");
  }
  const given = { "--data": data, "--shard": shard, "--out": out };
  const extra = Object.entries(given).find(([, value]) => value !== undefined)?.[0];
  if (extra) usage(`${extra} does not go with --comparison, which was run before; leave one out`);
}

/** What both models come to, on samples or as it was summed up before. */
async function measure(options: CompareOptions, console: Console): Promise<ComparisonState> {
  const { float, quantized, data, readSamples: reading, log } = options;
  useOnnxRuntime(options.runtime);
  const models = [await loadOnnx(float), await loadOnnx(quantized)];
  if (options.comparison !== undefined) return await readState(options.comparison, models);
  const { signal } = console;
  using progress = progressOf(console, log, { command: "compare", shard: options.shard });
  let total = reading.limit;
  const samples = (shard: Shard | undefined) =>
    readSamples(data!, modelInputs(models[0]), {
      ...reading,
      shard,
      signal,
      onTotal: (samples) => total = samples,
      onWarning: (warning) => console.err(`warning: ${withFlags(warning)}\n`),
    });
  const state = await compareState("compareOnnx", models[0], models[1], samples, {
    signal,
    shard: shardOf(options.shard),
    onProgress: ({ done }) => progress.update("comparing", done, total),
  });
  progress.event?.("done", { samples: state.samples.length });
  return state;
}

/** What was summed up before, of these models. */
async function readState(path: string, models: readonly OnnxModel[]): Promise<ComparisonState> {
  const file = await readFileIfThere(path);
  if (!file) throw new CliError(EXIT.failed, `${path}: there is no such file`);
  const state = readComparison(path, file);
  checkWhole(path, state);
  checkOrigin(path, state.origin, await comparisonOrigin(models[0], models[1], true));
  return state;
}

function summary({ result }: Comparison, columns: number): string {
  const { float, quantized, outputs, tensors, samples } = result;
  const before = median(float.latency);
  const row = (model: string, { bytes, latency }: OnnxModelCost) => ({
    model,
    size: formatBytes(bytes),
    share: percent(bytes / float.bytes),
    "ms a sample": formatMs(median(latency)),
    time: percent(median(latency) / before),
  });
  const costs = new Table([row("float", float), row("quantized", quantized)]);
  const results = new Table(
    outputs.map(({ name, sqnr, top1, sqnrPerSample }) => ({
      output: name,
      SQNR: decibels(sqnr),
      "worst sample": decibels(Math.min(...sqnrPerSample)),
      "top-1 agreement": top1 === null ? "" : percent(top1),
    })),
    { note: `over ${samples} ${samples === 1 ? "sample" : "samples"}` },
  );
  const noisiest = [...tensors].sort((a, b) => a.sqnr - b.sqnr).slice(0, NOISIEST);
  const inner = noisiest.length === 0 ? [] : [
    new Table(
      noisiest.map(({ name, opType, quantized, sqnr }) => ({
        "noisiest tensors": name,
        "made by": opType,
        "kept as": quantized ? "integers" : "float",
        SQNR: decibels(sqnr),
      })),
      { note: tensors.length > NOISIEST ? `of ${tensors.length}; --json lists all` : undefined },
    ),
  ];
  return [costs, results, ...inner].map((table) => table.toText(columns)).join("\n\n");
}

/** JSON knows no infinities: they become null. */
function asJson({ result, ...files }: Comparison): string {
  const { samples, sqnr, outputs, tensors } = result;
  const cost = ({ bytes, latency }: OnnxModelCost) => ({
    bytes,
    medianMs: median(latency),
  });
  const { data } = files;
  const float = { file: files.float, ...cost(result.float) };
  const quantized = { file: files.quantized, ...cost(result.quantized) };
  return JSON.stringify({ float, quantized, data, samples, sqnr, outputs, tensors }, null, 2);
}
