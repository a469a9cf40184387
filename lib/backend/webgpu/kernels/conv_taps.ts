/**
 * Which rows of pixels a convolution reads, as its product's generator takes it.
 *
 * A row of the product is an output pixel. The products of a batch are the groups of channels, and of a
 * transposed convolution also its phases: outputs that are a stride apart are reached by the same taps,
 * so each phase is a convolution with those taps alone, and no product with zero is computed.
 *
 * @module
 */
import { type Batch, type KStep, loadVector, type Taps } from "./product.ts";

/** What distinguishes convolutions, as far as their places are concerned. */
export interface ConvPlaces {
  /** Spatial dimensions. */
  readonly rank: number;
  readonly transposed: boolean;
  /**
   * Whether the taps of the last dimension, which are neighbours, and the vectors of their channels are one
   * run: few channels then make no short loops.
   */
  readonly merged: boolean;
}

/** Parameters of each dimension, in order; see {@linkcode convParams}. */
const PER_DIMENSION = ["out", "size", "kernel", "stride", "before", "dilation"] as const;
/** Besides, of a transposed one. */
const PER_PHASE = ["whole", "step"] as const;

/** The places that a convolution goes through, one number a spatial dimension. */
export interface ConvSizes {
  readonly input: readonly number[];
  readonly output: readonly number[];
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly before: readonly number[];
  readonly dilation: readonly number[];
}

const dims = (rank: number) => Array.from({ length: rank }, (_, d) => d);

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/** The sizes of the grid of outputs that one product makes, and how many such grids there are. */
export function gridOf(
  { output, stride }: Pick<ConvSizes, "output" | "stride">,
  transposed: boolean,
): { grid: number[]; phases: number } {
  if (!transposed) return { grid: [...output], phases: 1 };
  return {
    grid: output.map((size, d) => Math.ceil(size / stride[d])),
    phases: stride.reduce((product, s) => product * s, 1),
  };
}

/** The parameters after those of the product: of the batch, then of the taps. */
export function convParams(
  sizes: ConvSizes,
  transposed: boolean,
  groupColumns: number,
  tapSteps: number,
  rowSteps: number,
): number[] {
  const { input, output, kernel, stride, before, dilation } = sizes;
  const { grid, phases } = gridOf(sizes, transposed);
  const perDimension = grid.flatMap((out, d) => [
    ...[out, input[d], kernel[d], stride[d], before[d], dilation[d]],
    ...transposed ? [output[d], stride[d] / gcd(stride[d], dilation[d])] : [],
  ]);
  return [groupColumns, phases, tapSteps, rowSteps, ...perDimension];
}

/** The groups and phases of a convolution. */
export function convBatch({ rank, transposed }: ConvPlaces): Batch {
  return {
    fields: ["group_columns", "phases"],
    begin: /* wgsl */ `
let group = batch / params.phases;
var phase = batch % params.phases;
let first_column = group * params.group_columns;
let x_begin = group * params.tap_steps;
let w_begin = first_column * params.steps;
let y_begin = first_column;
${transposed ? dims(rank).reverse().map(phaseOf).join("\n") + phaseTerms(rank) : ""}`,
  };
}

/** How many products an output of a phase adds up. */
function phaseTerms(rank: number): string {
  const all = dims(rank);
  const product = (factor: (d: number) => string) => all.map(factor).join(" * ");
  return `
let terms = params.k / (${product((d) => `params.kernel_${d}`)}) * ${product((d) => `taps_${d}`)};`;
}

/**
 * Of dimension `d` of a phase: its first tap and how many there are, a `step` apart; the input that the
 * first output reads with the first tap, and how far the next tap moves it.
 */
function phaseOf(d: number): string {
  const p = (field: string) => `params.${field}_${d}`;
  const reached = `i32(phase_${d} + ${p("before")}) - i32(first_${d} * ${p("dilation")})`;
  return /* wgsl */ `
let phase_${d} = phase % ${p("stride")};
phase /= ${p("stride")};
var first_${d} = 0u;
while (first_${d} < ${p("step")} && (${reached}) % i32(${p("stride")}) != 0) { first_${d}++; }
let taps_${d} = select(0u, (${p("kernel")} + ${p("step")} - 1u - first_${d}) / ${p("step")},
  first_${d} < min(${p("kernel")}, ${p("step")}));
let reach_${d} = (${reached}) / i32(${p("stride")});
let move_${d} = -i32(${p("step")} * ${p("dilation")} / ${p("stride")});`;
}

/** The taps of a convolution whose vectors `step` loads; `outside` is what stands in for one outside. */
export function convTaps(
  places: ConvPlaces,
  step: Pick<KStep, "load" | "endings">,
  outside: (s: string) => string,
): Taps {
  const { rank, transposed, merged } = places;
  const all = dims(rank);
  const fields = transposed ? [...PER_DIMENSION, ...PER_PHASE] : PER_DIMENSION;
  const { endings = [""] } = step;
  return {
    fields: [
      "tap_steps",
      "row_steps",
      ...all.flatMap((d) => fields.map((field) => `${field}_${d}`)),
    ],
    row: (q, m) =>
      `var rest_${q} = ${m};
${
        all.toReversed().map((d) => {
          const start = transposed
            ? `i32(rest_${q} % params.out_${d}) + reach_${d}`
            : `i32(rest_${q} % params.out_${d} * params.stride_${d}) - i32(params.before_${d})`;
          return `let start_${d}_${q} = ${start};
rest_${q} /= params.out_${d};`;
        }).join("\n")
      }`,
    loop: (rows, body) => tapLoop(places, rows, body),
    load: (name, q, s) =>
      `${merged ? locateInRun(rank - 1, name, q, s) : locateAtTap(name, q, s)}
${step.load(`${name}_there`, "x", `${name}_at`)}
${
        endings.map((ending) =>
          `let ${name}${ending} = select(${outside(s)}, ${name}_there${ending}, ${name}_in);`
        ).join("\n")
      }`,
    place: transposed ? (i, m) => outputPlace(rank, i, m) : undefined,
  };
}

