/**
 * Operations that one kernel can do together, and the rules by which they are joined. Nothing here needs
 * a device: operations are data, which say what they read and what they write.
 *
 * @module
 */
import type {
  DeviceBuffer,
  Operand,
  PackedLinearArgs,
  PackedRows,
  QuantizeRowsArgs,
} from "../backend.ts";
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

/** An operation that may be done together with the one before or after it. */
export type Operation =
  | LinearOperation
  | PackedLinearOperation
  | ReluOperation
  | QuantizeRowsOperation;

/** What a forward consists of: such operations, and steps of all others. */
export type Recorded = Operation | RecordedStep;

/** Whether something recorded is still an operation. */
export function isOperation(recorded: Recorded): recorded is Operation {
  return "op" in recorded;
}

/** The buffer whose maker an operation may be joined with. */
function inputOf(operation: Operation): DeviceBuffer {
  return operation.op === "packed linear" ? operation.x.data : operation.x.buffer;
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
    case "linear":
      return given(operation.x.buffer, operation.w.buffer, operation.bias?.buffer);
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

/** A product cuts off negative results itself. */
const reluAfterProduct: Rule = (operation, maker) => {
  if (operation.op !== "relu") return undefined;
  const { y } = operation;
  if (maker.op === "linear" && !maker.relu) return { ...maker, relu: true, y };
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

/** A small product of few rows quantizes its own input. */
const quantizedInside: Rule = (operation, maker) => {
  if (operation.op !== "packed linear" || maker.op !== "quantize rows") return undefined;
  const { x: { rows, k }, w } = operation;
  const small = rows <= FEW_ROWS && rows * w.rows * k <= QUANTIZED_INSIDE;
  if (w.bits !== 8 || !small) return undefined;
  return { ...operation, quantize: { x: maker.x, args: maker.args } };
};

const RULES: readonly Rule[] = [reluAfterProduct, quantizedForTheNext, quantizedInside];

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
  const makers = new Map<DeviceBuffer, Operation>();
  const fused = new Set<Recorded>();
  for (const item of recorded) {
    if (!isOperation(item)) {
      fused.add(item);
      continue;
    }
    const maker = makers.get(inputOf(item));
    let operation = adapted(item, maker);
    const alone = maker &&
      written(maker).every((buffer) =>
        [...readers.get(buffer) ?? []].every((reader) => reader === item)
      );
    for (const rule of alone ? RULES : []) {
      const joined = rule(operation, maker!, readers);
      if (!joined) continue;
      fused.delete(maker!);
      operation = joined;
      break;
    }
    fused.add(operation);
    written(operation).forEach((buffer) => makers.set(buffer, operation));
  }
  return [...fused];
}
