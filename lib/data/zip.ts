/**
 * The entries of a zip archive, found by its directory.
 *
 * @module
 */
import { crc32 } from "../files/checksum.ts";
import type { InputFile } from "../files/input_file.ts";
import { type ByteSource, Checked, FileRange, Inflated } from "./byte_source.ts";
import { fail, short } from "./data_error.ts";

/** A file in an archive. */
export interface ZipEntry {
  readonly name: string;
  /** Opens its bytes. */
  open(): Promise<ByteSource>;
}

const END = 0x06054b50;
const END64_LOCATOR = 0x07064b50;
const END64 = 0x06064b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
const END_BYTES = 22;
const MAX_COMMENT = 0xffff;
const MAX_DIRECTORY_BYTES = 1 << 24;
/** Deflate cannot pack tighter than this. */
const MAX_RATIO = 1032;

/**
 * Reads an archive's directory.
 *
 * @param where the file, for errors.
 * @param file the open archive.
 * @throws {DataError} if it is no zip archive, is damaged, or uses what is not known here.
 */
export async function readZip(where: string, file: InputFile): Promise<ZipEntry[]> {
  const { size } = file;
  const read = async (at: number, count: number) => {
    if (at < 0 || at + count > size) fail(where, "the zip archive is cut off or damaged");
    const bytes = await new FileRange(where, file, at, count).read(count);
    return { bytes, view: new DataView(bytes.buffer) };
  };

  const tailBytes = Math.min(size, END_BYTES + MAX_COMMENT);
  const { view: tail } = await read(size - tailBytes, tailBytes);
  let end = tailBytes - END_BYTES;
  while (end >= 0 && tail.getUint32(end, true) !== END) end--;
  if (end < 0) fail(where, "this is no zip archive, or its end is missing");
  let count = tail.getUint16(end + 10, true);
  let length = tail.getUint32(end + 12, true);
  let start = tail.getUint32(end + 16, true);
  if (end >= 20 && tail.getUint32(end - 20, true) === END64_LOCATOR) {
    const { view } = await read(integer(where, tail, end - 20 + 8), 56);
    if (view.getUint32(0, true) !== END64) fail(where, "the zip archive is damaged");
    [count, length, start] = [32, 40, 48].map((at) => integer(where, view, at));
  }
  if (length > MAX_DIRECTORY_BYTES || count * 46 > length) {
    fail(where, `the zip archive claims ${count} entries in ${length} bytes, which is not so`);
  }

  const { bytes, view } = await read(start, length);
  const entries: ZipEntry[] = [];
  for (let i = 0, at = 0; i < count; i++) {
    if (at + 46 > length || view.getUint32(at, true) !== CENTRAL) {
      fail(where, "the zip archive's directory is damaged");
    }
    const [flags, method] = [8, 10].map((offset) => view.getUint16(at + offset, true));
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((offset) =>
      view.getUint16(at + offset, true)
    );
    const next = at + 46 + nameBytes + extraBytes + commentBytes;
    if (next > length) fail(where, "the zip archive's directory is damaged");
    const name = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameBytes));
    const extra = new DataView(bytes.buffer, at + 46 + nameBytes, extraBytes);
    const inside = `${where}: ${short(name)}`;
    const [inflated, stored, offset] = sizesOf(inside, view, at, extra);
    const checksum = view.getUint32(at + 16, true);
    entries.push({
      name,
      async open() {
        if (flags & 1) fail(inside, "the entry is encrypted; save it without a password");
        if (method !== 0 && method !== 8) {
          fail(inside, `compression method ${method} is not known; save it with numpy.savez`);
        }
        if (method === 0 ? inflated !== stored : inflated > (stored + 1) * MAX_RATIO) {
          fail(inside, `${stored} bytes cannot hold the ${inflated} that the archive claims`);
        }
        const { view: local } = await read(offset, 30);
        if (local.getUint32(0, true) !== LOCAL) fail(inside, "the zip archive is damaged");
        const data = offset + 30 + local.getUint16(26, true) + local.getUint16(28, true);
        if (data + stored > size) fail(inside, "the entry is cut off");
        const range = new FileRange(inside, file, data, stored);
        const whole = method === 0 ? range : new Inflated(inside, range, inflated);
        return new Checked(inside, whole, crc32, checksum);
      },
    });
    at = next;
  }
  return entries;
}

/** Sizes and place of an entry, those of 64 bits from the extra field. */
function sizesOf(where: string, view: DataView, at: number, extra: DataView): number[] {
  const short = [24, 20, 42].map((offset) => view.getUint32(at + offset, true));
  if (short.every((n) => n !== 0xffffffff)) return short;
  for (let i = 0; i + 4 <= extra.byteLength;) {
    const [id, length] = [extra.getUint16(i, true), extra.getUint16(i + 2, true)];
    if (id === 1 && i + 4 + length <= extra.byteLength) {
      let field = i + 4;
      return short.map((n) => {
        if (n !== 0xffffffff) return n;
        if (field + 8 > i + 4 + length) fail(where, "the entry's sizes are missing");
        field += 8;
        return integer(where, extra, field - 8);
      });
    }
    i += 4 + length;
  }
  fail(where, "the entry's sizes are missing");
}

function integer(where: string, view: DataView, at: number): number {
  const value = view.getBigUint64(at, true);
  if (value > Number.MAX_SAFE_INTEGER) fail(where, "the zip archive is damaged");
  return Number(value);
}
