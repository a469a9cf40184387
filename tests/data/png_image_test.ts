import { assertEquals, assertRejects } from "@std/assert";
import { crc32, deflateSync } from "node:zlib";
import { decodePng } from "../../lib/data/png_image.ts";
import { decodeBySharp } from "../../lib/data/sharp_image.ts";

const DEPTHS = { 0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16] };
const CHANNELS = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
const ADAM7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
];
type Colour = keyof typeof DEPTHS;

/** An image of noise, with every filter. */
class NoisyPng {
  private seed = 1;

  constructor(
    readonly depth: number,
    readonly colour: Colour,
    readonly interlaced: boolean,
    readonly transparent: boolean,
    readonly size: readonly [width: number, height: number] = [19, 13],
  ) {}

  private below(end: number): number {
    this.seed = (this.seed * 1103515245 + 12345) % 2147483648;
    return Math.floor(this.seed / 2147483648 * end);
  }

  private bytes(length: number, end = 256): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(end));
  }

  /** The filters and samples of all rows. */
  raw(): Uint8Array {
    const { colour, size: [width, height] } = this;
    const bits = CHANNELS[colour] * this.depth;
    const rows = (this.interlaced ? ADAM7 : [[0, 0, 1, 1]]).flatMap(([x, y, dx, dy]) => {
      const columns = Math.max(Math.ceil((width - x) / dx), 0);
      const count = columns > 0 ? Math.max(Math.ceil((height - y) / dy), 0) : 0;
      return Array.from({ length: count }, () => [
        // Filters would lead out of a palette that is not full.
        colour === 3 ? 0 : this.below(5),
        ...this.bytes(Math.ceil(columns * bits / 8)),
      ]);
    });
    return Uint8Array.from(rows.flat());
  }

  file(raw = this.raw(), more: Uint8Array[] = []): Uint8Array<ArrayBuffer> {
    const { depth, colour, size: [width, height] } = this;
    const header = new Uint8Array(13);
    new DataView(header.buffer).setUint32(0, width);
    new DataView(header.buffer).setUint32(4, height);
    header.set([depth, colour, 0, 0, +this.interlaced], 8);
    const colours = 2 ** depth;
    const key = (_: unknown, i: number) => i % 2 && depth < 16 ? this.below(colours) : 0;
    const transparency = colour === 3
      ? this.bytes(Math.ceil(colours / 2))
      : Uint8Array.from({ length: 2 * CHANNELS[colour] }, key);
    const parts = [
      Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10),
      chunk("IHDR", header),
      ...more,
      ...colour === 3 ? [chunk("PLTE", this.bytes(3 * colours))] : [],
      ...this.transparent ? [chunk("tRNS", transparency)] : [],
      chunk("IDAT", deflateSync(raw)),
      chunk("IEND", new Uint8Array(0)),
    ];
    return Uint8Array.from(parts.flatMap((part) => [...part]));
  }
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set([...type].map((letter) => letter.charCodeAt(0)), 4);
  bytes.set(data, 8);
  view.setUint32(8 + data.length, crc32(bytes.subarray(4, 8 + data.length)));
  return bytes;
}

Deno.test("a PNG of any kind has the pixels that sharp finds in it", async () => {
  for (const colour of [0, 2, 3, 4, 6] as const) {
    for (const depth of DEPTHS[colour]) {
      for (const interlaced of [false, true]) {
        for (const transparent of colour < 4 ? [false, true] : [false]) {
          for (const size of [[19, 13], [1, 1], [3, 2]] as const) {
            const file = new NoisyPng(depth, colour, interlaced, transparent, size).file();
            const { data, ...sides } = await decodeBySharp("image", file, 1000);
            assertEquals(
              await decodePng(file, 1000),
              { data: new Uint8Array(data), ...sides },
              JSON.stringify({ colour, depth, interlaced, transparent, size }),
            );
          }
        }
      }
    }
  }
});

Deno.test("a damaged PNG is refused, and no more inflated than it says that it is", async () => {
  const png = new NoisyPng(8, 2, false, false);
  const refused = (file: Uint8Array<ArrayBuffer>, message: string, most = 1000) =>
    assertRejects(() => decodePng(file, most), Error, message);
  await refused(png.file().slice(0, 200), "it is cut off");
  await refused(png.file(), "more pixels", 100);
  await refused(png.file(png.raw().slice(0, 100)), "its data are cut off");
  await refused(png.file(png.raw().fill(9)), "a filter that PNG has not");
  await refused(png.file().slice(0, 8), "it has no header");
  const spoilt = png.file();
  spoilt[20] ^= 1;
  await refused(spoilt, "the checksum of its part IHDR is another");
  const bomb = await decodePng(png.file(new Uint8Array(1 << 26)), 1000);
  assertEquals(bomb?.data, new Uint8Array(19 * 13 * 3));
  assertEquals(await decodePng(png.file(undefined, [chunk("iCCP", png.raw())]), 1000), undefined);
});
