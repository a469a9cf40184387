/**
 * Handing models to onnxruntime, large ones without a copy of their constants.
 *
 * A model as one array is held three times before it runs: by us, by the message that onnxruntime makes of it, and
 * by its tensors. Constants that lie in files it maps into memory instead, and gives back once it has brought
 * them into the form that its kernels read.
 *
 * @module
 */
import {
  FileBytes,
  joinParts,
  type KnownFile,
  lengthOf,
  type Part,
  piecesOf,
} from "../../files/file_bytes.ts";
import { paths } from "../../files/paths.ts";
import { problemOf } from "../../files/file_problem.ts";
import { isRefused } from "../../files/permissions.ts";
import { ScratchFolder } from "../../files/scratch_folder.ts";
import { bitsOf } from "../file/data_type.ts";
import { DataLayout, largeConstants, placeConstants } from "../file/external_data.ts";
import { encodeModel } from "../file/message_parts.ts";
import type { OnnxModel } from "../file/model.ts";
import { OnnxError } from "../file/onnx_error.ts";
import type { ModelProto, TensorProto } from "../file/proto.ts";
import { storedBytes } from "../file/tensor_bytes.ts";
import { tensorType } from "../file/tensor_data.ts";
import { runtimeHasFiles } from "./load_ort.ts";
import { type Ort, type OrtSession, type SessionOptions, withSessionSettings } from "./ort.ts";

/** Bytes of constants in memory that are copied into the message; more are given apart. */
const INLINE = 16 << 20;

/** The name of the file for constants that have none that onnxruntime can map. */
const DATA = "constants";

/** Where constants lie in files. */
type Places = ReadonlyMap<TensorProto, { readonly location: string; readonly offset: number }>;

/** A large constant, and where its bytes are. */
interface Large {
  readonly tensor: TensorProto;
  readonly part: Part;
}

/** Whether a constant lies in a file so that its elements can be read where they are mapped. */
function isAligned({ tensor, part }: Large): boolean {
  return part instanceof FileBytes && part.offset % Math.ceil(bitsOf(tensorType(tensor)) / 8) === 0;
}

/** The model's bytes with constants in other files, and those that are in memory. */
function outlineOf({ messages, proto }: OnnxModel, places: Places): Uint8Array<ArrayBuffer> {
  const outline: ModelProto = placeConstants(messages, proto, (tensor) => places.get(tensor));
  return joinParts(encodeModel(messages, outline));
}

/** Opens a session of bytes that are of no use afterwards. */
async function fromBytes(
  ort: Ort,
  bytes: Uint8Array<ArrayBuffer>,
  options: SessionOptions,
): Promise<OrtSession> {
  try {
    return await ort.InferenceSession.create(bytes, options);
  } finally {
    // Now, not when the garbage collector finds them.
    bytes.buffer.transfer(0);
  }
}

/** Gives the large constants apart, out of memory. */
function fromMemory(
  ort: Ort,
  model: OnnxModel,
  large: readonly Large[],
  options: SessionOptions,
): Promise<OrtSession> {
  const externalData = large.map(({ part }, i) => {
    return { path: `${DATA}${i}`, data: part instanceof FileBytes ? part.read() : part };
  });
  const places = new Map(
    large.map(({ tensor }, i) => [tensor, { location: `${DATA}${i}`, offset: 0 }] as const),
  );
  return fromBytes(ort, outlineOf(model, places), { ...options, externalData });
}

/** Has onnxruntime map files of one folder. */
function fromFolder(
  ort: Ort,
  model: OnnxModel,
  folder: string,
  places: Places,
  options: SessionOptions,
): Promise<OrtSession> {
  const settings = withSessionSettings(options, {
    model_external_initializers_file_folder_path: folder,
  });
  return fromBytes(ort, outlineOf(model, places), settings);
}

/** Brings all that onnxruntime is to map into one folder, for as long as it takes to open the session. */
async function fromScratch(
  ort: Ort,
  model: OnnxModel,
  large: readonly Large[],
  options: SessionOptions,
): Promise<OrtSession> {
  await using scratch = await ScratchFolder.create();
  const names = new Map<KnownFile, string>();
  const places = new Map<TensorProto, { location: string; offset: number }>();
  const layout = new DataLayout();
  for (const each of large) {
    const { tensor, part } = each;
    if (!(part instanceof FileBytes) || !isAligned(each)) {
      places.set(tensor, { location: DATA, offset: layout.add(part) });
      continue;
    }
    const name = names.get(part.file) ?? `file${names.size}`;
    if (!names.has(part.file)) await scratch.bring(part.file.path, name);
    names.set(part.file, name);
    places.set(tensor, { location: name, offset: part.offset });
  }
  await scratch.write(DATA, piecesOf(layout.parts));
  return await fromFolder(ort, model, scratch.path, places, options);
}

/** @throws {OnnxError} if a file is no longer what it was when the model was loaded. */
function checkFiles(large: readonly Large[]): void {
  for (const file of new Set(large.map(({ part }) => part instanceof FileBytes && part.file))) {
    if (!file) continue;
    try {
      file.check();
    } catch (cause) {
      throw new OnnxError(`constants are in ${file.path}: ${problemOf(cause) ?? cause}`, { cause });
    }
  }
}

/**
 * Opens a session.
 *
 * @param inline bytes of constants up to which a model is given as one array, and those in memory of a larger one
 * inside of its message.
 */
export async function openSession(
  ort: Ort,
  model: OnnxModel,
  options: SessionOptions,
  inline: number = INLINE,
): Promise<OrtSession> {
  const large = largeConstants(model.proto).map((tensor): Large => {
    return { tensor, part: storedBytes(tensor) ?? tensor.rawData };
  });
  const stored = large.filter(({ part }) => part instanceof FileBytes);
  checkFiles(stored);
  if (stored.length === 0 || !runtimeHasFiles()) {
    if (lengthOf(large.map(({ part }) => part)) <= inline) {
      return await fromBytes(ort, model.toBytes(), options);
    }
    return await fromMemory(ort, model, large, options);
  }
  const aligned = stored.filter(isAligned);
  const rest = lengthOf(large.map(({ part }) => part)) - lengthOf(aligned.map(({ part }) => part));
  const { basename, dirname } = paths();
  const files = aligned.map(({ part }) => (part as FileBytes).file.path);
  const [folder, another] = new Set(files.map(dirname));
  if (rest > inline || folder === undefined || another !== undefined) {
    // Where no temporary file may be written, a model that one array can hold is given as one.
    return await fromScratch(ort, model, large, options).catch((cause) => {
      if (!isRefused(cause)) throw cause;
      return fromBytes(ort, model.toBytes(), options);
    });
  }
  const places = new Map(
    aligned.map(({ tensor, part }, i) =>
      [tensor, { location: basename(files[i]), offset: (part as FileBytes).offset }] as const
    ),
  );
  return await fromFolder(ort, model, folder, places, options);
}
