/**
 * A folder of models in the forms that transformers.js loads.
 *
 * @module
 */
import { checkChoice, checkOptions, given } from "../../numbers/arguments.ts";
import { makeFolders, realPath, stat, statIfThere } from "../../files/disk.ts";
import { pathOf, paths } from "../../files/paths.ts";
import { VERSION } from "../../files/version.ts";
import type { OnnxSamples } from "../calibration/calibrate.ts";
import { loadOnnx } from "../file/model_file.ts";
import type { OnnxModel } from "../file/model.ts";
import { OnnxError } from "../file/onnx_error.ts";
import { copyFeeds, type OnnxFeeds } from "../run/runtime.ts";
import { copyBeside, noteDataFiles } from "./beside.ts";
import {
  CONVERT_DTYPES,
  CONVERT_PROVIDERS,
  type ConvertDType,
  type ConvertProvider,
} from "./dtypes.ts";
import { FormJudge } from "./judge.ts";
import { type FormSettings, type FormSource, makeForm } from "./make_form.ts";
import { type ModelFolder, modelFolder, MODELS, type SourceModel } from "./model_folder.ts";
import { release } from "./release.ts";
import { sampleInputs } from "./sample_inputs.ts";
import { Unfinished } from "./unfinished.ts";
import { dataNameOf, writeForm } from "./write_form.ts";

export type { ConvertDType, ConvertProvider } from "./dtypes.ts";
export type { FormSettings } from "./make_form.ts";

/** Opens the errors. */
const WHERE = "convertOnnx";

/** Samples: a list, or a function that gives them anew each time. */
export type ConvertSamples = readonly OnnxFeeds[] | (() => OnnxSamples);

/** Options of {@linkcode convertOnnx}. */
export interface ConvertOnnxOptions extends FormSettings {
  /** The forms; by default `"all"`, of which `static` is one if there are samples. */
  dtypes?: "all" | readonly ConvertDType[];
  /** The folder that is filled; by default the one that the model or its `onnx` folder lies in. */
  out?: string | URL;
  /**
   * Sample inputs, which all forms are judged by; `static` takes its ranges from them, and weights of 4 bits are rounded
   * by what layers read on them. Where a folder has several models, by their names. Without, inputs are made up from a
   * seed, and nothing can be `static`.
   */
  data?: ConvertSamples | Readonly<Record<string, ConvertSamples>>;
  /**
   * What is to run the models. Forms that it cannot run, or not well, get a warning that names a better one, and `static`
   * is made for pages where it is one of theirs.
   */
  provider?: ConvertProvider;
  /** Whether files that are there are replaced; not by default. */
  force?: boolean;
  /** Whether large constants go into files of their own, `model_q4.onnx_data`; by default where they have to. */
  externalData?: boolean;
  /** Told of each step. */
  onProgress?: (progress: ConvertProgress) => void;
  /** Ends the work. What was written stays, and the same call goes on there. */
  signal?: AbortSignal;
}

/** How far a conversion is. */
export interface ConvertProgress {
  /** What is being done. */
  readonly step: string;
  /** Steps that are done. */
  readonly done: number;
  /** All steps. */
  readonly total: number;
}

/** A file of the folder. */
export interface ConvertedFile {
  /** The model's name, such as `model` or `decoder_model_merged`. */
  readonly model: string;
  /** Its form; `fp32` is the float model itself. */
  readonly dtype: ConvertDType | "fp32";
  /** The files in the folder, the model's first; none if this form could not be made. */
  readonly files: readonly string[];
  /** Bytes of them together. */
  readonly bytes: number;
  /** SQNR of the output that is furthest off from the float model's, in dB; nothing if it was not run. */
  readonly sqnr?: number;
  /** Milliseconds of a run, the least of several; nothing if it was not run. */
  readonly ms?: number;
  /** Why there is no such file, or why it does not run here. */
  readonly problem?: string;
  /** What a person should know of it. */
  readonly warnings: readonly string[];
}

/** What {@linkcode convertOnnx} made. */
export interface ConvertOnnxResult {
  /** The folder. */
  readonly folder: string;
  /** Its models, each as it was and then in its forms. */
  readonly files: readonly ConvertedFile[];
  /** Whether the inputs that models were run on were made up. */
  readonly madeUp: boolean;
  /** Whether it went on where an earlier run was stopped. */
  readonly resumed: boolean;
  /** What a person should know of the folder. */
  readonly warnings: readonly string[];
}

