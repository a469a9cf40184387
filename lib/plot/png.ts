/**
 * A small PNG writer, for pictures made of many cells.
 *
 * @module
 */
import { base64 } from "../files/base64.ts";
import { crc32 } from "../files/checksum.ts";
import { joinParts } from "../files/file_bytes.ts";
import { deflate } from "../files/zlib.ts";

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const TRUECOLOUR = 2;

/** A picture of `columns × rows` cells, each a square of `zoom` pixels, as a data URI. */
export function pngDataUri(
  columns: number,
  rows: number,
  colour: (row: number, column: number) => readonly [number, number, number],
  zoom = 1,
): string {
  const [width, height] = [columns * zoom, rows * zoom];
  const lineBytes = 1 + 3 * width; // A line starts with the number of its filter: 0, none.
  const pixels = new Uint8Array(lineBytes * height);
  for (let row = 0; row < rows; row++) {
    const top = row * zoom * lineBytes;
    for (let column = 0; column < columns; column++) {
      const rgb = colour(row, column);
      for (let x = 0; x < zoom; x++) pixels.set(rgb, top + 1 + 3 * (column * zoom + x));
    }
    for (let y = 1; y < zoom; y++) {
      pixels.copyWithin(top + y * lineBytes, top, top + lineBytes);
    }
  }
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, TRUECOLOUR, 0, 0, 0], 8);
  const file = joinParts([
    Uint8Array.from(SIGNATURE),
    chunk("IHDR", header),
    chunk("IDAT", deflate(pixels)),
    chunk("IEND", new Uint8Array()),
  ]);
  return `data:image/png;base64,${base64(file)}`;
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(data, 8);
  view.setUint32(8 + data.length, crc32(bytes.subarray(4, 8 + data.length)));
  return bytes;
}
