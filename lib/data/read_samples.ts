/**
 * Samples from files.
 *
 * @module
 */
import { paths } from "../files/paths.ts";
import { isNotFound, readFolder, stat } from "../files/disk.ts";
import { problemOf } from "../files/file_problem.ts";
import { InputFile } from "../files/input_file.ts";
import type { ArraySource } from "./array_source.ts";
import { FileRange } from "./byte_source.ts";
import { fail, short } from "./data_error.ts";
import { IMAGE_ENDINGS, type ImageOptions } from "./image_options.ts";
import { imageTarget, readImage } from "./images.ts";
import { readJsonLines } from "./json_lines.ts";
import { openNpy } from "./npy.ts";
import { openNpz } from "./npz.ts";
import { checkNames, type InputNames, pickArrays } from "./pick_arrays.ts";
import { openSafetensors } from "./safetensors_arrays.ts";
import type { Feeds, TensorInfo } from "./sample.ts";
import { splitSamples } from "./split.ts";

export type { ElementArray, ElementType } from "./element_type.ts";
export type { ImageOptions, ImageSide } from "./image_options.ts";
export type { InputNames } from "./pick_arrays.ts";
export type { Feeds, FeedTensor, TensorInfo } from "./sample.ts";

/** Options of {@linkcode readSamples}. */
export interface ReadSamplesOptions {
  /** How images are read. */
  image?: ImageOptions;
  /** Names of arrays in the files, by the names of the model's inputs. */
  names?: InputNames;
  /** Whether arrays are cut into samples along their first dimension; if not, a file of arrays is one sample,
   * as it is. Yes by default. */
  split?: boolean;
  /** The most samples that are read; all by default. */
  limit?: number;
  /** Told how many samples there will be, before the first, where that is known without reading them. */
  onTotal?: (samples: number) => void;
  /** Told what a person should know of the samples, such as that images are deformed; each thing once. */
  onWarning?: (warning: string) => void;
}

type Kind = "image" | "npy" | "npz" | "safetensors" | "json";

const KINDS: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ...IMAGE_ENDINGS.map((ending): [string, Kind] => [ending, "image"]),
  [".npy", "npy"],
  [".npz", "npz"],
  [".safetensors", "safetensors"],
  [".jsonl", "json"],
  [".ndjson", "json"],
]);

/**
 * The samples in a file or in a folder of files of one kind: images (`.png`, `.jpg`, `.webp`, `.gif`, `.tif`),
 * NumPy's `.npy` and `.npz`, `.safetensors`, or lines of JSON (`.jsonl`, `.ndjson`). A folder's files come in
 * the order of their names, by code units; hidden ones are passed over. One sample is in memory at a
 * time, except that an array in Fortran's order is read as a whole.
 *
 * An array with one dimension more than the model's input has samples along its first. One with as many
 * dimensions as the input is cut along its first: into parts as long as the input's first size if that
 * is a number, else into parts of 1.
 *
 * Nothing is read before the first sample is asked for.
 *
 * @param source a file or a folder, or the files that a page was given, which are read as those of a folder.
 * @param inputs the model's inputs.
 * @param options how files are read.
 * @throws {DataError} if there is nothing to read, a file is damaged, or a sample does not fit the model;
 * names the file and what is wrong.
 *
 * @example
 * ```ts
 * import { readSamples } from "@staticquant/staticquant";
 * const path = await Deno.makeTempFile({ suffix: ".jsonl" });
 * await Deno.writeTextFile(path, '{"x": [[1, 2]]}\n{"x": [[3, 4]]}\n');
 * const inputs = [{ name: "x", dtype: "float32", dims: ["batch", 2] }]; // or modelInputs(model)
 * for await (const { x } of readSamples(path, inputs)) console.log(x.dims, ...x.data);
 * // [ 1, 2 ] 1 2
 * // [ 1, 2 ] 3 4
 * ```
 */
