/**
 * Large ONNX files, of which only what is not a large constant is read.
 *
 * @module
 */
import {
  FileBytes,
  joinParts,
  type KnownFile,
  lengthOf,
  type Part,
} from "../../files/file_bytes.ts";
import { varint } from "./varint.ts";

/** A file without its large constants. */
export interface ThinFile {
  /** What is left, a message as the file's. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The raw bytes that were left out, by the number of their initializer in the graph. */
  readonly holes: ReadonlyMap<number, FileBytes>;
}

/** The way to raw bytes: the fields of ModelProto, GraphProto and TensorProto that lead there. */
const WAY = [7, 5, 9]; // graph, initializer, raw_data

/** How the encoding marks what follows. */
const WIRE = { varint: 0, fixed64: 1, delimited: 2, fixed32: 5 };

/** Bytes that are read ahead. */
const WINDOW = 1 << 16;

/** Thrown within this file for what is no message. */
class NoMessage extends Error {}

/** Reads numbers of a file, at one place after the other. */
class Cursor {
  at = 0;
  private window = new Uint8Array(0);
  private start = 0;

  constructor(private readonly file: KnownFile) {}

  private byte(): number {
    const { file, start, window, at } = this;
    if (at >= file.size) throw new NoMessage();
    if (at < start || at >= start + window.length) {
      this.start = at;
      this.window = new Uint8Array(Math.min(WINDOW, file.size - at));
      file.readInto(this.window, at);
    }
    return this.window[this.at++ - this.start];
  }

  varint(): number {
    let value = 0;
    for (let scale = 1; scale < 2 ** 70; scale *= 128) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
    throw new NoMessage();
  }
}

/** Walks through a file and takes note of what is kept and what is left out. */
class Walker {
  readonly holes = new Map<number, FileBytes>();
  private readonly cursor: Cursor;
  private initializers = 0;

  constructor(private readonly file: KnownFile, private readonly least: number) {
    this.cursor = new Cursor(file);
  }

  private part(start: number, end: number): FileBytes {
    return new FileBytes(this.file, start, end - start);
  }

  /** What is kept of a message up to `end`; lengths are written anew where something was left out. */
  message(level: number, end: number): Part[] {
    const { cursor } = this;
    const kept: Part[] = [];
    let from = cursor.at; // what is kept as it stands begins here
    let raws = 0;
    while (cursor.at < end) {
      const start = cursor.at;
      const { field, wire, stop } = this.field(end);
      const body = cursor.at;
      cursor.at = stop;
      if (field !== WAY[level] || wire !== WIRE.delimited) continue;
      if (level === WAY.length - 1) {
        // Of a tensor that has two the last would count; nobody writes that.
        if (++raws > 1) throw new NoMessage();
        if (stop - body < this.least) continue;
        this.holes.set(this.initializers, this.part(body, stop));
        kept.push(this.part(from, start));
        from = stop;
        continue;
      }
      const holes = this.holes.size;
      cursor.at = body;
      const inner = this.message(level + 1, stop);
      if (level === WAY.length - 2) this.initializers++;
      if (this.holes.size === holes) continue;
      const length = varint(lengthOf(inner));
      kept.push(this.part(from, start), Uint8Array.of(field * 8 + wire, ...length), ...inner);
      from = stop;
    }
    kept.push(this.part(from, end));
    return kept.filter(({ length }) => length > 0);
  }

  /** Reads what a field begins with; the cursor is then at its value, which ends at `stop`. */
  private field(end: number): { field: number; wire: number; stop: number } {
    const { cursor } = this;
    const tag = cursor.varint();
    const [field, wire] = [Math.floor(tag / 8), tag % 8];
    let length = 0;
    if (wire === WIRE.fixed64) length = 8;
    else if (wire === WIRE.fixed32) length = 4;
    else if (wire === WIRE.delimited) length = cursor.varint();
    else if (wire !== WIRE.varint) throw new NoMessage();
    const begin = cursor.at;
    if (wire === WIRE.varint) cursor.varint();
    const stop = wire === WIRE.varint ? cursor.at : begin + length;
    if (stop > end || field === 0) throw new NoMessage();
    if (wire === WIRE.varint) cursor.at = begin;
    return { field, wire, stop };
  }
}

/**
 * Reads an ONNX file but for the raw bytes of large initializers.
 *
 * @param least bytes from which on they are left out.
 * @returns nothing if it is no message, or none that is worth it; it is then to be read as a whole, to tell why.
 */
export function readThin(file: KnownFile, least: number): ThinFile | undefined {
  const walker = new Walker(file, least);
  try {
    const parts = walker.message(0, file.size);
    return walker.holes.size === 0 ? undefined : { bytes: joinParts(parts), holes: walker.holes };
  } catch (error) {
    if (error instanceof NoMessage) return undefined;
    throw error;
  }
}
