/**
 * What `convert` does.
 *
 * @module
 */
import { readSamples } from "../data/read_samples.ts";
import { replay } from "../data/replay.ts";
import { statIfThere } from "../files/disk.ts";
import { giveBackLargeBlocks } from "../files/native_memory.ts";
import { paths } from "../files/paths.ts";
import {
  type ConvertedFile,
  convertOnnx,
  type ConvertOnnxOptions,
  type ConvertOnnxResult,
  type ConvertSamples,
} from "../onnx/convert/convert_onnx.ts";
import { modelCard } from "../onnx/convert/model_card.ts";
import { modelFolder, MODELS } from "../onnx/convert/model_folder.ts";
import { loadOnnx } from "../onnx/file/model_file.ts";
import { modelInputs } from "../onnx/inspect/model_inputs.ts";
import { useOnnxRuntime } from "../onnx/run/load_ort.ts";
import { decibels, formatBytes } from "../plot/format.ts";
import { Table } from "../plot/table.ts";
import { EXIT } from "./cli_error.ts";
import type { Console } from "./console.ts";
import { type ConvertOptions, withFlags } from "./options.ts";
import { checkFree, checkOutputs, writeWhole } from "./output_file.ts";
import { ProgressBar } from "./progress_bar.ts";
import { formatMs } from "./report_figures.ts";

/**
 * Converts a model or a folder of models.
 *
 * @returns the exit code.
 */
export async function convert(options: ConvertOptions, console: Console): Promise<number> {
  const { source, out, force, card, json, convertOnnx: forms } = options;
  if (card !== undefined) {
    await checkOutputs({ "--card": card }, { "the model": source, "--data": options.data });
    await checkFree(card, force);
  }
  useOnnxRuntime(options.runtime);
  giveBackLargeBlocks();
  using bar = new ProgressBar(console);
  const warnings: string[] = [];
  const data = await samplesFor(options, (warning) => warnings.push(warning));
  const result = await console.finish(() =>
    convertOnnx(source, {
      ...forms,
      ...{ out, force, data, signal: console.signal },
      onProgress: ({ step, done, total }) => bar.update("converting", done, total, step),
    })
  );
  bar.clear();
  if (card !== undefined) {
    await writeWhole(card, modelCard(result, { name: paths().basename(result.folder) }));
  }
  warnings.push(...told(result));
  console.out(json ? asJson(result, warnings) : `${table(result).toText(console.outColumns)}\n`);
  for (const warning of warnings) console.err(`warning: ${withFlags(warning)}\n`);
  const named = forms.dtypes !== undefined && forms.dtypes !== "all";
  return named && result.files.some(({ problem }) => problem) ? EXIT.failed : EXIT.ok;
}

/** The samples of `--data`: for each model its own if the folder has a folder or a file for it. */
async function samplesFor(
  { source, data, readSamples: reading }: ConvertOptions,
  onWarning: (warning: string) => void,
): Promise<ConvertOnnxOptions["data"]> {
  if (data === undefined) return undefined;
  const { models } = await modelFolder("convertOnnx", source);
  const of = async (model: string, path: string): Promise<ConvertSamples> => {
    const inputs = modelInputs(await loadOnnx(model));
    return replay(() => readSamples(path, inputs, { ...reading, onWarning }));
  };
  if (models.length === 1) return await of(models[0].path, data);
  const all: [string, ConvertSamples][] = [];
  for (const { name, path } of models) {
    const own = paths().join(data, name);
    if (await statIfThere(own)) all.push([name, await of(path, own)]);
  }
  return Object.fromEntries(all);
}

/** What a person should know. */
function told({ files, madeUp, resumed, warnings }: ConvertOnnxResult): string[] {
  return [
    ...resumed ? ["went on where an earlier run was stopped"] : [],
    ...madeUp
      ? [
        "there is no --data: SQNR and times are of made-up inputs, random numbers and rows of the vocabulary by a seed",
      ]
      : [],
    ...files.flatMap(({ model, dtype, warnings, problem }) =>
      [...problem === undefined ? [] : [problem], ...warnings].map((text) =>
        `${model} ${dtype}: ${text}`
      )
    ),
    ...warnings,
  ];
}

/** A row a file. */
function table({ folder, files }: ConvertOnnxResult): Table {
  const float = (of: string) => files.find(({ model, dtype }) => model === of && dtype === "fp32")!;
  const row = ({ model, dtype, files: [file], bytes, sqnr, ms }: ConvertedFile) => {
    const whole = float(model);
    return {
      dtype,
      file: file === undefined ? "not made" : paths().basename(file),
      size: file && formatBytes(bytes),
      share: file && wholePercent(bytes / whole.bytes),
      SQNR: sqnr === undefined || dtype === "fp32" ? null : decibels(sqnr),
      "a run": ms === undefined ? null : formatMs(ms),
      time: ms === undefined || !whole.ms ? null : wholePercent(ms / whole.ms),
    };
  };
  return new Table(files.map(row), {
    note: `in ${paths().join(folder, MODELS)}; times are of this machine`,
  });
}

/** A share that is no more exact than what is measured. */
const wholePercent = (share: number) => `${Math.round(100 * share)} %`;

/** JSON knows no infinities: they become null. */
function asJson({ folder, files, madeUp, resumed }: ConvertOnnxResult, warnings: string[]): string {
  return `${JSON.stringify({ folder, madeUp, resumed, files, warnings }, null, 2)}\n`;
}
