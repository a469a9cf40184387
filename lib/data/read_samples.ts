/**
 * Samples from files.
 *
 * @module
 */
import { paths } from "../files/paths.ts";
import { isNotFound, readFolder, stat } from "../files/disk.ts";
import { problemOf } from "../files/file_problem.ts";
import { InputFile } from "../files/input_file.ts";
import { isRemote, publicName, RemoteFile } from "../files/remote_file.ts";
import { inputLines } from "../files/standard_input.ts";
import type { ArraySource } from "./array_source.ts";
import { FileRange } from "./byte_source.ts";
import { DataError, fail, short } from "./data_error.ts";
import { IMAGE_ENDINGS, type ImageOptions } from "./image_options.ts";
import { imageTarget, readImage } from "./images.ts";
import { readJsonLines } from "./json_lines.ts";
import { openNpy } from "./npy.ts";
import { openNpz } from "./npz.ts";
import { checkNames, type InputNames, pickArrays } from "./pick_arrays.ts";
import { openSafetensors } from "./safetensors_arrays.ts";
import type { Feeds, TensorInfo } from "./sample.ts";
import { checkShard, Picker, type Shard, shareOf, showShard } from "./shard.ts";
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
  /** The most samples that the list has; all by default. */
  limit?: number;
  /** Reads only this share of the samples; what it can tell to be of others is passed over unread. */
  shard?: Shard;
  /** Seconds that a server may take to answer before it is asked again, a few times; 30 by default. */
  patience?: number;
  /** Ends waiting for a server. */
  signal?: AbortSignal;
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
 * A file may lie on a server, at an `http:` or `https:` URL such as a presigned one of an object store; it is read
 * in parts, and asked for again where the server fails for a while. `-` stands for a list on standard input, a path
 * or URL a line, which is read as it comes.
 *
 * Nothing is read before the first sample is asked for.
 *
 * @param source a file, its URL, a folder or `-`; or the files that a page was given, which are read as those of a
 * folder.
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
  const { limit = Infinity, shard = { index: 0, of: 1 } } = options;
  checkShard("readSamples", shard);
  const path = typeof source !== "string" ? "samples" : source === "-" ? LIST : publicName(source);
  if (inputs.length === 0) fail(path, "the model has no inputs to feed");
  checkNames(path, inputs, options.names ?? {});
  const files = typeof source !== "string"
    ? sameKind(path, "these are", chosen(source))
    : source === "-"
    ? listed(path)
    : await filesOf(source);
  const onTotal = (samples: number) => options.onTotal?.(shareOf(Math.min(samples, limit), shard));
  if (Array.isArray(files) && files[0].kind === "image") onTotal(files.length);
  let warned = false;
  const onWarning = (warning: string) => {
    if (!warned) options.onWarning?.(warning);
    warned = true;
  };
  const alone = Array.isArray(files) && files.length === 1;
  const each = { ...options, onTotal: alone ? onTotal : undefined, onWarning };
  const picker = new Picker(shard, limit);
  for await (const file of files) {
    if (picker.done) break;
    try {
      yield* samplesOf(file, inputs, each, picker);
    } catch (error) {
      failFor(file.path, error);
    }
  }
  const { seen, picked } = picker.counts;
  if (seen === 0) fail(path, "there are no samples in it");
  if (picked > 0) return;
  fail(
    path,
    `${
      showShard(shard)
    } holds no sample, for there are ${seen} in all; share them out in fewer shards`,
  );
}

/** What errors call standard input. */
const LIST = "standard input";

/** The files of a list that another program writes. */
async function* listed(where: string): AsyncGenerator<SampleFile> {
  let first: SampleFile | undefined;
  try {
    for await (const path of inputLines()) {
      const file = sampleFile(path);
      sameKind(where, "it lists", first ? [first, file] : [file]);
      first ??= file;
      yield file;
    }
  } catch (error) {
    failFor(where, error);
  }
  if (!first) fail(where, "it lists no file; write one path or URL a line");
}

/** A file of samples. */
interface SampleFile {
  /** Its path, or of a file on a server what of its URL may be told. */
  readonly path: string;
  readonly kind: Kind;
  /** Where it lies on a server. */
  readonly url?: string;
  /** The file itself, where it has no path to be opened by. */
  readonly file?: File;
}

/** The files that a page was given, in the order of their names. */
function chosen(files: readonly File[]): SampleFile[] {
  if (files.length === 0) fail("samples", "there are none; give at least one file");
  return files.toSorted((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0)
    .map((file) => ({ path: file.name, kind: kindOf(file.name), file }));
}

/** Addresses of object stores in a form of their own. */
const STORE = /^(?:s3a?|gs|gcs|az|abfss?|wasbs?|oss|hdfs|dbfs):\/\//i;

/** A file by its path or URL. */
function sampleFile(path: string): SampleFile {
  if (STORE.test(path)) {
    fail(
      path,
      "object stores are read through https: URLs, such as presigned ones (aws s3 presign, gcloud storage " +
        "sign-url), or where they are mounted as a folder",
    );
  }
  if (!isRemote(path)) return { path, kind: kindOf(path) };
  const name = publicName(path);
  return { path: name, kind: kindOf(name.replace(/\?…$/, "")), url: path };
}

/** How the files at a path are called, once they were looked at. */
async function filesOf(path: string): Promise<SampleFile[]> {
  if (isRemote(path) || STORE.test(path)) return [sampleFile(path)];
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
  const said = isNotFound(error) ? "there is no such file or folder" : problem;
  throw new DataError(`${path}: ${said}`, { cause: error });
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
  { path, kind, file: given, url }: SampleFile,
  inputs: readonly TensorInfo[],
  options: ReadSamplesOptions,
  picker: Picker,
): AsyncGenerator<Feeds> {
  const { image = {}, names = {}, split = true, onTotal, onWarning } = options;
  if (kind === "image" && !picker.take()) return;
  using file = url === undefined ? await InputFile.open(given ?? path) : await remote(url, options);
  if (kind === "image") {
    yield await readImage(path, file, inputs[0], imageTarget(path, inputs, image), onWarning);
    return;
  }
  if (kind === "json") {
    yield* readJsonLines(path, file, inputs, names, picker);
    return;
  }
  const arrays = await arraysOf(path, kind, file);
  const picked = pickArrays(path, inputs, [...arrays.keys()], names);
  const sources: ArraySource[] = [];
  try {
    for (const name of picked) sources.push(await arrays.get(name)!());
    yield* splitSamples(path, inputs, sources, { split, picker, onTotal });
  } finally {
    for (const { bytes } of sources) await bytes.close?.();
  }
}

async function remote(
  url: string,
  { patience = 30, signal }: ReadSamplesOptions,
): Promise<InputFile> {
  const file = await RemoteFile.open(url, 1000 * patience, signal);
  return InputFile.of(file, file.size);
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