const OPTIONS = [
  ...["dtypes", "out", "data", "provider", "force", "externalData", "onProgress", "signal"],
  ...["quantizeDynamic", "quantizeWeights", "toFloat16", "quantizeStatic"],
];

/** Constants stay in their files: each form is made of them anew. */
const IN_FILES = { inMemory: 1 << 20 };

/** Samples that forms are judged by, at most. */
const JUDGED = 16;

/**
 * The forms that are wanted, in the order in which they are made.
 *
 * @throws {TypeError} if one is none, or has to have samples.
 */
function wanted({ dtypes = "all", data }: ConvertOnnxOptions): ConvertDType[] {
  const known = [...CONVERT_DTYPES.keys()];
  if (dtypes === "all") return known.filter((dtype) => dtype !== "static" || data !== undefined);
  if (!Array.isArray(dtypes) || dtypes.length === 0) {
    throw new TypeError(`${WHERE}: dtypes must be "all" or names of forms, got ${given(dtypes)}`);
  }
  for (const dtype of dtypes) checkChoice(WHERE, "a form of dtypes", dtype, known);
  if (dtypes.includes("static") && data === undefined) {
    throw new TypeError(
      `${WHERE}: the form static takes its ranges from samples; give them as data, or leave static out`,
    );
  }
  return known.filter((dtype) => dtypes.includes(dtype));
}

/** What is being made of what, as a text that is the same for the same call. */
async function planOf(
  source: ModelFolder,
  dtypes: readonly ConvertDType[],
  options: ConvertOnnxOptions,
): Promise<string> {
  const models = [];
  for (const { path } of source.models) {
    const { size, modified } = await stat(path);
    models.push({ path: await realPath(path), size, modified });
  }
  const { data, provider, externalData } = options;
  const { quantizeDynamic, quantizeWeights, toFloat16, quantizeStatic } = options;
  const settings = {
    ...{ provider, externalData },
    ...{ quantizeDynamic, quantizeWeights, toFloat16, quantizeStatic },
  };
  return JSON.stringify({
    ...{ version: VERSION, models, dtypes, samples: data !== undefined },
    ...settings,
  });
}

/** The samples of one model. */
function samplesOf(
  name: string,
  data: ConvertOnnxOptions["data"],
): (() => OnnxSamples) | undefined {
  if (data === undefined) return undefined;
  if (typeof data === "function") return data;
  if (Array.isArray(data)) return () => data;
  const own = Object.hasOwn(data, name)
    ? (data as Readonly<Record<string, ConvertSamples>>)[name]
    : undefined;
  if (own === undefined) return undefined;
  return typeof own === "function" ? own : () => own;
}

/** Samples that can be gone through as often as one likes. */
function again(samples: () => OnnxSamples): OnnxSamples {
  return {
    [Symbol.asyncIterator]: async function* () {
      yield* samples();
    },
  };
}

/** Copies of the first of some samples. */
async function firstOf(samples: OnnxSamples): Promise<OnnxFeeds[]> {
  const first: OnnxFeeds[] = [];
  for await (const feeds of samples) {
    first.push(await copyFeeds(feeds));
    if (first.length === JUDGED) break;
  }
  return first;
}

/** One call, on its way. */
class Conversion {
  private done = 0;
  readonly files: ConvertedFile[] = [];
  madeUp = false;

  constructor(
    private readonly out: string,
    private readonly dtypes: readonly ConvertDType[],
    private readonly options: ConvertOnnxOptions,
    private readonly unfinished: Unfinished,
    private readonly total: number,
  ) {}

  /** How forms are made: what is static is for pages if these are to run it. */
  private get settings(): FormSettings {
    const { provider, quantizeStatic, ...rest } = this.options;
    const inPages = provider === "wasm" || provider === "webgpu";
    return { ...rest, quantizeStatic: { ...inPages && { target: "web" }, ...quantizeStatic } };
  }

  private step(step: string): void {
    this.options.signal?.throwIfAborted();
    this.options.onProgress?.({ step, done: this.done++, total: this.total });
  }

  /** The path of a file in the folder, and its name there. */
  private place(name: string): { path: string; file: string } {
    return { path: paths().join(this.out, MODELS, name), file: `${MODELS}/${name}` };
  }

