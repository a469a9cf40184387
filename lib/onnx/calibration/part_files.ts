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
 * Reads parts, each when it is its turn.
 *
 * @throws {OnnxError} if a file cannot be read; names it.
 */
export async function* readParts(
  where: string,
  parts: CalibrationParts,
): AsyncGenerator<PartFile, void> {
  let number = 0;
  for await (const part of parts) {
    const name = typeof part === "string" ? part : `part ${number}`;
    number++;
    const whose = `${where}: ${name}`;
    const file = typeof part === "string" ? await bytesOf(whose, part) : part;
    yield { name, where: whose, file };
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
