/**
 * Integers of 3 bits in a file, for a kernel that has 4: three bytes for eight of them, which onnxruntime spreads over four
 * when it opens the model.
 *
 * @module
 */
import type { GraphEditor } from "../graph/graph_editor.ts";

/** The operator set from which on there are operators on bits. */
export const LEAST_OPSET = 18;

/** The bits of two integers of 3 bits in a byte, and those that are left over. */
const [KEPT, SPARE] = [0x77, 0x88];

/**
 * Every fourth byte of two integers in the bits that the three before it leave over.
 *
 * @param bytes two integers of 3 bits each, in the low bits of its halves; as many as a multiple of 4.
 */
export function packThrees(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const packed = new Uint8Array(bytes.length / 4 * 3);
  for (let i = 0, at = 0; i < bytes.length; i += 4) {
    const fourth = bytes[i + 3];
    packed[at++] = bytes[i] | (fourth & 0x11) << 3;
    packed[at++] = bytes[i + 1] | (fourth & 0x22) << 2;
    packed[at++] = bytes[i + 2] | (fourth & 0x44) << 1;
  }
  return packed;
}

/**
 * Adds packed integers to a graph, and the nodes that spread them; onnxruntime computes these once, when it opens the model.
 *
 * @param dims of the bytes with two integers each.
 * @returns the name of these bytes.
 */
export function spreadThrees(
  editor: GraphEditor,
  name: string,
  dims: readonly number[],
  bytes: Uint8Array,
): string {
  const packed = packThrees(bytes);
  const mask = (bits: number) => editor.constant(`mask_${bits}`, "uint8", [], [bits]);
  const stored = editor.constant(name, "uint8", [packed.length / 3, 3], packed, true);
  // Short ones, and nodes without a name: there are eight a weight.
  const [three, spare, moved, first, second, third, both, fourth, four, read] = [
    ...["three", "spare", "moved", "first", "second", "third", "both", "fourth", "four", "bytes"],
  ].map((wish) => editor.name(wish));
  const shifts = editor.constant("shifts", "uint8", [3], [3, 2, 1]);
  const ones = editor.constant("ones", "int64", [3], [1, 1, 1]);
  const shape = editor.constant(`${name}_shape`, "int64", [dims.length], dims);
  const right = { direction: { s: "RIGHT" } };
  const make = (
    opType: string,
    input: readonly string[],
    output: readonly string[],
    attributes = {},
  ) => editor.messages.node({ opType, input, output, attributes });
  editor.prepend(
    make("BitwiseAnd", [stored, mask(KEPT)], [three]),
    make("BitwiseAnd", [stored, mask(SPARE)], [spare]),
    make("BitShift", [spare, shifts], [moved], right),
    make("Split", [moved, ones], [first, second, third], { axis: { i: 1 } }),
    make("BitwiseOr", [first, second], [both]),
    make("BitwiseOr", [both, third], [fourth]),
    make("Concat", [three, fourth], [four], { axis: { i: 1 } }),
    make("Reshape", [four, shape], [read]),
  );
  return read;
}