  /** Brings one model into all forms. */
  async convert(source: SourceModel): Promise<void> {
    const { name } = source;
    const model = await loadOnnx(source.path, IN_FILES);
    this.step(`${name} fp32`);
    const own = samplesOf(name, this.options.data);
    const inputs = own ? await firstOf(own()) : await sampleInputs(WHERE, model);
    if (!own) this.madeUp = true;
    const judge = inputs.length > 0 ? await FormJudge.open(WHERE, model, inputs) : undefined;
    const made: ConvertedFile[] = [];
    const narrow = { isWanted: this.dtypes.includes("q4f16") };
    for (const dtype of this.dtypes) {
      this.step(`${name} ${dtype}`);
      const samples = own && again(own);
      const madeUp = own || inputs.length === 0 ? undefined : inputs;
      const { signal } = this.options;
      const from = { model, samples, madeUp, settings: this.settings, signal, narrow };
      made.push(await this.form(dtype, source, from, judge));
    }
    const problem = made.find((each) => each.problem)?.problem;
    if (problem !== undefined && made.every(({ files }) => files.length === 0)) {
      throw new OnnxError(`${WHERE}: ${source.path}: no form could be made of it: ${problem}`);
    }
    // Last, so that nothing is written for a model of which nothing can be made.
    const float = await this.float(source, model);
    this.files.push({ ...float, sqnr: judge && Infinity, ms: judge?.ms }, ...made);
  }

  /** The float model in the folder, where it is if it lies there. */
  private async float({ name, path }: SourceModel, model: OnnxModel): Promise<ConvertedFile> {
    const place = this.place(`${name}.onnx`);
    const common = { model: name, dtype: "fp32" as const, warnings: [] };
    if (await isSame(path, place.path)) {
      return { ...common, files: [place.file], bytes: model.byteLength() };
    }
    const written = await this.unfinished.has(place.file)
      ? await this.writtenBefore(`${name}.onnx`)
      : await this.write(model, `${name}.onnx`);
    return { ...common, ...written };
  }

  /** One form: made and written, unless an earlier run did that, and then judged by its file. */
  private async form(
    dtype: ConvertDType,
    { name }: SourceModel,
    from: FormSource,
    judge: FormJudge | undefined,
  ): Promise<ConvertedFile> {
    const file = `${name}${CONVERT_DTYPES.get(dtype)!.suffix}.onnx`;
    const common = { model: name, dtype };
    const { provider } = this.options;
    const caution = provider && CONVERT_DTYPES.get(dtype)!.cautions?.[provider];
    const foretold = caution === undefined ? [] : [`on ${provider}: ${caution}`];
    let written: Pick<ConvertedFile, "files" | "bytes">;
    let warnings: readonly string[] = foretold;
    const { signal } = from;
    if (await this.unfinished.has(this.place(file).file)) written = await this.writtenBefore(file);
    else {
      try {
        const made = await makeForm(dtype, from);
        warnings = [...foretold, ...made.warnings];
        signal?.throwIfAborted();
        written = await this.write(made.model, file);
        // What others are made of is kept for them.
        if (from.narrow.made === undefined || dtype !== "q4") release(made.model, from.model);
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof OnnxError)) throw error;
        return { ...common, files: [], bytes: 0, problem: error.message, warnings };
      }
    }
    try {
      const worth = await judge?.worth(await loadOnnx(this.place(file).path, IN_FILES));
      return { ...common, ...written, ...worth, warnings };
    } catch (error) {
      signal?.throwIfAborted();
      const problem = `it does not run here: ${error instanceof Error ? error.message : error}`;
      return { ...common, ...written, problem, warnings };
    }
  }

  private async write(model: OnnxModel, name: string) {
    const { path } = this.place(name);
    const names = await writeForm(model, path, this.options.externalData);
    await this.unfinished.note(names.map((each) => this.place(each).file));
    return await this.sized(names);
  }

  private async writtenBefore(name: string) {
    const data = dataNameOf(name);
    const hasData = await this.unfinished.has(this.place(data).file);
    return await this.sized(hasData ? [name, data] : [name]);
  }

  private async sized(names: readonly string[]) {
    let bytes = 0;
    for (const name of names) bytes += (await stat(this.place(name).path)).size;
    return { files: names.map((name) => this.place(name).file), bytes };
  }
}

