/**
 * PNG images, decoded here: browsers convert colours and lose what little a transparent pixel has of them, and the
 * same file is to give the same numbers everywhere.
 *
 * @module
 */
import { crc32 } from "../files/checksum.ts";
import type { RgbImage } from "./pixels.ts";

/** Samples that a pixel has, by colour type. */
const CHANNELS: ReadonlyMap<number, number> = new Map([[0, 1], [2, 3], [3, 1], [4, 2], [6, 4]]);
const PALETTE = 3;
/** Bits of a sample, by colour type. */
const DEPTHS: ReadonlyMap<number, readonly number[]> = new Map([
  [0, [1, 2, 4, 8, 16]],
  [2, [8, 16]],
  [3, [1, 2, 4, 8]],
  [4, [8, 16]],
  [6, [8, 16]],
]);

/** The passes of interlaced images: first column and row, and the steps between columns and rows. */
const ADAM7 = [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [
  0,
  1,
  1,
  2,
]] as const;

/** What stands in a PNG. */
interface Png {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly colour: number;
  readonly interlaced: boolean;
  readonly palette?: Uint8Array;
  readonly transparency?: Uint8Array;
  readonly data: readonly Uint8Array<ArrayBuffer>[];
  /** Whether it has a colour profile of its own, or says that it lies on its side. */
  readonly special: boolean;
}

function bad(message: string): never {
  throw new Error(message);
}

/** The chunks of a file, with their checksums compared. */
function* chunks(
  bytes: Uint8Array<ArrayBuffer>,
): Generator<[type: string, Uint8Array<ArrayBuffer>]> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 8; at + 12 <= bytes.length;) {
    const length = view.getUint32(at);
    const end = at + 8 + length;
    if (end + 4 > bytes.length) bad("it is cut off");
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (crc32(bytes.subarray(at + 4, end), 0) !== view.getUint32(end)) {
      bad(`the checksum of its part ${type.replace(/\W/g, "?")} is another`);
    }
    yield [type, bytes.subarray(at + 8, end)];
    at = end + 4;
  }
}

function parsePng(bytes: Uint8Array<ArrayBuffer>, mostPixels: number): Png {
  let header: Pick<Png, "width" | "height" | "depth" | "colour" | "interlaced"> | undefined;
  const parts: { palette?: Uint8Array; transparency?: Uint8Array; special: boolean } = {
    special: false,
  };
  const data: Uint8Array<ArrayBuffer>[] = [];
  for (const [type, part] of chunks(bytes)) {
    if (type === "IHDR" && part.length === 13) {
      const view = new DataView(part.buffer, part.byteOffset, 13);
      const [width, height] = [view.getUint32(0), view.getUint32(4)];
      const [depth, colour, , , interlace] = part.subarray(8);
      if (!DEPTHS.get(colour)?.includes(depth)) {
        bad(`it has ${depth} bits of colour type ${colour}`);
      }
      if (width * height === 0) bad("it has no pixels");
      if (width * height > mostPixels) bad("it has more pixels than are read");
      header = { width, height, depth, colour, interlaced: interlace === 1 };
    } else if (type === "PLTE") parts.palette = part;
    else if (type === "tRNS") parts.transparency = part;
    else if (type === "iCCP" || type === "eXIf") parts.special = true;
    else if (type === "IDAT") data.push(part);
  }
  if (!header) return bad("it has no header");
  if (header.colour === PALETTE && !parts.palette) bad("it has no palette");
  return { ...header, ...parts, data };
}

/** What the data inflate to, which has this length; no more is kept. */
async function inflate(
  data: readonly Uint8Array<ArrayBuffer>[],
  length: number,
): Promise<Uint8Array> {
  const stream = new Blob([...data]).stream().pipeThrough(new DecompressionStream("deflate"));
  const raw = new Uint8Array(length);
  let done = 0;
  for await (const piece of stream) {
    const part = piece.subarray(0, length - done);
    raw.set(part, done);
    done += part.length;
    if (done === length) break;
  }
  if (done < length) bad("its data are cut off");
  return raw;
}

/** Takes back what the filter of a row did; `before` is the row above, all zeros for the first. */
function unfilter(filter: number, row: Uint8Array, before: Uint8Array, step: number): void {
  for (let i = 0; i < row.length; i++) {
    const a = i < step ? 0 : row[i - step];
    const b = before[i];
    if (filter === 1) row[i] += a;
    else if (filter === 2) row[i] += b;
    else if (filter === 3) row[i] += (a + b) >> 1;
    else {
      const c = i < step ? 0 : before[i - step];
      const [pa, pb, pc] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)];
      row[i] += pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
    }
  }
}

