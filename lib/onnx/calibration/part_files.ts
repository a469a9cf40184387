/**
 * Parts that are brought together, one after the other.
 *
 * @module
 */
import { problemOf } from "../../files/file_problem.ts";
import { InputFile } from "../../files/input_file.ts";
import { OnnxError } from "../file/onnx_error.ts";

/** Parts one after the other: their bytes, or the paths of files. */
export type CalibrationParts =
  | Iterable<Uint8Array | string>
  | AsyncIterable<Uint8Array | string>;

/** A part that was read and not yet looked at. */
export interface PartFile {
  /** Its name: the path, or its number. */
  readonly name: string;
  /** Opens the errors about it. */
  readonly where: string;
  /** All its bytes. */
  readonly file: Uint8Array;
}

/**
 * Reads parts, each while the one before it is looked at.
 *
 * @throws {OnnxError} if a file cannot be read; names it.
 */
export async function* readParts(
  where: string,
  parts: CalibrationParts,
): AsyncGenerator<PartFile, void> {
  const source = Symbol.asyncIterator in parts
    ? parts[Symbol.asyncIterator]()
    : parts[Symbol.iterator]();
  let number = 0;
  const take = async (): Promise<PartFile | undefined> => {
    const { done, value } = await source.next();
    if (done) return undefined;
    const name = typeof value === "string" ? value : `part ${number}`;
    number++;
    const whose = `${where}: ${name}`;
    const file = typeof value === "string" ? await bytesOf(whose, value) : value;
    return { name, where: whose, file };
  };
  let next = take();
  try {
    for (let part = await next; part; part = await next) {
      next = take();
      // An error is told when it is its turn.
      next.catch(() => {});
      yield part;
    }
  } finally {
    // Who gives the parts may be waiting for the next one.
    void source.return?.();
  }
}

async function bytesOf(where: string, path: string): Promise<Uint8Array> {
  try {
    using file = await InputFile.open(path);
    return await file.read(0, file.size);
  } catch (error) {
    const problem = problemOf(error);
    if (problem === undefined) throw error;
    throw new OnnxError(`${where}: ${problem}`, { cause: error });
  }
}
