/** Kernels that move elements without looking at them: an element's bits go where they belong. */
import { type DType, int16, int32, uint8 } from "../../../numbers/dtype.ts";
import type { PadArgs } from "../../backend.ts";
import type { Walk } from "../../strides.ts";
import { loader } from "./elements.ts";
import { elementwise, elementwiseWorkgroups } from "./elementwise.ts";
import { type Kernel, kernel } from "./kernel.ts";
import { each, type Shader } from "./shader.ts";

const WORKGROUP = 64;

/** An integer dtype of the same size, whose elements are moved as they are. */
export function carrier({ itemSize }: DType): DType {
  return itemSize === 4 ? int32 : itemSize === 2 ? int16 : uint8;
}

/** `fn NAME(i)`, the sum of coordinates times strides, which are parameters that end in `suffix`. */
function placeFunction(name: string, rank: number, suffix: string): string {
  const terms = Array.from({ length: rank }, (_, n) => rank - 1 - n).map((d) => {
    const coordinate = d > 0 ? `rest % params.size${d}` : "rest";
    return `place += ${coordinate} * params.stride${d}${suffix};` +
      (d > 0 ? ` rest /= params.size${d};` : "");
  });
  return /* wgsl */ `
fn ${name}(i: u32) -> u32 {
  var rest = i; var place = 0u;
  ${terms.join("\n")}
  return place;
}
`;
}

/** The walk of an input and its index, as parameters: sizes, then strides of both. */
export function gatherParams({ sizes, strides }: Walk): number[] {
  return [...sizes, ...strides.flat()];
}

function gatherFields(rank: number): string[] {
  const dims = Array.from({ length: rank }, (_, d) => d);
  return [
    ...dims.map((d) => `size${d}`),
    ...["", "b"].flatMap((suffix) => dims.map((d) => `stride${d}${suffix}`)),
  ];
}

/** What elements are moved in: vectors of four words, words, or elements narrower than a word. */
export type Unit = "vec4<u32>" | "u32" | DType;

/** The widest unit that fills some numbers of bytes, and its size. */
export function unitOf(dtype: DType, byteCounts: readonly number[]): { unit: Unit; bytes: number } {
  if (byteCounts.every((count) => count % 16 === 0)) return { unit: "vec4<u32>", bytes: 16 };
  if (byteCounts.every((count) => count % 4 === 0)) return { unit: "u32", bytes: 4 };
  return { unit: carrier(dtype), bytes: dtype.itemSize };
}

/** Workgroups of kernels that write `count` units. */
export function unitWorkgroups(count: number, unit: Unit): number {
  return typeof unit === "string"
    ? Math.ceil(count / WORKGROUP)
    : elementwiseWorkgroups(count, unit);
}

/** What a kernel that moves units consists of; inputs are read by `unit_NAME(i)`. */
interface Moving {
  readonly unit: Unit;
  readonly inputs: readonly string[];
  /** The dtype of an input called `index`, which is read by `load_int_index(i)`. */
  readonly indices?: DType;
  readonly fields: readonly string[];
  readonly functions: (type: string) => string;
  /** An expression of `i`. */
  readonly value: string;
}

/** The frame of kernels that make each unit of the output of one of an input. */
function moving({ unit, inputs, indices, fields, functions, value }: Moving): Shader {
  const index = indices ? [["index", indices] as const] : [];
  if (typeof unit !== "string") {
    const readers = inputs.map((name) =>
      `fn unit_${name}(i: u32) -> i32 { return load_int_${name}(i); }\n`
    );
    return elementwise({
      inputs: [...inputs.map((name) => [name, unit] as const), ...index],
      output: unit,
      fields,
      functions: readers.join("") + functions("i32"),
      value,
    });
  }
  const readers = inputs.map((name) =>
    `fn unit_${name}(i: u32) -> ${unit} { return ${name}[i]; }\n`
  );
  return {
    arrays: [
      ...inputs.map((name) => [name, unit] as const),
      ...index.map(([name]) => [name, "u32"] as const),
      ["y", unit, "read_write"],
    ],
    fields: ["numel", ...fields],
    declarations: readers.join("") + index.map((one) => loader(...one)).join("") + functions(unit),
    workgroup: WORKGROUP,
    body: /* wgsl */ `
let i = index * ${WORKGROUP}u + lane;
if (i >= params.numel) { return; }
y[i] = ${value};
`,
  };
}

/**
 * Runs side by side. Parameters: units of the output, of a row of it, those in a row that runs fill,
 * where each begins, and how far from one of its runs to the next.
 */
