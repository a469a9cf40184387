/**
 * Elements of tensors that lie in files of their own beside the model.
 *
 * @module
 */
import type { FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto } from "./proto.ts";
import type { OnnxMessages } from "./messages.ts";
import { fail, show } from "./onnx_error.ts";
import { subgraphs } from "./subgraphs.ts";
import { isNotFound, realPath, stat } from "../../files/disk.ts";
import { problemOf } from "../../files/file_problem.ts";
import { InputFile } from "../../files/input_file.ts";
import { paths } from "../../files/paths.ts";
import { FileBytes, KnownFile, type Part } from "../../files/file_bytes.ts";
import { withFields } from "./message_parts.ts";
import { EXTERNAL, keepInFile, rawLength, setRawData, storedBytes } from "./tensor_bytes.ts";
import { tensorByteSize, tensorType } from "./tensor_data.ts";

/** The smallest tensor that is written into another file, or stays in one, in bytes. */
export const LEAST_EXTERNAL = 1024;
/** Large tensors begin at a multiple of a page, so that they can be mapped into memory. */
const PAGE = 4096;
/** The smallest tensor that is worth a page. */
const LARGE = 1 << 20;
/** Others begin at a multiple of what wide loads like. */
const ALIGNMENT = 64;

/** All dense tensors in nodes and in graphs inside of them. */
function* nodeTensors(nodes: readonly NodeProto[]): Generator<TensorProto> {
  for (const node of nodes) {
    for (const { t, tensors } of node.attribute) {
      if (t) yield t;
      yield* tensors;
    }
    for (const inner of subgraphs(node)) yield* tensorsOf(inner);
  }
}

function* tensorsOf(graph: GraphProto | FunctionProto): Generator<TensorProto> {
  if ("initializer" in graph) {
    yield* graph.initializer;
    for (const { values, indices } of graph.sparseInitializer) {
      if (values) yield values;
      if (indices) yield indices;
    }
  }
  yield* nodeTensors(graph.node);
}

/** The tensors of a model whose elements lie in other files. */
export function externalTensors(model: ModelProto): TensorProto[] {
  const parts = [...model.graph ? [model.graph] : [], ...model.functions];
  return parts.flatMap((part) => [...tensorsOf(part)])
    .filter(({ dataLocation }) => dataLocation === EXTERNAL);
}

/** Where a tensor's elements lie. */
interface Place {
  readonly location: string;
  readonly offset: number;
  /** Up to the file's end if it isn't said. */
  readonly length: number | undefined;
}

function placeOf(tensor: TensorProto): Place {
  const entry = (key: string) => tensor.externalData.find((e) => e.key === key)?.value;
  const number = (key: string) => {
    const text = entry(key);
    if (text === undefined) return undefined;
    if (!/^\d{1,15}$/.test(text)) {
      fail(`the external data of tensor ${show(tensor.name)} have the ${key} ${show(text)}`);
    }
    return Number(text);
  };
  const location = entry("location");
  if (!location) fail(`the external data of tensor ${show(tensor.name)} have no location`);
  return { location, offset: number("offset") ?? 0, length: number("length") };
}

/** The files that a model's external data lie in, as it names them. */
export function externalLocations(model: ModelProto): Set<string> {
  return new Set(externalTensors(model).map((tensor) => placeOf(tensor).location));
}

/**
 * The path of a data file, after checking that it's a file in the model's folder.
 *
 * @param folder the model's folder without symbolic links.
 */
async function resolve(folder: string, location: string, tensor: string): Promise<string> {
  const { isAbsolute, join, relative, sep } = paths();
  const said = `the external data of tensor ${show(tensor)} are said to be in ${show(location)}`;
  const outside = `${said}, which is not in the model's folder; only files in it are read`;
  if (isAbsolute(location) || /^[a-zA-Z]:|^[\\/]|\0/.test(location)) fail(outside);
  if (location.split(/[\\/]/).includes("..")) fail(outside);
  const path = join(folder, location);
  let real: string;
  try {
    real = await realPath(path);
  } catch (cause) {
    if (isNotFound(cause)) {
      fail(`${said}, and there is no ${path}; put it beside the model`, cause);
    }
    return failFor(said, cause);
  }
  const inside = relative(folder, real);
  if (inside === ".." || inside.startsWith(`..${sep}`) || isAbsolute(inside)) {
    fail(`${said}, a link to ${real} outside of the model's folder; put the file itself there`);
  }
  if (!(await stat(real)).isFile) fail(`${said}, which is no file`);
  return real;
}

/** Fails with what the system says of a file; other errors pass. */
function failFor(said: string, cause: unknown): never {
  const problem = problemOf(cause);
  if (problem === undefined) throw cause;
  fail(`${said}, and ${problem}`, cause);
}

/** A tensor's bytes in a file, from `start` to before `end`. */
interface Range {
  readonly tensor: TensorProto;
  readonly start: number;
  readonly end: number;
}

