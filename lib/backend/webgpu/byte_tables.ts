/**
 * Functions of one byte as tables. What is computed of a single tensor of bytes, element by element, has 256
 * results at most: the same expression computes them of the 256 bytes, and each element looks its own up.
 *
 * @module
 */
import { int32, int8, uint8 } from "../../numbers/dtype.ts";
import { numelOf } from "../../numbers/shape.ts";
import type { DeviceBuffer, Operand } from "../backend.ts";
import { LOOKUP, tablesOf } from "../expression.ts";
import { isOperation, type PointwiseOperation, type Recorded } from "./fusion.ts";

/** Where tables and what they are made of lie. */
export interface TableMemory {
  /** Whether what a buffer holds is the same whenever the recording is replayed. */
  readonly isConstant: (buffer: DeviceBuffer) => boolean;
  /** The 256 bytes in order. */
  readonly allBytes: () => DeviceBuffer;
  /** Room for 256 numbers of 32 bits, the form in which tables are read fastest. */
  readonly table: () => DeviceBuffer;
}

const BYTES = 256;

const isByte = ({ dtype }: Pick<Operand, "dtype">) => dtype === uint8 || dtype === int8;

/** The number of the only input that varies, if it is one of bytes and all others are single constants. */
function onlyByte(
  { expression, inputs, dtype }: PointwiseOperation,
  { isConstant }: TableMemory,
): number | undefined {
  const tables = tablesOf(expression);
  const varying: number[] = [];
  for (const [n, x] of inputs.entries()) {
    if (!isConstant(x.buffer)) varying.push(n);
    else if (!tables.has(n) && numelOf(x.shape) > 1) return undefined;
  }
  const [n] = varying;
  const fits = isByte({ dtype }) && varying.length === 1 && !tables.has(n) && isByte(inputs[n]);
  return fits ? n : undefined;
}

/** An expression as its table, which is constant, and what looks elements up in it. */
function asTable(
  operation: PointwiseOperation,
  memory: TableMemory,
): PointwiseOperation[] {
  const { expression, inputs, shape } = operation;
  const n = onlyByte(operation, memory);
  if (n === undefined || numelOf(shape) <= BYTES) return [operation];
  const table: Operand = { buffer: memory.table(), dtype: int32, shape: [BYTES] };
  const all: Operand = { buffer: memory.allBytes(), dtype: inputs[n].dtype, shape: [BYTES] };
  // A constant of one element may have many dimensions, a table has one.
  const once = inputs.map((x, i) =>
    i === n ? all : numelOf(x.shape) > 1 ? x : { ...x, shape: [1] }
  );
  return [
    { op: "pointwise", expression, inputs: once, shape: [BYTES], dtype: int32, y: table.buffer },
    { ...operation, expression: LOOKUP, inputs: [inputs[n], table] },
  ];
}

/** Puts tables in the place of what is computed of one byte; their makers read constants alone. */
export function tabulated(recorded: readonly Recorded[], memory: TableMemory): Recorded[] {
  return recorded.flatMap((item): Recorded[] =>
    isOperation(item) && item.op === "pointwise" ? asTable(item, memory) : [item]
  );
}
