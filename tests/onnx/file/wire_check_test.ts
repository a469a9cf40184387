import { assertThrows } from "@std/assert";
import { ModelProtoSchema } from "onnx-buf";
import { OnnxError } from "../../../lib/onnx/file/onnx_error.ts";
import { checkWire } from "../../../lib/onnx/file/wire_check.ts";
import { fileOf, variedGraph } from "../files.ts";

/** A field of bytes, whose length is written in four bytes. */
function field(number: number, bytes: Uint8Array): Uint8Array {
  const { length } = bytes;
  const size = [0, 7, 14].map((shift) => ((length >> shift) & 127) | 128);
  return Uint8Array.from([number << 3 | 2, ...size, length >> 21, ...bytes]);
}

function refused(bytes: Uint8Array, message: string): void {
  assertThrows(() => checkWire(ModelProtoSchema, bytes), OnnxError, message);
}

Deno.test("checkWire: a whole model passes, with fields that are not known", () => {
  checkWire(ModelProtoSchema, fileOf(variedGraph()));
  checkWire(ModelProtoSchema, Uint8Array.of(0xa0, 0x06, 1, 0xa5, 0x06, 0, 0, 0, 0));
  checkWire(ModelProtoSchema, new Uint8Array());
});

Deno.test("checkWire: a message that claims more than the one around it has", () => {
  // A graph of three bytes, whose node claims nine, of which six follow after the graph.
  refused(Uint8Array.of(0x3a, 3, 0x0a, 9, 0, 0, 0, 0, 0, 0, 0, 0), "at byte 4 follow 1 bytes");
  refused(Uint8Array.of(0x3a, 3, 0x0a, 0), "at byte 2 follow 2 bytes");
});

Deno.test("checkWire: numbers without an end, kinds that do not belong, groups", () => {
  refused(new Uint8Array(11).fill(0xff), "more than ten bytes");
  refused(Uint8Array.of(0x08, 0x80), "ends within a number");
  // A graph is no number, a version no text.
  refused(Uint8Array.of(0x38, 1), "field 7 of kind 0 at byte 0");
  refused(Uint8Array.of(0x0a, 1, 1), "field 1 of kind 2");
  refused(Uint8Array.of(0xa3, 0x06, 0xa4, 0x06), "kind 3");
  refused(Uint8Array.of(0x00, 1), "field 0");
});

Deno.test("checkWire: a file that would take hundreds of times its size in memory", () => {
  // Three million nodes without content, and thirty million numbers of a byte each.
  const nodes = new Uint8Array(6 << 20);
  for (let i = 0; i < nodes.length; i += 2) nodes[i] = 0x0a;
  refused(field(7, nodes), "524 MiB");
  const numbers = new Uint8Array(30 << 20);
  refused(field(7, field(5, field(7, numbers))), "raw data");
  // As many raw bytes are no more than they are.
  checkWire(ModelProtoSchema, field(7, field(5, field(9, numbers))));
});
