/** Kernels that move elements without looking at them: an element's bits go where they belong. */
import { type DType, int16, int32, uint8 } from "../../../numbers/dtype.ts";
import type { PadArgs } from "../../backend.ts";
import type { Walk } from "../../strides.ts";
import { elementwise } from "./elementwise.ts";
import { type Kernel, kernel } from "./kernel.ts";
import { each, type Shader } from "./shader.ts";

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

/** Some tensors side by side. Parameters: elements a row of the output, then where each one's begin. */
export function catKernel(dtype: DType, count: number): Kernel {
  return kernel("cat", { dtype: carrier(dtype), count }, catShader);
}

function catShader({ dtype, count }: { dtype: DType; count: number }): Shader {
  const end = (n: number) => n + 1 < count ? `params.begin${n + 1}` : "params.row";
  return elementwise({
    inputs: Array.from({ length: count }, (_, n) => [`x${n}`, dtype] as const),
    output: dtype,
    fields: ["row", ...Array.from({ length: count }, (_, n) => `begin${n}`)],
    functions: /* wgsl */ `
fn joined(i: u32) -> i32 {
  let row = i / params.row;
  let at = i % params.row;
  ${
      each(count, (n) => /* wgsl */ `
  ${n + 1 < count ? `if (at < ${end(n)}) {` : "{"}
    return load_int_x${n}(row * (${end(n)} - params.begin${n}) + at - params.begin${n});
  }`)
    }
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
  readonly dtype: DType;
  readonly index: DType;
  readonly rank: number;
}

/**
 * Elements that indices point at; one that points outside is brought inside. Parameters: the size and
 * the stride of the dimension that they count along, then the walk of the input and the index.
 */
export function gatherKernel(dtype: DType, index: DType, rank: number): Kernel {
  return kernel("gather", { dtype: carrier(dtype), index, rank }, gatherShader);
}

function gatherShader({ dtype, index, rank }: Gather): Shader {
  return elementwise({
    inputs: [["x", dtype], ["index", index]],
    output: dtype,
    fields: ["size", "stride", ...gatherFields(rank)],
    functions: /* wgsl */ `
${placeFunction("place_of", rank, "")}
${placeFunction("index_of", rank, "b")}
fn gathered(i: u32) -> i32 {
  let size = i32(params.size);
  let given = load_int_index(index_of(i));
  let at = clamp(select(given, given + size, given < 0), 0, size - 1);
  return load_int_x(place_of(i) + u32(at) * params.stride);
}
`,
    value: "gathered(i)",
  });
}