export function catKernel(unit: Unit, count: number, filledUp: boolean): Kernel {
  return kernel("cat", { unit, count, filledUp }, catShader);
}

/** What distinguishes kernels that put runs side by side. */
interface Cat {
  readonly unit: Unit;
  readonly count: number;
  /** Whether rows are filled up with zeros. */
  readonly filledUp: boolean;
}

function catShader({ unit, count, filledUp }: Cat): Shader {
  const taken = (n: number) =>
    `return unit_x${n}(row * params.stride${n} + at - params.begin${n});`;
  const all = Array.from({ length: count }, (_, n) => n);
  return moving({
    unit,
    inputs: all.map((n) => `x${n}`),
    fields: ["width", "filled", ...all.map((n) => `begin${n}`), ...all.map((n) => `stride${n}`)],
    functions: (type) => /* wgsl */ `
fn joined(i: u32) -> ${type} {
  let row = i / params.width;
  let at = i - row * params.width;
  ${filledUp ? `if (at >= params.filled) { return ${type}(); }` : ""}
  ${each(count - 1, (n) => `if (at < params.begin${n + 1}) { ${taken(n)} }`)}
  ${taken(count - 1)}
}
`,
    value: "joined(i)",
  });
}

/** What distinguishes kernels that pad. */
interface Pad {
  readonly dtype: DType;
  readonly rank: number;
  readonly mode: PadArgs["mode"];
}

/**
 * A tensor with a border. Parameters: the constant's bits; for each dimension its size, that of the
 * input, and how much comes before.
 */
export function padKernel(dtype: DType, rank: number, mode: PadArgs["mode"]): Kernel {
  return kernel("pad", { dtype: carrier(dtype), rank, mode }, padShader);
}

/** The source of coordinate `c` in a dimension of `size`, or −1. */
const PADDED_FROM: Readonly<Record<PadArgs["mode"], string>> = {
  constant: "return -1;",
  edge: "return clamp(c, 0, size - 1);",
  wrap: "return ((c % size) + size) % size;",
  reflect: /* wgsl */ `
let period = max(2 * (size - 1), 1);
let within = ((c % period) + period) % period;
return select(period - within, within, within < size);`,
};

function padShader({ dtype, rank, mode }: Pad): Shader {
  const dims = Array.from({ length: rank }, (_, n) => rank - 1 - n);
  return elementwise({
    inputs: [["x", dtype]],
    output: dtype,
    fields: [
      "constant",
      ...Array.from({ length: rank }, (_, d) => [`size${d}`, `from${d}`, `before${d}`]).flat(),
    ],
    functions: /* wgsl */ `
fn padded_from(c: i32, size: i32) -> i32 {
  if (c >= 0 && c < size) { return c; }
  ${PADDED_FROM[mode]}
}
fn padded(i: u32) -> i32 {
  var rest = i; var place = 0u; var stride = 1u;
  ${
      dims.map((d) => /* wgsl */ `
  let c${d} = padded_from(i32(${
        d > 0 ? `rest % params.size${d}` : "rest"
      }) - i32(params.before${d}), i32(params.from${d}));
  if (c${d} < 0) { return bitcast<i32>(params.constant); }
  place += u32(c${d}) * stride;
  ${d > 0 ? `rest /= params.size${d}; stride *= params.from${d};` : ""}`).join("")
    }
  return load_int_x(place);
}
`,
    value: "padded(i)",
  });
}

/** What distinguishes kernels that look up. */
interface Gather {
  readonly unit: Unit;
  readonly index: DType;
  readonly rank: number;
}

/**
 * Units that indices point at; an index that points outside is brought inside. Parameters: units of the
 * output, the size and the stride of the dimension that indices count along, then the walk of the input
 * and the index.
 */
export function gatherKernel(unit: Unit, index: DType, rank: number): Kernel {
  return kernel("gather", { unit, index, rank }, gatherShader);
}

function gatherShader({ unit, index, rank }: Gather): Shader {
  return moving({
    unit,
    inputs: ["x"],
    indices: index,
    fields: ["size", "stride", ...gatherFields(rank)],
    functions: (type) => /* wgsl */ `
${placeFunction("place_of", rank, "")}
${placeFunction("index_of", rank, "b")}
fn gathered(i: u32) -> ${type} {
  let size = i32(params.size);
  let given = load_int_index(index_of(i));
  let at = clamp(select(given, given + size, given < 0), 0, size - 1);
  return unit_x(place_of(i) + u32(at) * params.stride);
}
`,
    value: "gathered(i)",
  });
}
