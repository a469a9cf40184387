/**
 * Operations that one kernel can do together, and the rules by which they are joined. Nothing here needs
 * a device: operations are data, which say what they read and what they write.
 *
 * @module
 */
import { bfloat16, type DType, float16, float32, int32, int8, uint8 } from "../../numbers/dtype.ts";
import { sameShape } from "../../numbers/shape.ts";
import {
  type DeviceBuffer,
  MOST_INPUTS,
  type Operand,
  type PackedLinearArgs,
  type PackedRows,
  type QuantizeRowsArgs,
} from "../backend.ts";
import {
  type Argument,
  type Expression,
  inlined,
  last,
  LOOKUP,
  tablesOf,
  wordsOf,
} from "../expression.ts";
import type { ChannelsLast } from "../channels_last.ts";
import { type ConvArgs, type ConvWeight, type PackedConvArgs, RELU_CLIP } from "../convolution.ts";
import { FEW_ROWS } from "./kernels/tile.ts";
import { bound, type RecordedStep } from "./steps.ts";

/**
 * Products of few rows that are at most so large quantize their input on the way: doing it once a
 * workgroup costs less than a dispatch of its own.
 */
export const QUANTIZED_INSIDE = 2 ** 16;

/** How packed rows are quantized, and what is subtracted from their integers. */
export type RowQuantization = QuantizeRowsArgs & { readonly offset: 0 | 128 };

/** A product of floats, and ReLU after it if `relu` says so. */
export interface LinearOperation {
  readonly op: "linear";
  readonly x: Operand;
  readonly w: Operand;
  readonly bias: Operand | null;
  readonly relu: boolean;
  /** The result, in the dtype of `x`. */
  readonly y: DeviceBuffer;
}

/** A product of packed integers, and ReLU after it if `relu` says so. */
export interface PackedLinearOperation {
  readonly op: "packed linear";
  readonly x: PackedRows;
  readonly w: PackedRows;
  readonly args: PackedLinearArgs;
  readonly relu: boolean;
  /** The result: numbers, or the bytes of packed rows if it is quantized anew. */
  readonly y: DeviceBuffer;
  /** Floats that are quantized on the way; their bytes stand in for those of `x`. */
  readonly quantize?: { readonly x: Operand; readonly args: RowQuantization };
  /** How the result is quantized for the product that reads it. */
  readonly requantize?: RowQuantization;
}

/** A convolution of floats with channels last. */
export interface ConvOperation {
  readonly op: "conv";
  readonly x: ChannelsLast;
  readonly w: ConvWeight;
  readonly bias: Operand | null;
  readonly args: ConvArgs;
  /** The result, channels last, in the dtype of `x`. */
  readonly y: DeviceBuffer;
}

/** A convolution of bytes with channels last. */
export interface PackedConvOperation {
  readonly op: "packed conv";
  readonly x: ChannelsLast;
  readonly w: ConvWeight;
  readonly args: PackedConvArgs;
  /** How the result, floats, is quantized for the convolution that reads it. */
  readonly requantize?: RowQuantization;
  /** A table in which the bytes of the result are looked up, and the dtype of those that are found. */
  readonly table?: { readonly of: Operand; readonly dtype: DType };
  /** The result, channels last. */
  readonly y: DeviceBuffer;
}

/** Floats as bytes with channels last. */
export interface QuantizePixelsOperation {
  readonly op: "quantize pixels";
  readonly x: Operand | ChannelsLast;
  readonly args: RowQuantization;
  readonly y: DeviceBuffer;
}

/** `max(x, 0)`. */
export interface ReluOperation {
  readonly op: "relu";
  readonly x: Operand;
  readonly y: DeviceBuffer;
}

/** Floats as packed rows. */
export interface QuantizeRowsOperation {
  readonly op: "quantize rows";
  readonly x: Operand;
  readonly args: RowQuantization;
  readonly y: PackedRows & { readonly sums: DeviceBuffer };
}

/** What looks bytes up in a table, in words. */
const LOOKUP_WORDS = wordsOf(LOOKUP);

/** What has a shape, and its channels last if it says so. */
type Laid = Pick<Operand, "shape"> & Partial<Pick<ChannelsLast, "layout">>;

