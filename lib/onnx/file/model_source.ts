/**
 * What a model was read from, so that one that was not changed is written as it came.
 *
 * @module
 */
import { FileBytes, lengthOf, type Part, piecesOf } from "../../files/file_bytes.ts";
import { placeConstants } from "./external_data.ts";
import { encodeModel } from "./message_parts.ts";
import type { OnnxMessages } from "./messages.ts";
import type { ModelProto } from "./proto.ts";
import { storedBytes } from "./tensor_bytes.ts";

/** What a model was read from. */
export interface ModelSource {
  /**
   * The very bytes that a model was read from, if it is still the same.
   *
   * @param parts what would be written for it.
   */
  original(messages: OnnxMessages, model: ModelProto, parts: readonly Part[]): Part | undefined;
}

/** Whether two arrays hold the same bytes. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Whether parts hold the same bytes as an array. */
function equalParts(parts: readonly Part[], bytes: Uint8Array): boolean {
  if (lengthOf(parts) !== bytes.length) return false;
  let at = 0;
  for (const piece of piecesOf(parts)) {
    if (!equalBytes(piece, bytes.subarray(at, at + piece.length))) return false;
    at += piece.length;
  }
  return true;
}

/** A file's bytes in memory. */
export class SourceBytes implements ModelSource {
  /** The length of what would be written for the model as it was read: others mostly have another. */
  private written?: number;

  /** Keeps the bytes. */
  constructor(private readonly bytes: Uint8Array<ArrayBuffer>) {}

  original(messages: OnnxMessages, _: ModelProto, parts: readonly Part[]): Part | undefined {
    const { bytes } = this;
    if (equalParts(parts, bytes)) return bytes;
    if (this.written !== undefined && this.written !== lengthOf(parts)) return undefined;
    // The same messages can be written in more than one way: fields in another order, zeros spelled out.
    const { onnx: { ModelProtoSchema }, protobuf: { fromBinary, toBinary } } = messages;
    const written = toBinary(ModelProtoSchema, fromBinary(ModelProtoSchema, bytes));
    this.written = written.length;
    return equalParts(parts, written) ? bytes : undefined;
  }
}

/** A file in which large constants of the model stayed. */
export class SourceFile implements ModelSource {
  private readonly outline: readonly Part[];

  /** Takes note of a model as it was read. */
  constructor(private readonly whole: FileBytes, messages: OnnxMessages, model: ModelProto) {
    this.outline = outline(messages, model);
  }

  original(messages: OnnxMessages, model: ModelProto): Part | undefined {
    const [then, now] = [this.outline, outline(messages, model)];
    const same = then.length === now.length && then.every((part, i) => equalPart(part, now[i]));
    return same ? this.whole : undefined;
  }
}

/** What a model is but for the bytes in files, and where these are. */
function outline(messages: OnnxMessages, model: ModelProto): Part[] {
  return encodeModel(
    messages,
    placeConstants(messages, model, (tensor) => {
      const bytes = storedBytes(tensor);
      return bytes && { location: bytes.file.path, offset: bytes.offset };
    }),
  );
}

function equalPart(a: Part, b: Part): boolean {
  return a instanceof FileBytes || b instanceof FileBytes ? a === b : equalBytes(a, b);
}
