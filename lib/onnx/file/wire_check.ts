/**
 * A look at a message's bytes before they are decoded. Two bytes can stand for a message that takes
 * hundreds as an object, so a file of megabytes could fill the memory and end the process; and the
 * decoder reads on beyond a message that claims more than the one around it has.
 *
 * @module
 */
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { fail } from "./onnx_error.ts";

/** Memory that the objects of one file may take beside the bytes of tensors: bytes, and bytes for each of its. */
const MEMORY = { fixed: 2 ** 29, perByte: 2 };
/** What is taken, about: by a message, an item of a list, a 64-bit integer, a view of bytes, a field not known. */
const COST = { message: 480, item: 8, bigint: 48, view: 120, unknown: 180 };
/** Messages inside of messages; the decoder's own limit. */
const DEPTH = 100;

/** How the encoding marks what follows. */
const WIRE = { varint: 0, fixed64: 1, delimited: 2, fixed32: 5 };

/** What is known of a field: how its values are written, what one takes, and what messages it holds. */
interface Field {
  readonly wire: number;
  readonly cost: number;
  readonly packable: boolean;
  /** Bytes that an item of a packed list takes at least. */
  readonly itemBytes: number;
  readonly message?: DescMessage;
}

// The numbers of the format's types of fields: https://protobuf.dev, descriptor.proto.
const FIXED64 = [1, 6, 16];
const FIXED32 = [2, 7, 15];
const TEXT = [9, 12];
const BIGINT = [3, 4, 6, 16, 18];

function describe({ message, scalar, fieldKind }: DescField): Field {
  if (message) {
    return {
      wire: WIRE.delimited,
      cost: COST.message,
      packable: false,
      itemBytes: 1,
      message,
    };
  }
  const type = scalar ?? 5; // an enum is written as an int32
  const text = TEXT.includes(type);
  const wire = FIXED64.includes(type)
    ? WIRE.fixed64
    : FIXED32.includes(type)
    ? WIRE.fixed32
    : text
    ? WIRE.delimited
    : WIRE.varint;
  return {
    wire,
    cost: text ? COST.view : BIGINT.includes(type) ? COST.bigint : COST.item,
    packable: fieldKind === "list" && !text,
    itemBytes: wire === WIRE.fixed64 ? 8 : wire === WIRE.fixed32 ? 4 : 1,
  };
}

const known = new WeakMap<DescMessage, Map<number, Field>>();

function fieldsOf(desc: DescMessage): Map<number, Field> {
  const fields = known.get(desc) ?? new Map(desc.fields.map((f) => [f.number, describe(f)]));
  known.set(desc, fields);
  return fields;
}

/**
 * Checks that the bytes of a message, and of all messages in it, are whole, and that they stand for no
 * more than memory can hold.
 *
 * @param desc what the bytes are.
 * @throws {OnnxError} saying at which byte it is not so.
 */
export function checkWire(desc: DescMessage, bytes: Uint8Array): void {
  let at = 0;
  let memory = 0;
  const most = MEMORY.fixed + MEMORY.perByte * bytes.length;

  /** A number of one to ten bytes; what exceeds 53 bits isn't exact, and no length. */
  function varint(end: number): number {
    let value = 0;
    for (let i = 0, scale = 1; i < 10; i++, scale *= 128) {
      if (at >= end) fail(`it ends within a number, at byte ${at}`);
      const byte = bytes[at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
    fail(`a number takes more than ten bytes, at byte ${at}`);
  }

  function skip(length: number, end: number): number {
    if (length > end - at) {
      fail(
        `at byte ${at} follow ${
          end - at
        } bytes, where ${length} are announced; it's cut off or damaged`,
      );
    }
    return at += length;
  }

  function take(cost: number): void {
    memory += cost;
    if (memory > most) {
      fail(
        `it has so many small parts that they'd take more than ${most >> 20} MiB of memory; ` +
          `keep tensors as raw data`,
      );
    }
  }

  function message(desc: DescMessage, end: number, depth: number): void {
    if (depth > DEPTH) fail(`messages are nested more than ${DEPTH} deep, at byte ${at}`);
    const fields = fieldsOf(desc);
    while (at < end) {
      const start = at;
      const tag = varint(end);
      const wire = tag % 8;
      const number = Math.floor(tag / 8);
      const field = fields.get(number);
      const packed = field?.packable && wire === WIRE.delimited;
      if (number === 0 || (field && wire !== field.wire && !packed)) {
        fail(
          `${desc.typeName} has a field ${number} of kind ${wire} at byte ${start}, which it can't have`,
        );
      }
      take(field?.cost ?? COST.unknown);
      if (wire === WIRE.varint) varint(end);
      else if (wire === WIRE.fixed64) skip(8, end);
      else if (wire === WIRE.fixed32) skip(4, end);
      else if (wire === WIRE.delimited) {
        const length = varint(end);
        if (field?.message) {
          const from = at;
          const stop = skip(length, end);
          at = from;
          message(field.message, stop, depth + 1);
        } else {
          if (packed) take(field.cost * length / field.itemBytes);
          skip(length, end);
        }
      } else fail(`there is a field of kind ${wire} at byte ${start}, which ONNX has not`);
    }
  }

  message(desc, bytes.length, 1);
}