/** An expression's value element by element. */
export interface PointwiseOperation {
  readonly op: "pointwise";
  readonly expression: Expression;
  /** They broadcast to `shape`, but for tables. */
  readonly inputs: readonly (Operand | ChannelsLast)[];
  readonly shape: readonly number[];
  /** Whether the result, and maybe inputs, have their channels last. */
  readonly layout?: ChannelsLast["layout"];
  /** Of the result. */
  readonly dtype: DType;
  readonly y: DeviceBuffer;
}

/** An operation that may be done together with the one before or after it. */
export type Operation =
  | LinearOperation
  | PackedLinearOperation
  | ConvOperation
  | PackedConvOperation
  | QuantizePixelsOperation
  | ReluOperation
  | PointwiseOperation
  | QuantizeRowsOperation;

/** What a forward consists of: such operations, and steps of all others. */
export type Recorded = Operation | RecordedStep;

/** Whether something recorded is still an operation. */
export function isOperation(recorded: Recorded): recorded is Operation {
  return "op" in recorded;
}

/** The buffers whose makers an operation may be joined with. */
function inputsOf(operation: Operation): DeviceBuffer[] {
  switch (operation.op) {
    case "packed linear":
      return [operation.x.data];
    case "pointwise":
      return operation.inputs.map((x) => x.buffer);
    default:
      return [operation.x.buffer];
  }
}

const given = (...buffers: (DeviceBuffer | null | undefined)[]) =>
  buffers.filter((buffer) => !!buffer);

/** The buffers that an operation writes. */
export function written({ y }: Operation): DeviceBuffer[] {
  return "data" in y ? [y.data, y.sums] : [y];
}

/** The buffers that an operation reads. */
function read(operation: Operation): DeviceBuffer[] {
  switch (operation.op) {
    case "relu":
      return [operation.x.buffer];
    case "pointwise":
      return operation.inputs.map((x) => x.buffer);
    case "conv":
      return given(operation.x.buffer, operation.w.data, operation.bias?.buffer);
    case "linear":
      return given(operation.x.buffer, operation.w.buffer, operation.bias?.buffer);
    case "packed conv": {
      const { x, w, args: { xZeroPoint, wZeroPoint, result } } = operation;
      const scales = result.kind === "bytes"
        ? [result.multiplier, result.zeroPoint]
        : [result.xScale, result.wScale];
      return given(
        x.buffer,
        w.data,
        w.sums,
        xZeroPoint,
        wZeroPoint,
        ...scales,
        result.bias?.buffer,
        operation.table?.of.buffer,
      );
    }
    case "quantize pixels":
    case "quantize rows":
      return [operation.x.buffer, operation.args.inverseScale, operation.args.zeroPoint];
    case "packed linear": {
      const { x, w, args: { xScale, xZeroPoint, wScale, wZeroPoint, bias } } = operation;
      const params = [xScale, xZeroPoint, wScale, wZeroPoint, bias?.buffer];
      return given(x.data, x.sums, w.data, w.sums, ...params);
    }
  }
}

/** Who reads each buffer, `"the caller"` among them; a step that binds a buffer may read it. */
type Readers = ReadonlyMap<DeviceBuffer, ReadonlySet<Recorded | "the caller">>;

function readersOf(recorded: readonly Recorded[], outputs: readonly DeviceBuffer[]): Readers {
  const readers = new Map<DeviceBuffer, Set<Recorded | "the caller">>();
  const note = (buffer: DeviceBuffer, reader: Recorded | "the caller") => {
    const known = readers.get(buffer);
    if (known) known.add(reader);
    else readers.set(buffer, new Set([reader]));
  };
  for (const item of recorded) {
    for (const buffer of isOperation(item) ? read(item) : bound(item)) note(buffer, item);
  }
  for (const output of outputs) note(output, "the caller");
  return readers;
}

/**
 * Joins an operation with the one that made its input, which nothing else reads, into one that writes
 * what the later would have written; undefined where they cannot be joined.
 */
type Rule = (operation: Operation, maker: Operation, readers: Readers) => Operation | undefined;

/** Whether a product gives floats by the kernel that can do more with them. */
function bytesToFloats({ w, args, requantize }: PackedLinearOperation): boolean {
  return w.bits === 8 && args.outputDtype.isFloat && !requantize;
}

/** Whether a convolution of bytes gives floats, which its kernel can do more with. */
function convToFloats({ args: { result }, requantize }: PackedConvOperation): boolean {
  return result.kind === "floats" && result.dtype.isFloat && !requantize;
}