/**
 * The taps of a convolution of bytes whose pixels have at most four channels: a step is a tap along the last
 * dimension, the first word of a pixel's row, of which `load` declares what it holds.
 */
export function fewChannelsTaps(
  places: ConvPlaces,
  load: (name: string, word: string) => string,
  outside: string,
): Taps {
  const last = places.rank - 1;
  return {
    ...convTaps(places, { load: loadVector }, () => ""),
    load: (name, q, s) =>
      `let ${name}_at = start_${last}_${q} + i32(${s} * params.dilation_${last});
let ${name}_in = inside_${q} && u32(${name}_at) < params.size_${last};
let ${name}_there = x[select(0u, line_${q} + u32(${name}_at), ${name}_in) * params.row_steps];
let ${name}_word = select(${outside}, ${name}_there, ${name}_in);
${load(name, `${name}_word`)}`,
  };
}

/** Where vector `s` of row `q` is at a tap, and whether it is inside. */
function locateAtTap(name: string, q: number, s: string): string {
  return `let ${name}_in = inside_${q};
let ${name}_at = x_${q} + ${s};`;
}

/** Where vector `s` of a run of taps along the last dimension is. */
function locateInRun(last: number, name: string, q: number, s: string): string {
  return `let ${name}_run = begin_${q} + i32(${s});
let ${name}_in = inside_${q} && u32(${name}_run) < params.size_${last} * params.row_steps;
let ${name}_at = select(0u, line_${q} * params.row_steps + u32(${name}_run), ${name}_in);`;
}

/** What is declared in the innermost loop over taps, of so many rows. */
function reached({ rank, merged }: ConvPlaces, rows: readonly number[]): string {
  const last = rank - 1;
  if (!merged) {
    return `${
      rows.map((q) =>
        `let inside_${q} = in_${last}_${q};
let x_${q} = x_begin + select(0u, u32(pixel_${last}_${q}) * params.row_steps, inside_${q});`
      ).join("\n")
    }
let w_tap = tap_${last} * params.tap_steps;`;
  }
  const outer = last - 1;
  const line = (q: number) => outer < 0 ? `rest_${q}` : `u32(pixel_${outer}_${q})`;
  return `${
    rows.map((q) =>
      `let inside_${q} = ${outer < 0 ? "true" : `in_${outer}_${q}`};
let begin_${q} = start_${last}_${q} * i32(params.row_steps);
let line_${q} = ${line(q)} * params.size_${last};`
    ).join("\n")
  }
let w_tap = ${outer < 0 ? "0u" : `tap_${outer} * params.tap_steps`};`;
}

/** Loops over the taps, one in another; what an outer one tells is not computed again in the inner. */
function tapLoop(places: ConvPlaces, count: number, body: string): string {
  const { rank, transposed, merged } = places;
  const rows = Array.from({ length: count }, (_, q) => q);
  let text = `${reached(places, rows)}
${body}`;
  for (let d = merged ? rank - 2 : rank - 1; d >= 0; d--) {
    const [taps, move] = transposed
      ? [`taps_${d}`, `move_${d}`]
      : [`params.kernel_${d}`, `i32(params.dilation_${d})`];
    const tap = transposed ? `first_${d} + t_${d} * params.step_${d}` : `t_${d}`;
    text = `for (var t_${d} = 0u; t_${d} < ${taps}; t_${d}++) {
  let tap_${d} = ${d > 0 ? `tap_${d - 1} * params.kernel_${d} + ` : ""}${tap};
  let moved_${d} = i32(t_${d}) * ${move};
  ${
      rows.map((q) => {
        const at = `at_${d}_${q}`;
        const inside = `u32(${at}) < params.size_${d}`;
        return `let ${at} = start_${d}_${q} + moved_${d};
let in_${d}_${q} = ${d > 0 ? `in_${d - 1}_${q} && ${inside}` : inside};
let pixel_${d}_${q} = ${
          d > 0 ? `pixel_${d - 1}_${q}` : `i32(rest_${q})`
        } * i32(params.size_${d}) + ${at};`;
      }).join("\n")
    }
  ${text}
}`;
  }
  return text;
}

/** Where the output that row `m` of a phase is lies among all, if it does. */
function outputPlace(rank: number, i: number, m: string): string {
  const all = dims(rank);
  return `var grid_${i} = ${m};
${
    all.toReversed().map((d) =>
      `let o_${d}_${i} = grid_${i} % params.out_${d} * params.stride_${d} + phase_${d};
grid_${i} /= params.out_${d};`
    ).join("\n")
  }
let kept_${i} = ${all.map((d) => `o_${d}_${i} < params.whole_${d}`).join(" && ")};
let y_${i} = ${
    all.reduce((place, d) => `(${place} * params.whole_${d} + o_${d}_${i})`, `grid_${i}`)
  };`;
}