async function isSame(a: string, b: string): Promise<boolean> {
  const [x, y] = [a, b].map((path) => realPath(path).catch(() => undefined));
  return (await x) !== undefined && await x === await y;
}

/** @throws {OnnxError} if a file is there that would be written, and nothing says that it may be replaced. */
async function checkFree(
  out: string,
  { models }: ModelFolder,
  dtypes: readonly ConvertDType[],
  unfinished: Unfinished,
): Promise<void> {
  for (const { name, path } of models) {
    const suffixes = dtypes.map((dtype) => CONVERT_DTYPES.get(dtype)!.suffix);
    for (const suffix of ["", ...suffixes]) {
      const file = `${MODELS}/${name}${suffix}.onnx`;
      const target = paths().join(out, file);
      if (!await statIfThere(target) || await isSame(path, target)) continue;
      if (await unfinished.has(file)) continue;
      throw new OnnxError(
        `${WHERE}: ${target} exists; choose another folder as \`out\`, or replace it with \`force\``,
      );
    }
  }
}

/**
 * Writes a folder of models in all forms that transformers.js loads: `onnx/model_fp16.onnx`, `model_quantized.onnx`
 * (its `q8`), `model_int8.onnx`, `model_uint8.onnx`, `model_q4.onnx`, `model_q4f16.onnx`, `model_bnb4.onnx`, and
 * `model_static.onnx` with ranges from samples, which is loaded with `model_file_name: "model_static"` and the dtype
 * `fp32`. Each of several models in a folder, as of encoder and decoder, gets its forms. Configurations and tokenizers
 * are copied. Each file is opened and run, and judged by the float model's outputs.
 *
 * Files appear whole. While the folder is not complete, a file in it says so; the same call goes on where another was
 * stopped. The same models, options and samples give the same bytes.
 *
 * @param source a folder with `onnx/model.onnx`, or a model's file.
 * @throws {OnnxError} if there is no float model, one is quantized already, no form can be made of one, a file is in
 * the way, or another conversion was stopped in the folder.
 * @throws {TypeError} if an option is none.
 * @throws {Error} with the code `ENOENT`, in Deno a `Deno.errors.NotFound`, if there is no such file or folder.
 *
 * @example
 * ```ts
 * import { convertOnnx, exportOnnx, Linear, randn } from "@staticquant/staticquant";
 * const folder = await Deno.makeTempDir();
 * await Deno.writeFile(`${folder}/model.onnx`, await exportOnnx(new Linear(64, 64), randn([1, 64])));
 * const { files } = await convertOnnx(folder, { dtypes: ["q8", "q4"] });
 * console.log(files.map(({ files: [name] }) => name));
 * // [ "onnx/model.onnx", "onnx/model_quantized.onnx", "onnx/model_q4.onnx" ]
 * ```
 */
export async function convertOnnx(
  source: string | URL,
  options: ConvertOnnxOptions = {},
): Promise<ConvertOnnxResult> {
  checkOptions(WHERE, options, OPTIONS);
  const { provider } = options;
  if (provider !== undefined) checkChoice(WHERE, "provider", provider, CONVERT_PROVIDERS);
  const dtypes = wanted(options);
  const folder = await modelFolder(WHERE, pathOf(source));
  const out = options.out === undefined ? folder.root : pathOf(options.out);
  const { force = false } = options;
  const plan = await planOf(folder, dtypes, options);
  const unfinished = await Unfinished.open(WHERE, out, plan, force);
  if (!force) await checkFree(out, folder, dtypes, unfinished);
  await makeFolders(paths().join(out, MODELS));
  await unfinished.begin();
  const total = folder.models.length * (dtypes.length + 1);
  const conversion = new Conversion(out, dtypes, options, unfinished, total);
  try {
    for (const model of folder.models) await conversion.convert(model);
    await copyBeside(WHERE, folder.root, out, folder.beside, force);
  } catch (error) {
    if (unfinished.isEmpty) await unfinished.finish();
    throw error;
  }
  const { files, madeUp } = conversion;
  const withData = files.filter((each) => each.files.length > 1)
    .map((each) => each.files[0].slice(MODELS.length + 1));
  const warnings = await noteDataFiles(out, withData);
  await unfinished.finish();
  options.onProgress?.({ step: "done", done: total, total });
  return { folder: out, files, madeUp, resumed: unfinished.resumed, warnings };
}