/** A product cuts off negative results itself. */
const reluAfterProduct: Rule = (operation, maker) => {
  if (operation.op !== "relu") return undefined;
  const { y } = operation;
  if (maker.op === "linear" && !maker.relu) return { ...maker, relu: true, y };
  if (maker.op === "conv" && !maker.args.clip) {
    return { ...maker, args: { ...maker.args, clip: RELU_CLIP }, y };
  }
  if (maker.op === "packed conv" && !maker.args.clip && convToFloats(maker)) {
    return { ...maker, args: { ...maker.args, clip: RELU_CLIP }, y };
  }
  if (maker.op === "packed linear" && !maker.relu && bytesToFloats(maker)) {
    return { ...maker, relu: true, y };
  }
};

/**
 * A product writes the bytes of the layer after it, without their sums. Those are added up by the
 * product that reads the rows; no step may bind them.
 */
const quantizedForTheNext: Rule = (operation, maker, readers) => {
  if (operation.op !== "quantize rows" || maker.op !== "packed linear") return undefined;
  const { x, y: { data, sums }, args } = operation;
  const summed = [...readers.get(sums) ?? []];
  const unbound = summed.every((reader) => reader !== "the caller" && isOperation(reader));
  if (!bytesToFloats(maker) || x.shape[1] !== maker.w.rows || !unbound) return undefined;
  return { ...maker, requantize: args, y: data };
};

/** A convolution writes the bytes of the one after it. */
const quantizedPixels: Rule = (operation, maker) => {
  if (operation.op !== "quantize pixels" || maker.op !== "packed conv") return undefined;
  const { x, y, args } = operation;
  if (!("layout" in x) || !convToFloats(maker)) return undefined;
  return { ...maker, requantize: args, y };
};

/** A convolution looks its bytes up in the table after it. */
const lookedUp: Rule = (operation, maker) => {
  if (operation.op !== "pointwise" || maker.op !== "packed conv" || maker.table) return undefined;
  const { expression, inputs: [x, of], y, dtype, layout } = operation;
  const bytes = maker.args.result.kind === "bytes" || maker.requantize;
  const lookup = wordsOf(expression) === LOOKUP_WORDS && x.buffer === maker.y;
  const fits = bytes && lookup && layout && alike(operation, x);
  return fits ? { ...maker, table: { of, dtype }, y } : undefined;
};

/** A small product of few rows quantizes its own input. */
const quantizedInside: Rule = (operation, maker) => {
  if (operation.op !== "packed linear" || maker.op !== "quantize rows") return undefined;
  const { x: { rows, k }, w } = operation;
  const small = rows <= FEW_ROWS && rows * w.rows * k <= QUANTIZED_INSIDE;
  if (w.bits !== 8 || !small) return undefined;
  return { ...operation, quantize: { x: maker.x, args: maker.args } };
};

/** The function that does what memory does to values of a dtype, so that joining changes no bits. */
const ROUNDING: ReadonlyMap<DType, "float16" | "bfloat16" | "uint8" | "int8" | null> = new Map([
  [float32, null],
  [int32, null],
  [float16, "float16"],
  [bfloat16, "bfloat16"],
  [uint8, "uint8"],
  [int8, "int8"],
]);

/** A shape of at most `rank` dimensions, if what goes beyond is of size 1 and comes first. */
function withoutFirst(shape: readonly number[], rank: number): readonly number[] {
  const beyond = Math.max(0, shape.length - rank);
  return shape.slice(0, beyond).every((size) => size === 1) ? shape.slice(beyond) : shape;
}

/** Whether two have one shape, but for dimensions of size 1 before it, and one order of their elements. */
function alike(a: Laid, b: Laid): boolean {
  if (a.layout !== b.layout) return false;
  if (a.layout) return sameShape(a.shape, b.shape);
  const rank = Math.min(a.shape.length, b.shape.length);
  return sameShape(withoutFirst(a.shape, rank), withoutFirst(b.shape, rank));
}

/** Longer expressions gain nothing more, and take long to compile. */
const MOST_STEPS = 64;

