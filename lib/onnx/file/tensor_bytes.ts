/**
 * Where the bytes of a tensor are: in its message, in a file from which they are read when they are needed, or
 * in a file that nobody has read yet.
 *
 * @module
 */
import type { FileBytes } from "../../files/file_bytes.ts";
import { problemOf } from "../../files/file_problem.ts";
import { fail, show } from "./onnx_error.ts";
import type { TensorProto } from "./proto.ts";

/** The value of `TensorProto.dataLocation` that says that the elements are in another file. */
export const EXTERNAL = 1;

/**
 * The bytes of tensors that stay in their files. Not in the messages: what these say of files comes from outside,
 * and only what was checked is read.
 */
const stored = new WeakMap<TensorProto, FileBytes>();

/** The bytes of a tensor that are read from a file when they are needed; nothing for other tensors. */
export function storedBytes(tensor: TensorProto): FileBytes | undefined {
  return tensor.dataLocation === EXTERNAL ? stored.get(tensor) : undefined;
}

/** Has the bytes of a tensor stay in a file. */
export function keepInFile(tensor: TensorProto, bytes: FileBytes): void {
  delete (tensor as Partial<TensorProto>).rawData;
  tensor.externalData = [];
  tensor.dataLocation = EXTERNAL;
  stored.set(tensor, bytes);
}

/** Has a copy of a message read the same file as the message, if that is a tensor that does. */
export function shareStored(message: object, copy: object): void {
  const bytes = stored.get(message as TensorProto);
  if (bytes) stored.set(copy as TensorProto, bytes);
}

/** How many raw bytes a tensor has, wherever they are. */
export function rawLength(tensor: TensorProto): number {
  return (storedBytes(tensor) ?? tensor.rawData).length;
}

/**
 * The bytes of a tensor from its file, in a buffer of their own.
 *
 * @throws {OnnxError} if the file is no longer what it was.
 */
export function readStored(tensor: TensorProto, bytes: FileBytes): Uint8Array<ArrayBuffer> {
  try {
    return bytes.read();
  } catch (cause) {
    const problem = problemOf(cause);
    if (problem === undefined) throw cause;
    fail(
      `the elements of tensor ${show(tensor.name)} are in ${bytes.file.path}: ${problem}`,
      cause,
    );
  }
}

/** Puts raw bytes into a tensor, or takes them out; either way it has none elsewhere. */
export function setRawData(tensor: TensorProto, bytes: Uint8Array<ArrayBuffer> | undefined): void {
  // A field that is set to its default is written; one that is deleted is not.
  const fields = tensor as Partial<TensorProto>;
  if (bytes) tensor.rawData = bytes;
  else delete fields.rawData;
  delete fields.dataLocation;
  delete fields.segment;
  tensor.externalData = [];
}
