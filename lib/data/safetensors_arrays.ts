/**
 * The tensors of a safetensors file as arrays to split.
 *
 * @module
 */
import type { InputFile } from "../files/input_file.ts";
import {
  headerLength,
  LENGTH_BYTES,
  parseHeader,
  type Place,
  SafetensorsError,
} from "../files/safetensors_header.ts";
import type { ArraySource } from "./array_source.ts";
import { FileRange } from "./byte_source.ts";
import { fail, short } from "./data_error.ts";
import type { ElementType } from "./element_type.ts";

const TYPES: ReadonlyMap<string, ElementType> = new Map([
  ["F32", "float32"],
  ["F64", "float64"],
  ["F16", "float16"],
  ["I64", "int64"],
  ["U64", "uint64"],
  ["I32", "int32"],
  ["U32", "uint32"],
  ["I16", "int16"],
  ["U16", "uint16"],
  ["I8", "int8"],
  ["U8", "uint8"],
  ["BOOL", "bool"],
]);

/** Bytes from the start of a file by which it can be told what it is. */
const FIRST_BYTES = 256;

/**
 * The arrays of a file, by name. Only the header is read.
 *
 * @param where the file, for errors.
 * @param file the open file.
 * @throws {DataError} if it is no valid safetensors.
 */
export async function openSafetensors(
  where: string,
  file: InputFile,
): Promise<ReadonlyMap<string, () => ArraySource>> {
  const { places, begin } = await readHeader(where, file);
  return new Map(
    places.map((place) => [place.name, () => {
      const { name, shape, dtype } = place;
      const inside = `${where}: ${short(name)}`;
      const type = TYPES.get(dtype) ??
        fail(inside, `elements of type ${dtype} cannot be fed; convert them, say to F32`);
      const bytes = new FileRange(inside, file, begin + place.begin, place.end - place.begin);
      return { where: inside, name, type, shape, bytes };
    }]),
  );
}

/** The tensors of a file, and where their bytes begin in it. */
async function readHeader(
  where: string,
  file: InputFile,
): Promise<{ places: readonly Place[]; begin: number }> {
  try {
    const length = headerLength(await file.read(0, FIRST_BYTES), file.size);
    const begin = LENGTH_BYTES + length;
    const header = await file.read(LENGTH_BYTES, length);
    return { places: parseHeader(header, file.size - begin).places, begin };
  } catch (error) {
    if (!(error instanceof SafetensorsError)) throw error;
    fail(where, error.message);
  }
}
