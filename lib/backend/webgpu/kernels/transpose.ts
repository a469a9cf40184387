/**
 * Matrices with rows and columns exchanged, which also brings channels last and back again. Elements
 * move as they are; only a byte may change its sign bit, which is what subtracting 128 does.
 */
import { type DType, int16, int32, int8 } from "../../../numbers/dtype.ts";
import { byteOffset } from "../../channels_last.ts";
import { loader, perWord } from "./elements.ts";
import { elementwise } from "./elementwise.ts";
import { type Kernel, kernel } from "./kernel.ts";
import { each, type Shader } from "./shader.ts";

const WORKGROUP = 64;

/** What distinguishes kernels that transpose. */
interface Transpose {
  readonly x: DType;
  /** Whether a byte's sign bit is flipped. */
  readonly flip: boolean;
}

/** The integer dtype as wide, whose elements are moved. */
function moved({ itemSize }: DType): DType {
  return itemSize === 4 ? int32 : itemSize === 2 ? int16 : int8;
}

/** The elements of a vector that an invocation writes. */
export function elementsPerVector(dtype: DType): number {
  return 4 * perWord(dtype);
}

/** Workgroups for so many vectors of new rows. */
export function toRowsWorkgroups(vectors: number): number {
  return Math.ceil(vectors / WORKGROUP);
}

/**
 * A batch of matrices, transposed into rows of whole 16-byte vectors that are filled up with zeros. An
 * invocation writes a vector. Parameters: `vectors` in all, `rows` and `columns` of a matrix, `stride`,
 * elements from one of its rows to the next, and `width`, vectors of a new row.
 */
export function toRowsKernel(x: DType, { signed = false } = {}): Kernel {
  return kernel("to rows", { x: moved(x), flip: signed && byteOffset(x) !== 0 }, toRows);
}

function toRows({ x, flip }: Transpose): Shader {
  const lanes = perWord(x);
  const bits = 32 / lanes;
  const element = (e: number) =>
    `if (row + ${e}u < params.rows) { v[${
      Math.floor(e / lanes)
    }] |= element(first + ${e}u * params.stride)${
      lanes > 1 ? ` << ${bits * (e % lanes)}u` : ""
    }; }`;
  const mask = lanes > 1 ? ` & ${2 ** bits - 1}u` : "";
  return {
    arrays: [["x", "u32"], ["y", "vec4<u32>", "read_write"]],
    fields: ["vectors", "rows", "columns", "stride", "width"],
    declarations: `${loader("x", x)}
fn element(i: u32) -> u32 { return bitcast<u32>(load_int_x(i)${flip ? " ^ 128" : ""})${mask}; }`,
    workgroup: WORKGROUP,
    body: /* wgsl */ `
let i = index * ${WORKGROUP}u + lane;
if (i >= params.vectors) { return; }
let column = i % params.columns;
let block = i / params.columns % params.width;
let matrix = i / params.columns / params.width;
let row = block * ${4 * lanes}u;
let first = (matrix * params.rows + row) * params.stride + column;
var v = vec4<u32>();
${each(4 * lanes, element)}
y[(matrix * params.columns + column) * params.width + block] = v;
`,
  };
}

/**
 * A batch of matrices of 32-bit elements, transposed into rows without gaps. An invocation reads a vector.
 * Parameters: `vectors` in all, `rows` and `columns` of a matrix, and `stride`, vectors from one of its
 * rows to the next, of which there are as many as hold the columns.
 */
export function fromRowsKernel(): Kernel {
  return kernel("from rows", {}, fromRows);
}

function fromRows(): Shader {
  return {
    arrays: [["x", "vec4<u32>"], ["y", "u32", "read_write"]],
    fields: ["vectors", "rows", "columns", "stride"],
    workgroup: WORKGROUP,
    body: /* wgsl */ `
let i = index * ${WORKGROUP}u + lane;
if (i >= params.vectors) { return; }
let row = i % params.rows;
let block = i / params.rows % params.stride;
let matrix = i / params.rows / params.stride;
let v = x[(matrix * params.rows + row) * params.stride + block];
let column = block * 4u;
let place = (matrix * params.columns + column) * params.rows + row;
${
      each(4, (e) =>
        `if (column + ${e}u < params.columns) { y[place + ${e}u * params.rows] = v[${e}]; }`)
    }
`,
  };
}

/**
 * The same for elements narrower than a word. Parameters after numel: `rows` and `columns` of a matrix,
 * and `stride`, elements from one of its rows to the next.
 */
export function fromNarrowRowsKernel(x: DType): Kernel {
  return kernel("from narrow rows", { x: moved(x), flip: byteOffset(x) !== 0 }, fromNarrowRows);
}

function fromNarrowRows({ x, flip }: Transpose): Shader {
  return elementwise({
    inputs: [["x", x]],
    output: x,
    fields: ["rows", "columns", "stride"],
    functions: /* wgsl */ `
fn transposed(i: u32) -> i32 {
  let line = i / params.rows;
  let row = line / params.columns * params.rows + i % params.rows;
  return load_int_x(row * params.stride + line % params.columns)${flip ? " ^ 128" : ""};
}
`,
    value: "transposed(i)",
  });
}
