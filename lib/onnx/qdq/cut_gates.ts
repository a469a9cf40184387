/**
 * HardSwish in bytes whose gate is its input, cut off.
 *
 * `HardSwish(x) = x · clip(α·x + β, 0, 1)`. If zero is a byte `k` and the scale `β/α/k`, then byte 0 is where the gate begins: the
 * bytes of `x`, read around 0 with `α` of their scale, are those of `α·x + β`, cut off below by themselves. So the gate is one Clip of
 * bytes, which takes a fifth of the time of a sum of them, and nothing is rounded for it. What lies below becomes 0
 * anyway, and need not be told apart.
 *
 * @module
 */
import type { OnnxModel } from "../file/model.ts";
import type { NodeProto } from "../file/proto.ts";
import { readTensor, tensorType } from "../file/tensor_data.ts";
import { GraphEditor } from "../graph/graph_editor.ts";
import { isOp } from "../graph/operator.ts";
import { removeUnusedInitializers } from "../graph/unused.ts";

/** The greatest byte. */
const MOST = 255;
/** The range may become so many times as wide by having the gate's beginning as its end. */
const WIDER = 1.02;

/** A part of a byte that is no more than rounding. */
const SLACK = 1 / 64;

/** The nodes that a HardSwish consists of, with bytes before and behind its gate. */
interface Gated {
  readonly product: NodeProto;
  /** Makes the bytes of its input, and the floats of these for the product. */
  readonly quantize: NodeProto;
  readonly floats: NodeProto;
  readonly sum: NodeProto;
  /** Makes the bytes of the gate, and the floats of these. */
  readonly gateBytes: NodeProto;
  readonly gate: NodeProto;
}

/** How the input's bytes are to be, and where the gate ends. */
interface Cut {
  readonly scale: number;
  readonly zeroPoint: number;
  readonly gateScale: number;
  readonly top: number;
}

/** Finds the parts of a HardSwish that a product may be; its input's bytes must be for nothing else. */
function gatedBy(editor: GraphEditor, product: NodeProto, index: number): Gated | undefined {
  const { view } = editor;
  const maker = (value: string | undefined, opType: string) => {
    const node = value ? view.producer(value) : undefined;
    return node && isOp(node, opType) ? node : undefined;
  };
  const gate = maker(product.input[index], "DequantizeLinear");
  const floats = maker(product.input[1 - index], "DequantizeLinear");
  const gateBytes = maker(gate?.input[0], "QuantizeLinear");
  const sum = maker(gateBytes?.input[0], "Add");
  const summand = maker(sum?.input[0], "DequantizeLinear");
  const quantize = maker(floats?.input[0], "QuantizeLinear");
  if (!gate || !floats || !gateBytes || !sum || !summand || !quantize) return undefined;
  const [bytes] = floats.input;
  const only = (value: string, ...nodes: NodeProto[]) =>
    view.uses(value).every((use) => use.kind === "input" && nodes.includes(use.node));
  const own = summand.input[0] === bytes && only(bytes, floats, summand) &&
    only(floats.output[0], product, sum) && only(summand.output[0], product, sum) &&
    only(gate.output[0], product) && only(gateBytes.output[0], gate) &&
    only(sum.output[0], gateBytes);
  return own ? { product, quantize, floats, sum, gateBytes, gate } : undefined;
}

/** A constant's first number. */
function numberOf(editor: GraphEditor, name: string | undefined): number | undefined {
  const tensor = name ? editor.constantTensor(name) : undefined;
  return tensor && Number(readTensor(tensor).data[0]);
}

/** A constant's element type. */
function typeOf(editor: GraphEditor, name: string | undefined): string | undefined {
  const tensor = name ? editor.constantTensor(name) : undefined;
  return tensor && tensorType(tensor);
}

/** How it can be written so, if its range has the gate's beginning near its end. */
function cutOf(editor: GraphEditor, { quantize, sum, gateBytes, gate }: Gated): Cut | undefined {
  const shift = editor.view.producer(sum.input[1]);
  const of = (node: NodeProto | undefined, index: number) => numberOf(editor, node?.input[index]);
  const [integer, step, middle = 0] = [0, 1, 2].map((i) => of(shift, i));
  const [own, zero] = [of(quantize, 1), of(quantize, 2)];
  const [written, read] = [of(gateBytes, 1), of(gate, 1)];
  const isBytes = typeOf(editor, quantize.input[2]) === "uint8";
  if (!isBytes || integer === undefined || !step || !own || zero === undefined) return undefined;
  if (!written || !read || of(gate, 2) !== 0) return undefined;
  const begin = (integer - middle) * step;
  const width = (MOST - zero) * own + begin;
  if (!(begin > 0) || width > WIDER * MOST * own) return undefined;
  const zeroPoint = Math.floor(begin / (width / MOST));
  const scale = Math.fround(begin / zeroPoint);
  const gateScale = Math.fround(scale * read / written);
  // Where the bytes of the gate ended before: at 1, or at the 6 of a HardSwish in its parts.
  const top = Math.ceil(MOST * read / gateScale - SLACK);
  return zeroPoint < 1 ? undefined : { scale, zeroPoint, gateScale, top };
}

/**
 * Writes all of HardSwish in a quantized graph so that can be.
 *
 * @param model is changed.
 */
export function cutGates({ graph, messages }: OnnxModel): void {
  const editor = new GraphEditor(graph, messages);
  let done = false;
  for (const product of graph.node) {
    if (!isOp(product, "Mul")) continue;
    const gated = gatedBy(editor, product, 0) ?? gatedBy(editor, product, 1);
    const cut = gated && cutOf(editor, gated);
    if (!cut) continue;
    done = true;
    const { quantize, floats, sum, gateBytes, gate } = gated;
    const [value] = gate.output;
    const byte = (name: string, integer: number) => editor.constant(name, "uint8", [], [integer]);
    const float = (name: string, x: number) => editor.constant(name, "float32", [], [x]);
    const [bytes] = floats.input;
    const params = [
      float(`${bytes}_scale`, cut.scale),
      byte(`${bytes}_zero_point`, cut.zeroPoint),
    ];
    const summand = editor.view.producer(sum.input[0])!;
    quantize.input = [quantize.input[0], ...params];
    for (const node of [floats, summand]) node.input = [bytes, ...params];
    const isCut = cut.top < MOST;
    const end = byte(`${value}_end`, Math.min(cut.top, MOST));
    const open = isCut ? editor.name(`${value}_cut`) : bytes;
    const clip = editor.node(`${value}/Clip`, "Clip", [bytes, "", end], [open]);
    editor.replace(gateBytes, ...isCut ? [clip] : []);
    gate.input = [
      open,
      float(`${value}_scale`, cut.gateScale),
      byte(`${value}_zero_point`, 0),
    ];
    // onnxruntime would compute the constant that was added at every run, though nothing reads it.
    const shift = editor.view.producer(sum.input[1])!;
    const isOver = editor.view.uses(sum.input[1]).length === 1;
    editor.remove([sum, ...summand === floats ? [] : [summand], ...isOver ? [shift] : []]);
  }
  editor.apply();
  if (done) removeUnusedInitializers(graph);
}