export async function* readSamples(
  source: string | readonly File[],
  inputs: readonly TensorInfo[],
  options: ReadSamplesOptions = {},
): AsyncGenerator<Feeds> {
  const { limit = Infinity } = options;
  const path = typeof source === "string" ? source : "samples";
  if (inputs.length === 0) fail(path, "the model has no inputs to feed");
  checkNames(path, inputs, options.names ?? {});
  const files = typeof source === "string"
    ? await filesOf(path)
    : sameKind(path, "these are", chosen(source));
  const onTotal = (samples: number) => options.onTotal?.(Math.min(samples, limit));
  if (files[0].kind === "image") onTotal(files.length);
  let warned = false;
  const onWarning = (warning: string) => {
    if (!warned) options.onWarning?.(warning);
    warned = true;
  };
  const each = { ...options, onTotal: files.length === 1 ? onTotal : undefined, onWarning };
  let count = 0;
  for (const file of files) {
    try {
      for await (const feeds of samplesOf(file, inputs, each)) {
        if (count === limit) return;
        yield feeds;
        count++;
      }
    } catch (error) {
      failFor(file.path, error);
    }
  }
  if (count === 0) fail(path, "there are no samples in it");
}

/** A file of samples. */
interface SampleFile {
  readonly path: string;
  readonly kind: Kind;
  /** The file itself, where it has no path to be opened by. */
  readonly file?: File;
}

/** The files that a page was given, in the order of their names. */
function chosen(files: readonly File[]): SampleFile[] {
  if (files.length === 0) fail("samples", "there are none; give at least one file");
  return files.toSorted((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0)
    .map((file) => ({ path: file.name, kind: kindOf(file.name), file }));
}

/** How the files at a path are called, once they were looked at. */
async function filesOf(path: string): Promise<SampleFile[]> {
  const names = await namesIn(path).catch((error) => failFor(path, error));
  if (!names) return [{ path, kind: kindOf(path) }];
  if (names.length === 0) fail(path, "the folder is empty");
  const files = names.sort().map((name) => paths().join(path, name))
    .map((path) => ({ path, kind: kindOf(path) }));
  return sameKind(path, "the folder holds", files);
}

/** @throws {DataError} if the files are not of one kind. */
function sameKind(path: string, they: string, files: SampleFile[]): SampleFile[] {
  const other = files.find(({ kind }) => kind !== files[0].kind);
  if (other) {
    fail(
      path,
      `${they} a mixture, such as ${files[0].path} and ${other.path}; keep files of one ` +
        `kind together`,
    );
  }
  return files;
}

/** The names in a folder; undefined if it is none. */
async function namesIn(path: string): Promise<string[] | undefined> {
  if (!(await stat(path)).isDirectory) return undefined;
  const names: string[] = [];
  for (const entry of await readFolder(path)) {
    if (entry.name.startsWith(".")) continue;
    if (entry.isDirectory) {
      fail(
        paths().join(path, entry.name),
        "this is a folder in the folder of samples; give one without",
      );
    }
    names.push(entry.name);
  }
  return names;
}

/** Fails with what the system says of a file; other errors pass. */
function failFor(path: string, error: unknown): never {
  const problem = problemOf(error);
  if (problem === undefined) throw error;
  if (isNotFound(error)) fail(path, "there is no such file or folder");
  fail(path, problem);
}

function kindOf(path: string): Kind {
  const ending = path.match(/[^/\\](\.[^./\\]*)$/)?.[1].toLowerCase() ?? "";
  return KINDS.get(ending) ??
    fail(
      path,
      `${
        ending ? `files that end in ${short(ending)}` : "files without an ending"
      } are not read; give ${[...KINDS.keys()].join(", ")}`,
    );
}

async function* samplesOf(
  { path, kind, file: given }: SampleFile,
  inputs: readonly TensorInfo[],
  { image = {}, names = {}, split = true, onTotal, onWarning }: ReadSamplesOptions,
): AsyncGenerator<Feeds> {
  using file = await InputFile.open(given ?? path);
  if (kind === "image") {
    yield await readImage(path, file, inputs[0], imageTarget(path, inputs, image), onWarning);
    return;
  }
  if (kind === "json") {
    yield* readJsonLines(path, file, inputs, names);
    return;
  }
  const arrays = await arraysOf(path, kind, file);
  const picked = pickArrays(path, inputs, [...arrays.keys()], names);
  const sources: ArraySource[] = [];
  try {
    for (const name of picked) sources.push(await arrays.get(name)!());
    yield* splitSamples(path, inputs, sources, { split, onTotal });
  } finally {
    for (const { bytes } of sources) await bytes.close?.();
  }
}

async function arraysOf(
  path: string,
  kind: Kind,
  file: InputFile,
): Promise<ReadonlyMap<string, () => ArraySource | Promise<ArraySource>>> {
  if (kind === "npz") return await openNpz(path, file);
  if (kind === "safetensors") return await openSafetensors(path, file);
  return new Map([["", () => openNpy(path, "", new FileRange(path, file, 0, file.size))]]);
}