/** The range of a tensor, after checking that the file has it and that it is what the shape asks for. */
function rangeOf(tensor: TensorProto, path: string, size: number): Range {
  const { offset, length } = placeOf(tensor);
  const end = offset + (length ?? Math.max(size - offset, 0));
  if (offset > size || end > size) {
    fail(
      `tensor ${
        show(tensor.name)
      } is said to be at bytes ${offset} to ${end} of ${path}, which has ` +
        `${size}; the file is cut off or belongs to another model`,
    );
  }
  const needed = tensorByteSize(tensor);
  if (tensorType(tensor) === "string" || end - offset !== needed) {
    fail(
      `tensor ${show(tensor.name)} of ${tensorType(tensor)} and shape [${
        tensor.dims.join(", ")
      }] ` +
        `has ${
          end - offset
        } bytes and needs ${needed} in ${path}, which is damaged or belongs to another model`,
    );
  }
  return { tensor, start: offset, end };
}

/** The bytes of ranges of a file. Those that overlap share them, so no byte is read twice. */
async function readRanges(
  file: InputFile,
  path: string,
  ranges: readonly Range[],
): Promise<Map<TensorProto, Uint8Array<ArrayBuffer>>> {
  const sorted = [...ranges].sort((a, b) => a.start - b.start || b.end - a.end);
  const spans: { start: number; end: number; ranges: Range[] }[] = [];
  for (const range of sorted) {
    const last = spans.at(-1);
    if (last && range.start < last.end) {
      last.end = Math.max(last.end, range.end);
      last.ranges.push(range);
    } else spans.push({ start: range.start, end: range.end, ranges: [range] });
  }
  file.checkStored(spans.reduce((sum, { start, end }) => sum + end - start, 0));
  const found = new Map<TensorProto, Uint8Array<ArrayBuffer>>();
  for (const { start, end, ranges } of spans) {
    const bytes = await file.read(start, end - start);
    if (bytes.length !== end - start) fail(`${path} was cut off while it was read`);
    for (const range of ranges) {
      found.set(range.tensor, bytes.subarray(range.start - start, range.end - start));
    }
  }
  return found;
}

/** The bytes of tensors in one file; those of which `stay` says so stay there. */
async function readTensors(
  path: string,
  tensors: readonly TensorProto[],
  stay: (tensor: TensorProto) => boolean,
): Promise<Map<TensorProto, Uint8Array<ArrayBuffer> | FileBytes>> {
  const [{ name }] = tensors;
  try {
    using file = await InputFile.open(path);
    const ranges = tensors.map((tensor) => rangeOf(tensor, path, file.size));
    const { here = [], there = [] } = Object.groupBy(
      ranges,
      ({ tensor }) => stay(tensor) ? "there" : "here",
    );
    const known = await KnownFile.find(path);
    const found: Map<TensorProto, Uint8Array<ArrayBuffer> | FileBytes> = await readRanges(
      file,
      path,
      here,
    );
    file.checkStored(Math.max(0, ...there.map(({ start, end }) => end - start)));
    for (const { tensor, start, end } of there) {
      found.set(tensor, new FileBytes(known, start, end - start));
    }
    return found;
  } catch (cause) {
    if (cause instanceof RangeError) fail(`there is no memory for the data in ${path}`, cause);
    const said = `the external data of tensor ${show(name)} are said to be in ${show(path)}`;
    return failFor(said, cause);
  }
}

/**
 * Reads the elements that lie in other files into a model. Of each file only what tensors have of it is read,
 * after all that is said of it was checked; tensors that overlap show parts of the same bytes. If they are many
 * bytes, the constants of the main graph stay in their files.
 *
 * @param model is changed only if all could be read.
 * @param folder the model's folder; `undefined` for a model that came without one.
 * @param most bytes that are read at once.
 * @throws {OnnxError} if a file is missing, lies outside of the folder, is too short, or does not have what a
 * tensor's shape asks for.
 */
export async function readExternalData(
  model: ModelProto,
  folder: string | undefined,
  most: number,
): Promise<void> {
  const tensors = externalTensors(model).filter((tensor) => !storedBytes(tensor));
  if (tensors.length === 0) return;
  if (folder === undefined) {
    fail(
      `the elements of tensor ${show(tensors[0].name)} are in the file ` +
        `${show(placeOf(tensors[0]).location)}; say in which folder it is by the option folder`,
    );
  }
  const root = await realPath(folder).catch((cause) => failFor(`its folder is ${folder}`, cause));
  const paths = new Map<string, string>();
  const files = new Map<string, TensorProto[]>();
  for (const tensor of tensors) {
    const { location } = placeOf(tensor);
    const path = paths.get(location) ?? await resolve(root, location, tensor.name);
    paths.set(location, path);
    const inside = files.get(path);
    if (inside) inside.push(tensor);
    else files.set(path, [tensor]);
  }
  let total = 0;
  for (const [path, inside] of files) {
    const said = inside.reduce((sum, tensor) => sum + tensorByteSize(tensor), 0);
    total += Math.min(said, (await stat(path)).size); // tensors may overlap
  }
  const large = total > most;
  const constants = new Set(model.graph?.initializer);
  const stays = (tensor: TensorProto) =>
    large && constants.has(tensor) && tensorByteSize(tensor) >= LEAST_EXTERNAL;
  const found: Map<TensorProto, Uint8Array<ArrayBuffer> | FileBytes>[] = [];
  for (const [path, inside] of files) found.push(await readTensors(path, inside, stays));
  for (const [tensor, bytes] of found.flatMap((file) => [...file])) {
    if (bytes instanceof FileBytes) keepInFile(tensor, bytes);
    else setRawData(tensor, bytes);
  }
}

