/**
 * ONNX files, to and from models that can be changed.
 *
 * @module
 */
import { plainBytes } from "../../numbers/plain_bytes.ts";
import type { ModelProto } from "./proto.ts";
import { fileKind } from "../../files/file_kind.ts";
import { isNotFound, lstatIfThere, realPath, removeFile, systemError } from "../../files/disk.ts";
import { FileProblem, problemOf } from "../../files/file_problem.ts";
import { InputFile } from "../../files/input_file.ts";
import { pathOf, paths } from "../../files/paths.ts";
import { removeAbandoned, StagedFile } from "../../files/staged_file.ts";
import { FileBytes, KnownFile, lengthOf, type Part, piecesOf } from "../../files/file_bytes.ts";
import {
  externalLocations,
  largeBytes,
  LEAST_EXTERNAL,
  readExternalData,
  splitModel,
  takeExternalData,
} from "./external_data.ts";
import { ownDataFiles, removeUnused, type SeenFile } from "./data_files.ts";
import { loadMessages, type OnnxMessages } from "./messages.ts";
import { encodeModel } from "./message_parts.ts";
import { checkSize, MAX_MESSAGE_BYTES, OnnxModel } from "./model.ts";
import { SourceFile } from "./model_source.ts";
import { fail, OnnxError } from "./onnx_error.ts";
import { EXTERNAL, keepInFile, readStored, setRawData, storedBytes } from "./tensor_bytes.ts";
import { readThin, type ThinFile } from "./thin_file.ts";
import { checkWire } from "./wire_check.ts";

/** Options of {@linkcode loadOnnx}. */
export interface LoadOnnxOptions {
  /**
   * Where data files lie that belong to the model; by default the folder of the model's own file. Models
   * given as bytes need it if they have such files.
   */
  folder?: string | URL;
  /**
   * The bytes of data files that belong to the model, by their names without folders, where there is no folder to
   * read them from, as in a browser. They are not copied. With `folder`, only that is looked into.
   */
  dataFiles?: Readonly<Record<string, Uint8Array<ArrayBuffer>>>;
  /**
   * Bytes that a model's file, or its data files together, may have to be read at once; 64 MiB by default. The
   * constants of a larger model stay in the files and are read when they are needed, so these must stay as they are.
   */
  inMemory?: number;
}

/** Bytes that are read at once if nothing else is asked for. */
const IN_MEMORY = 64 << 20;

/** Options of {@linkcode saveOnnx}. */
export interface SaveOnnxOptions {
  /** Whether to replace files that exist; `false` by default. */
  force?: boolean;
  /**
   * Whether to write the large constants into a second file, named as the first with `.data` at the end; by
   * default only if one file cannot hold them.
   */
  externalData?: boolean;
}

/** What a model is given beside its large constants before these are written into a second file. */
const OTHER_BYTES = 64 << 20;

/** A model's file: its bytes, or those without large constants, and these. */
type ModelFile = Pick<ThinFile, "bytes"> & Partial<ThinFile> & { readonly file?: KnownFile };

/**
 * Reads a file that may be a model.
 *
 * @param most bytes that are read at once; of a larger file the large constants stay there.
 */
async function readModelFile(path: string, most: number): Promise<ModelFile> {
  try {
    using file = await InputFile.open(path);
    if (file.size > MAX_MESSAGE_BYTES) {
      fail(`it has ${file.size} bytes, and an ONNX file has at most ${MAX_MESSAGE_BYTES}`);
    }
    if (file.size > most) {
      file.checkStored(file.size);
      const known = await KnownFile.find(path);
      const thin = readThin(known, LEAST_EXTERNAL);
      if (thin) return { ...thin, file: known };
    }
    return { bytes: await file.read(0, file.size) };
  } catch (error) {
    const problem = problemOf(error);
    // That there is none has a class of its own, which callers know.
    if (problem === undefined || isNotFound(error)) throw error;
    fail(problem, error);
  }
}