/** What one expression gives another of the same shape stays in registers. */
const pointwiseIntoPointwise: Rule = (operation, maker) => {
  if (operation.op !== "pointwise" || maker.op !== "pointwise") return undefined;
  if (!ROUNDING.has(maker.dtype) || !alike(operation, maker)) return undefined;
  const tables = tablesOf(operation.expression);
  const inside = (x: Operand, n: number) =>
    x.buffer !== maker.y || (alike(x, maker) && !tables.has(n));
  if (!operation.inputs.every(inside)) return undefined;
  const joined = joinPointwise(operation, maker);
  const small = joined.inputs.length <= MOST_INPUTS && joined.expression.steps.length <= MOST_STEPS;
  return small ? joined : undefined;
};

/** The steps of `maker`, then those of `operation`, which read its last one instead of its result. */
function joinPointwise(
  operation: PointwiseOperation,
  maker: PointwiseOperation,
): PointwiseOperation {
  const rank = operation.shape.length;
  const inputs = maker.inputs.map((x) => ({ ...x, shape: withoutFirst(x.shape, rank) }));
  const made = last(maker.expression);
  const rounding = ROUNDING.get(maker.dtype);
  const before = rounding
    ? { ...maker.expression, steps: [...maker.expression.steps, [rounding, made] as const] }
    : maker.expression;
  const places = operation.inputs.map((x): Argument => {
    if (x.buffer === maker.y) return last(before);
    const same = inputs.findIndex((y) => y.buffer === x.buffer && alike(y, x));
    return `x${same < 0 ? inputs.push(x) - 1 : same}`;
  });
  const expression = inlined(before, operation.expression, places);
  return { ...operation, inputs, expression };
}

const RULES: readonly Rule[] = [
  reluAfterProduct,
  quantizedForTheNext,
  quantizedPixels,
  lookedUp,
  quantizedInside,
  pointwiseIntoPointwise,
];

/** An operation as it is if its input was made as `maker` says: without sums that are not written. */
function adapted(operation: Operation, maker: Operation | undefined): Operation {
  const unsummed = maker?.op === "packed linear" && maker.requantize;
  if (operation.op !== "packed linear" || !unsummed) return operation;
  return { ...operation, x: { ...operation.x, sums: null } };
}

/**
 * Joins what one kernel can do. An operation is joined with the one before it if nothing else reads
 * what that one wrote, be it needed in the end or not.
 *
 * @param recorded in the order of the calls.
 * @param outputs what the caller gets.
 * @returns the same results in the same buffers; buffers in between that are no longer needed are
 * neither written nor read.
 */
export function fuse(recorded: readonly Recorded[], outputs: readonly DeviceBuffer[]): Recorded[] {
  const readers = readersOf(recorded, outputs);
  const makers: Makers = new Map();
  const fused = new Set<Recorded>();
  for (const item of recorded) {
    if (!isOperation(item)) {
      fused.add(item);
      continue;
    }
    let operation = adapted(item, makers.get(inputsOf(item)[0])?.operation);
    const origins = new Set<Recorded | "the caller">([item]);
    for (let made = joinable(operation, origins, makers, readers); made;) {
      fused.delete(made.maker.operation);
      written(made.maker.operation).forEach((buffer) => makers.delete(buffer));
      made.maker.origins.forEach((origin) => origins.add(origin));
      operation = made.joined;
      made = joinable(operation, origins, makers, readers);
    }
    fused.add(operation);
    written(operation).forEach((buffer) => makers.set(buffer, { operation, origins }));
  }
  return [...fused];
}

/** An operation, and those that were recorded which it does. */
interface Maker {
  readonly operation: Operation;
  readonly origins: ReadonlySet<Recorded | "the caller">;
}

type Makers = Map<DeviceBuffer, Maker>;

/**
 * A maker of an operation's inputs that a rule joins it with, and what becomes of the two; `origins` are
 * those that the operation does, beside which nothing may read what the maker wrote.
 */
function joinable(
  operation: Operation,
  origins: ReadonlySet<Recorded | "the caller">,
  makers: Makers,
  readers: Readers,
): { maker: Maker; joined: Operation } | undefined {
  for (const input of inputsOf(operation)) {
    const maker = makers.get(input);
    const alone = maker &&
      written(maker.operation).every((buffer) =>
        [...readers.get(buffer) ?? []].every((reader) => origins.has(reader))
      );
    for (const rule of alone ? RULES : []) {
      const joined = rule(operation, maker!.operation, readers);
      if (joined) return { maker: maker!, joined };
    }
  }
}
