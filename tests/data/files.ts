/** Files of samples to read. */
import { join } from "node:path";
import { crc32 } from "node:zlib";
import {
  type Feeds,
  readSamples,
  type ReadSamplesOptions,
  type TensorInfo,
} from "../../lib/data/read_samples.ts";

/** A folder that is gone when the test ends. */
export class TestFolder implements Disposable {
  readonly path = Deno.makeTempDirSync({ prefix: "samples-" });

  /** Writes a file; the path to it. */
  write(name: string, content: Uint8Array | string): string {
    const path = join(this.path, name);
    if (typeof content === "string") Deno.writeTextFileSync(path, content);
    else Deno.writeFileSync(path, content);
    return path;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** An input of float32. */
export function input(name: string, ...dims: (number | string | undefined)[]): TensorInfo {
  return { name, dtype: "float32", dims };
}

/** All samples. */
export async function samples(
  path: string,
  inputs: readonly TensorInfo[],
  options?: ReadSamplesOptions,
): Promise<Feeds[]> {
  return await Array.fromAsync(readSamples(path, inputs, options));
}

/** All samples, as sizes and numbers of one input. */
export async function values(
  path: string,
  inputs: readonly TensorInfo[],
  options?: ReadSamplesOptions,
): Promise<[dims: readonly number[], values: number[]][]> {
  const all = await samples(path, inputs, options);
  return all.map((feeds) => {
    const { dims, data } = feeds[inputs[0].name];
    return [dims, Array.from(data, Number)];
  });
}

/** Parts of a `.npy` file that a test may get wrong. */
export interface NpyParts {
  descr?: string;
  fortran?: string;
  shape: string;
  data: Uint8Array;
  version?: number;
}

/** A `.npy` file, right or wrong. */
export function npyFile({ descr = "<f4", fortran = "False", shape, data, version = 1 }: NpyParts) {
  const text = `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': ${shape}, }\n`;
  const header = new TextEncoder().encode(text);
  const size = version === 1 ? 2 : 4;
  const file = new Uint8Array(8 + size + header.length + data.length);
  file.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0]);
  new DataView(file.buffer).setUint16(8, header.length, true);
  file.set(header, 8 + size);
  file.set(data, 8 + size + header.length);
  return file;
}

/** Float32 numbers as a `.npy` file. */
export function floats(numbers: readonly number[], ...shape: number[]): Uint8Array {
  const data = new Uint8Array(Float32Array.from(numbers).buffer);
  return npyFile({ shape: `(${shape.map((n) => `${n},`).join(" ")})`, data });
}

/** A zip archive; what it says of sizes may be told otherwise. */
export async function zip(
  entries: Readonly<Record<string, Uint8Array>>,
  {
    deflate = false,
    claim = (n: number): number => n,
    flags = 0,
    checksum = undefined as
      | number
      | undefined,
  } = {},
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let offset = 0;
  for (const [name, content] of Object.entries(entries)) {
    const data = deflate ? await deflated(content) : content;
    const path = new TextEncoder().encode(name);
    const local = new DataView(new ArrayBuffer(30));
    local.setUint32(0, 0x04034b50, true);
    local.setUint16(26, path.length, true);
    const central = new DataView(new ArrayBuffer(46));
    central.setUint32(0, 0x02014b50, true);
    central.setUint16(8, flags, true);
    central.setUint16(10, deflate ? 8 : 0, true);
    central.setUint32(16, checksum ?? crc32(content), true);
    central.setUint32(20, data.length, true);
    central.setUint32(24, claim(content.length), true);
    central.setUint16(28, path.length, true);
    central.setUint32(42, offset, true);
    parts.push(new Uint8Array(local.buffer), path, data);
    directory.push(new Uint8Array(central.buffer), path);
    offset += 30 + path.length + data.length;
  }
  const end = new DataView(new ArrayBuffer(22));
  end.setUint32(0, 0x06054b50, true);
  end.setUint16(10, Object.keys(entries).length, true);
  end.setUint32(12, directory.reduce((sum, { length }) => sum + length, 0), true);
  end.setUint32(16, offset, true);
  return await bytesOf(new Blob([...parts, ...directory, end] as BlobPart[]).stream());
}

async function deflated(content: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([content as BlobPart]).stream();
  return await bytesOf(stream.pipeThrough(new CompressionStream("deflate-raw")));
}

async function bytesOf(stream: ReadableStream): Promise<Uint8Array> {
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
