/**
 * The tensors of a safetensors file as arrays to split.
 *
 * @module
 */
import { parseSafetensors } from "../files/safetensors.ts";
import type { ArraySource } from "./array_source.ts";
import { MemoryBytes } from "./byte_source.ts";
import { fail } from "./data_error.ts";
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

/** Files are read as a whole, so there is a limit. */
const MAX_FILE_BYTES = 2 ** 31;

/**
 * The arrays of a file, by name. The file is read as a whole.
 *
 * @param where the file, for errors.
 * @param file the open file.
 * @throws {Error} if it is too large or no valid safetensors.
 */
export async function openSafetensors(
  where: string,
  file: Deno.FsFile,
): Promise<ReadonlyMap<string, () => ArraySource>> {
  const { size } = await file.stat();
  if (size > MAX_FILE_BYTES) {
    fail(
      where,
      `the file takes ${size} bytes; safetensors are read as a whole, up to ${MAX_FILE_BYTES}; ` +
        `split it into several in a folder`,
    );
  }
  const bytes = new Uint8Array(await new Response(file.readable).arrayBuffer());
  let tensors;
  try {
    ({ tensors } = parseSafetensors(bytes));
  } catch (error) {
    fail(where, (error as Error).message);
  }
  return new Map(
    [...tensors].map(([name, entry]) => [name, () => {
      const inside = `${where}: ${name}`;
      const type = TYPES.get(entry.dtype) ??
        fail(inside, `elements of type ${entry.dtype} cannot be fed; convert them, say to F32`);
      const { shape } = entry;
      return { where: inside, name, type, shape, bytes: new MemoryBytes(inside, entry.bytes) };
    }]),
  );
}