/** The model in a file, and what it gives back as it came. */
function modelIn(messages: OnnxMessages, { bytes, holes, file }: ModelFile): OnnxModel {
  const proto = decode(messages, bytes);
  if (!holes || !file) return new OnnxModel(proto, messages, bytes);
  for (const [i, raw] of holes) {
    const tensor = proto.graph!.initializer[i];
    // One that is said to lie in another file too is read from there.
    if (tensor.dataLocation !== EXTERNAL) keepInFile(tensor, raw);
  }
  const whole = new FileBytes(file, 0, file.size);
  return new OnnxModel(proto, messages, new SourceFile(whole, messages, proto));
}

/** The message in a file's bytes. */
function decode(messages: OnnxMessages, bytes: Uint8Array<ArrayBuffer>): ModelProto {
  const { onnx: { ModelProtoSchema }, protobuf: { fromBinary } } = messages;
  const kind = () => {
    const found = fileKind(bytes);
    return found ? `it looks like ${found}` : "it is damaged, cut off or something else";
  };
  let model: ModelProto;
  try {
    checkWire(ModelProtoSchema, bytes);
    model = fromBinary(ModelProtoSchema, bytes);
  } catch (cause) {
    fail(`this is no ONNX model: ${kind()} (${(cause as Error).message})`, cause);
  }
  if (!model.graph) fail(`this is no ONNX model, for it has no graph: ${kind()}`);
  return model;
}

/**
 * Reads an ONNX model. The file is taken as hostile: it must be whole, every tensor must have the bytes
 * that its shape asks for, every value that a node reads must exist, and no node may wait for itself.
 *
 * Elements that lie in other files are read too, if those are in the model's folder; the model then holds
 * them itself. Bytes are not copied: tensors are views of them. Those of large models stay in the files; `readTensor`
 * reads them there.
 *
 * @param source a path, a `file:` URL, or the bytes of a file.
 * @param options where data files lie.
 * @throws {OnnxError} if it is no ONNX model, is damaged, or lacks a data file; says what is wrong.
 * @throws {Error} with the code `ENOENT`, in Deno a `Deno.errors.NotFound`, if there is no such file.
 *
 * @example
 * ```ts
 * import { exportOnnx, Linear, loadOnnx, randn } from "@staticquant/staticquant";
 * const model = await loadOnnx(await exportOnnx(new Linear(4, 2), randn([1, 4])));
 * console.log(model.graph.input[0].name); // input
 * // await loadOnnx("model.onnx");
 * ```
 */
export async function loadOnnx(
  source: string | URL | Uint8Array<ArrayBuffer>,
  options: LoadOnnxOptions = {},
): Promise<OnnxModel> {
  const { inMemory = IN_MEMORY } = options;
  const path = source instanceof Uint8Array ? undefined : pathOf(source);
  const folder = options.folder ?? (path === undefined ? undefined : paths().dirname(path));
  const messages = await loadMessages("loadOnnx");
  try {
    const file = path === undefined
      ? { bytes: plainBytes(source as Uint8Array<ArrayBuffer>) }
      : await readModelFile(path, inMemory);
    const model = modelIn(messages, file);
    if (options.dataFiles && folder === undefined) {
      takeExternalData(model.proto, options.dataFiles);
    }
    await readExternalData(
      model.proto,
      folder === undefined ? undefined : pathOf(folder),
      inMemory,
    );
    model.check();
    return model;
  } catch (error) {
    if (!(error instanceof OnnxError)) throw error;
    const { message, cause } = error;
    throw new OnnxError(`loadOnnx: ${path === undefined ? "" : `${path}: `}${message}`, { cause });
  }
}

async function exists(path: string): Promise<boolean> {
  return await lstatIfThere(path) !== undefined;
}

/** A name for a data file that nothing has: an old model keeps its own until the new one is there. */
async function freeName(folder: string, wish: string): Promise<string> {
  let name = `${wish}.data`;
  for (let i = 1; await exists(paths().join(folder, name)); i++) name = `${wish}.${i}.data`;
  return name;
}

/** The data files of the model at a path that a call like this one wrote for it. */
async function replacedData(messages: OnnxMessages, path: string): Promise<SeenFile[]> {
  try {
    const { bytes } = await readModelFile(path, IN_MEMORY);
    return await ownDataFiles(path, externalLocations(decode(messages, bytes)));
  } catch {
    return []; // nothing there, or nothing of ours
  }
}

