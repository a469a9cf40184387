/**
 * What `compare` does.
 *
 * @module
 */
import { readSamples } from "../data/read_samples.ts";
import { decibels, formatBytes, percent } from "../plot/format.ts";
import { Table } from "../plot/table.ts";
import { compareOnnx } from "../onnx/accuracy/compare_onnx.ts";
import { median, type OnnxModelCost } from "../onnx/accuracy/comparison.ts";
import { loadOnnx } from "../onnx/file/model_file.ts";
import { useOnnxRuntime } from "../onnx/run/load_ort.ts";
import type { Comparison } from "./comparison.ts";
import type { Console } from "./console.ts";
import { EXIT } from "./cli_error.ts";
import { htmlReport } from "./html_report.ts";
import { modelInputs } from "../onnx/inspect/model_inputs.ts";
import { type CompareOptions, withFlags } from "./options.ts";
import { checkFree, checkOutputs, writeWhole } from "./output_file.ts";
import { ProgressBar } from "./progress_bar.ts";
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
  const { float, quantized, report, force, json, targetSqnr } = options;
  if (report !== undefined) {
    const inputs = { "the float model": float, "the quantized model": quantized };
    await checkOutputs({ "--report": report }, { ...inputs, "--data": options.data });
    await checkFree(report, force);
  }
  const comparison = await measure(options, console);
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

async function measure(options: CompareOptions, console: Console): Promise<Comparison> {
  const { float, quantized, data, readSamples: reading } = options;
  useOnnxRuntime(options.runtime);
  const models = [await loadOnnx(float), await loadOnnx(quantized)];
  using bar = new ProgressBar(console);
  let total = reading.limit;
  const samples = readSamples(data, modelInputs(models[0]), {
    ...reading,
    signal: console.signal,
    onTotal: (samples) => total = samples,
    onWarning: (warning) => console.err(`warning: ${withFlags(warning)}\n`),
  });
  const result = await compareOnnx(models[0], models[1], samples, {
    signal: console.signal,
    onProgress: ({ done }) => bar.update("comparing", done, total),
  });
  return { float, quantized, data, result };
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