/** Writes pixels of a row of samples into the image. */
type Painter = (row: Uint8Array, pixel: number, at: number) => void;

/** How samples become red, green and blue; what is transparent lies on black. */
function painter({ depth, colour, palette, transparency }: Png, out: Uint8Array): Painter {
  const most = 2 ** depth - 1;
  const sample = (row: Uint8Array, i: number): number => {
    if (depth === 8) return row[i];
    if (depth === 16) return row[2 * i] << 8 | row[2 * i + 1];
    const bit = i * depth;
    return row[bit >> 3] >> (8 - depth - (bit & 7)) & most;
  };
  // On black, each part of a colour shrinks with the alpha; fractions are cut off, as libvips does.
  const to8 = depth === 16 ? (x: number) => x >> 8 : (x: number) => x * (255 / most);
  const put = (at: number, r: number, g: number, b: number, alpha: number) => {
    [out[at], out[at + 1], out[at + 2]] = alpha === most
      ? [to8(r), to8(g), to8(b)]
      : [r, g, b].map((x) => to8(Math.trunc(x * alpha / most)));
  };
  if (colour === PALETTE) {
    return (row, pixel, at) => {
      const index = sample(row, pixel);
      if (3 * index >= palette!.length) bad("a pixel has a colour that is not in the palette");
      const alpha = transparency?.[index] ?? 255;
      for (let c = 0; c < 3; c++) out[at + c] = Math.trunc(palette![3 * index + c] * alpha / 255);
    };
  }
  const channels = CHANNELS.get(colour)!;
  // One colour of an image without alpha may be transparent.
  const [key0, key1, key2] = [0, 1, 2].map((c) =>
    transparency && 2 * c + 1 < transparency.length
      ? transparency[2 * c] << 8 | transparency[2 * c + 1]
      : -1
  );
  return (row, pixel, at) => {
    const i = pixel * channels;
    const r = sample(row, i);
    const [g, b] = channels < 3 ? [r, r] : [sample(row, i + 1), sample(row, i + 2)];
    const alpha = channels === 2 || channels === 4
      ? sample(row, i + channels - 1)
      : r === key0 && (channels === 1 || g === key1 && b === key2)
      ? 0
      : most;
    put(at, r, g, b, alpha);
  };
}

/**
 * Decodes a PNG.
 *
 * @param mostPixels of an image of more nothing is decoded.
 * @returns nothing for one with a colour profile of its own or a turn, which take a library.
 * @throws {Error} if it is damaged; says how.
 */
export async function decodePng(
  bytes: Uint8Array<ArrayBuffer>,
  mostPixels: number,
): Promise<RgbImage | undefined> {
  const png = parsePng(bytes, mostPixels);
  if (png.special) return undefined;
  const { width, height, depth, colour, interlaced } = png;
  const bits = depth * CHANNELS.get(colour)!;
  const step = Math.max(bits >> 3, 1);
  const passes = (interlaced ? ADAM7 : [[0, 0, 1, 1] as const]).map(([x, y, dx, dy]) => {
    const [columns, rows] = [Math.ceil((width - x) / dx), Math.ceil((height - y) / dy)];
    return { x, y, dx, dy, columns, rows: columns > 0 ? Math.max(rows, 0) : 0 };
  });
  const lengthOf = (columns: number) => Math.ceil(columns * bits / 8);
  const total = passes.reduce((sum, { columns, rows }) => sum + rows * (1 + lengthOf(columns)), 0);
  const raw = await inflate(png.data, total);
  const data = new Uint8Array(width * height * 3);
  const paint = painter(png, data);
  let at = 0;
  for (const { x, y, dx, dy, columns, rows } of passes) {
    let before = new Uint8Array(lengthOf(columns));
    for (let j = 0; j < rows; j++) {
      const filter = raw[at];
      const row = raw.subarray(at + 1, at + 1 + before.length);
      if (filter > 4) bad("its rows have a filter that PNG has not");
      if (filter > 0) unfilter(filter, row, before, step);
      at += 1 + before.length;
      before = row as Uint8Array<ArrayBuffer>;
      for (let i = 0; i < columns; i++) paint(row, i, 3 * ((y + j * dy) * width + x + i * dx));
    }
  }
  return { data, width, height };
}