/**
 * Writes a model as an ONNX file. A model that was loaded and not changed gives the same bytes again.
 *
 * The file appears under its name when it's complete, and replaces another one at once: whatever happens
 * in between, there is the old model, or none, or the new one. Permission to write is needed for
 * the folder, since the file gets its name last. A link is written through, and a file that is replaced keeps its
 * rights. Data files of the old model go with it, unless another model in the folder uses them.
 *
 * @param model the model.
 * @param path where to write it, or a `file:` URL.
 * @param options whether to replace files, and whether to write large constants into a second one. Where the
 * name of that is taken by data of the model that is replaced, it gets a number.
 * @returns the paths written: the model's, and that of its data if there is one.
 * @throws {Error} with the code `EEXIST`, in Deno a `Deno.errors.AlreadyExists`, if the file exists and `force` is
 * not set.
 * @throws {OnnxError} if the model is too large for one file even without its large constants, or the path is
 * that of a folder, a device or a circle of links.
 *
 * @example
 * ```ts ignore
 * import { loadOnnx, saveOnnx } from "@staticquant/staticquant";
 * const model = await loadOnnx("model.onnx");
 * model.proto.producerName = "me";
 * await saveOnnx(model, "changed.onnx");
 * ```
 */
export async function saveOnnx(
  model: OnnxModel,
  path: string | URL,
  options: SaveOnnxOptions = {},
): Promise<string[]> {
  const { force = false } = options;
  const target = pathOf(path);
  const refuseExisting = async () => {
    if (!force && await exists(target)) {
      throw systemError(
        "EEXIST",
        `saveOnnx: ${target} exists; choose another name, or replace it with force`,
      );
    }
  };
  await refuseExisting();
  await removeAbandoned(target);
  const { basename, dirname, join } = paths();
  const [folder, name] = [dirname(target), basename(target)];
  const { externalData = largeBytes(model.proto) > MAX_MESSAGE_BYTES - OTHER_BYTES } = options;
  const { parts } = externalData ? splitModel(model.messages, model.proto, name) : { parts: [] };
  await using data = parts.length > 0
    ? await StagedFile.writeBeside(join(folder, `${name}.data`), piecesOf(parts), target).catch(
      refused,
    )
    : undefined;
  for (;;) {
    const dataName = data && await freeName(folder, name);
    await using file = await StagedFile.write(target, piecesOf(encode(model, dataName)))
      .catch(refused);
    await refuseExisting();
    // The data come first, under a name that no model refers to yet; who was quicker to take it keeps it.
    if (data && !await data.commitAs(dataName!)) continue;
    const written = dataName === undefined ? [target] : [target, join(folder, dataName)];
    const replaced = await replacedData(model.messages, target);
    await bringIn(model, [target, ...replaced.map(({ path }) => path)]);
    try {
      await file.commit();
    } catch (error) {
      await Promise.all(written.slice(1).map((path) => removeFile(path).catch(() => {})));
      throw error;
    }
    await removeUnused(replaced);
    return written;
  }
}

/** Fails as this does for what has the name of a file and cannot be written as one. */
function refused(cause: unknown): never {
  if (!(cause instanceof FileProblem)) throw cause;
  fail(`saveOnnx: ${cause.message}`, cause);
}

/** The parts of a model's file, its large constants in a file of this name if one is given. */
function encode(model: OnnxModel, dataName: string | undefined): Part[] {
  const { messages } = model;
  const parts = dataName === undefined
    ? model.parts()
    : encodeModel(messages, splitModel(messages, model.proto, dataName).model);
  checkSize(lengthOf(parts));
  return parts;
}

/** Reads the constants of a model that stayed in files which are about to be replaced. */
async function bringIn(model: OnnxModel, paths: readonly string[]): Promise<void> {
  const gone = new Set(
    await Promise.all(paths.map((path) => realPath(path).catch(() => undefined))),
  );
  for (const tensor of model.graph.initializer) {
    const bytes = storedBytes(tensor);
    if (bytes && gone.has(bytes.file.path)) setRawData(tensor, readStored(tensor, bytes));
  }
}