/**
 * Takes the elements that lie in other files out of the bytes of these, after all that is said of them was checked.
 * They are not copied. A file is known by its name without folders.
 *
 * @param model is changed only if all were given.
 * @param files the bytes of each file.
 * @throws {OnnxError} if a file was not given, is too short, or does not have what a tensor's shape asks for.
 */
export function takeExternalData(
  model: ModelProto,
  files: Readonly<Record<string, Uint8Array<ArrayBuffer>>>,
): void {
  const given = new Map(Object.entries(files));
  const ranges = externalTensors(model).filter((tensor) => !storedBytes(tensor)).map((tensor) => {
    const { location } = placeOf(tensor);
    const name = location.split(/[\\/]/).at(-1)!;
    const bytes = given.get(name);
    if (!bytes) {
      fail(
        `the external data of tensor ${show(tensor.name)} are said to be in ${show(location)}; ` +
          `give the file ${show(name)} together with the model`,
      );
    }
    return { bytes, ...rangeOf(tensor, show(name), bytes.length) };
  });
  for (const { tensor, bytes, start, end } of ranges) {
    setRawData(tensor, bytes.subarray(start, end));
  }
}

/** A model without its large constants, and those. */
export interface SplitModel {
  /** The model, whose large constants are said to lie in the other file. */
  readonly model: ModelProto;
  /** That file's bytes, one part after the other. */
  readonly parts: Part[];
}

/** Whether a constant is large enough for the other file. */
function isLarge(tensor: TensorProto): boolean {
  return rawLength(tensor) >= LEAST_EXTERNAL;
}

/**
 * A model whose constants are said to lie in files; what they hold is shared.
 *
 * @param placeOf where a constant is said to lie; one of which nothing is said stays as it is.
 */
export function placeConstants(
  { onnx, protobuf: { create } }: OnnxMessages,
  model: ModelProto,
  placeOf: (tensor: TensorProto) => { location: string; offset: number } | undefined,
): ModelProto {
  const initializer = (model.graph?.initializer ?? []).map((tensor) => {
    const place = placeOf(tensor);
    if (!place) return tensor;
    const { location, offset } = place;
    const entries = { location, offset: String(offset), length: String(rawLength(tensor)) };
    const externalData = Object.entries(entries).map(([key, value]) =>
      create(onnx.StringStringEntryProtoSchema, { key, value })
    );
    const moved = withFields(tensor, { externalData, dataLocation: EXTERNAL });
    delete (moved as Partial<TensorProto>).rawData;
    return moved;
  });
  const graph = model.graph && withFields(model.graph, { initializer });
  return withFields(model, { graph });
}

/** Lays parts out in a file one after the other, so that each can be mapped or loaded fast. */
export class DataLayout {
  /** The file's bytes, one part after the other. */
  readonly parts: Part[] = [];
  private at = 0;

  /** Adds a part; returns where it begins. */
  add(part: Part): number {
    const alignment = part.length >= LARGE ? PAGE : ALIGNMENT;
    const offset = Math.ceil(this.at / alignment) * alignment;
    if (offset > this.at) this.parts.push(new Uint8Array(offset - this.at));
    this.parts.push(part);
    this.at = offset + part.length;
    return offset;
  }
}

/**
 * Moves the constants of the main graph that take 1 KiB or more into one other file.
 *
 * @param location the name of that file.
 */
export function splitModel(
  messages: OnnxMessages,
  model: ModelProto,
  location: string,
): SplitModel {
  const layout = new DataLayout();
  const split = placeConstants(messages, model, (tensor) => {
    if (!isLarge(tensor)) return undefined;
    return { location, offset: layout.add(storedBytes(tensor) ?? tensor.rawData) };
  });
  return { model: split, parts: layout.parts };
}

/** The constants of a model that could lie in another file. */
export function largeConstants(model: ModelProto): TensorProto[] {
  return (model.graph?.initializer ?? []).filter(isLarge);
}

/** Bytes of a model's constants that could lie in another file. */
export function largeBytes(model: ModelProto): number {
  return largeConstants(model).reduce((sum, tensor) => sum + rawLength(tensor), 0);
}
