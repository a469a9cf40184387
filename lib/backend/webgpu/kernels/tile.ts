/**
 * How a product is cut up: which outputs an invocation makes, and how invocations work together.
 *
 * @module
 */

/**
 * What the invocations of a workgroup share.
 *
 * - `"nothing"`: each loads for itself.
 * - `"x"`: the workgroup is a subgroup; each loads some rows of `x` and broadcasts them.
 * - `"k"`: each takes every `lanes`-th vector along K, and their sums are added.
 * - `"stage"`: slices of `x` and `w` are brought into workgroup memory for all.
 */
export type Sharing = "nothing" | "x" | "k" | "stage";

/** A way to cut up a product. */
export interface Tile {
  /** Rows of `x` an invocation multiplies. */
  readonly rows: number;
  /** Rows of `w` it multiplies them by: neighbouring outputs. Even. */
  readonly columns: number;
  readonly sharing: Sharing;
  /** Invocations that share; 1 with `"nothing"`. */
  readonly lanes: number;
  /** Whether those are one whole subgroup. */
  readonly subgroup: boolean;
  /** Whether bytes become floats in registers to be multiplied, with the same sums. */
  readonly floats?: boolean;
  /** A short name, as kernels' keys and the cache of measured tiles have it. */
  readonly name: string;
}

function tile(
  rows: number,
  columns: number,
  sharing: Sharing,
  lanes: number,
  subgroup: boolean,
): Tile {
  const shared = sharing === "nothing" ? "" : ` ${sharing}${lanes}${subgroup ? "s" : ""}`;
  return { rows, columns, sharing, lanes, subgroup, name: `${rows}x${columns}${shared}` };
}

/** Invocations of a workgroup that share nothing. */
export const ALONE = 64;
/** Invocations along each side of a staged block. */
export const STAGE_SIDE = 8;

/** A tile whose invocations share nothing. */
export function alone(rows: number, columns: number): Tile {
  return tile(rows, columns, "nothing", 1, false);
}

/** A tile whose subgroup shares rows of `x`: `rows` is a multiple of `lanes`. */
export function sharingRows(rows: number, columns: number, lanes: number): Tile {
  return tile(rows, columns, "x", lanes, true);
}

/** A tile that splits K: over a subgroup of `subgroup` lanes, or over 64 without one. */
export function splitK(rows: number, columns: number, subgroup: number): Tile {
  const lanes = subgroup > 1 ? subgroup : 64;
  return tile(rows, columns, "k", lanes, subgroup > 1);
}

/** A tile of a block of 8 × 8 invocations that share workgroup memory. */
export function staged(rows: number, columns: number): Tile {
  return tile(rows, columns, "stage", STAGE_SIDE ** 2, false);
}

/** A tile that multiplies bytes as floats. */
function multiplyingFloats(tile: Tile): Tile {
  return { ...tile, floats: true, name: `${tile.name} f32` };
}

/** Rows up to which K is split: so few that reading `w` once is what takes the time. */
export const FEW_ROWS = 8;

/** Rows of a tile for few rows: a power of two, since every number of rows is a kernel to compile. */
function fewRows(m: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(m, 1)));
}

/** What a product is, as far as its tile is concerned. */
export interface Product {
  readonly m: number;
  readonly n: number;
  /** Lanes of every subgroup, or 1. */
  readonly subgroup: number;
  /** Whether K falls into groups with parameters of their own, which are not split. */
  readonly grouped?: boolean;
  /** Whether a vector of `w` becomes several in registers, so that it cannot be multiplied from a stage. */
  readonly unpacked?: boolean;
  /** Whether a tile may be large: sums are integers, and compiling it for longer is worth it. */
  readonly large?: boolean;
  /** Whether outputs are packed four to a word, which takes as many neighbours. */
  readonly packed?: boolean;
  /** Whether vectors are bytes, which may be multiplied as floats where a device has no instruction for them. */
  readonly bytes?: boolean;
}

/** Lanes of the subgroups of Chromium's software adapter. */
const CHROMIUM_LANES = 4;
/**
 * Outputs of a tile at most there: its compiler takes seconds for more, and for a convolution of bytes with 64 all
 * memory that there is.
 */
const CHROMIUM_OUTPUTS = 32;

/**
 * The tile by rule. Few rows split K. More rows are shared by subgroups of eight lanes, as Deno's software
 * adapter has, which spends its time on loads; other devices stage them in workgroup memory, but Chromium's software
 * adapter, which is to have little to compile.
 */
export function chooseTile(product: Product): Tile {
  const { m, n, subgroup, grouped = false, unpacked = false, large = false } = product;
  if (m <= FEW_ROWS && !grouped) return splitK(fewRows(m), m <= 2 ? 8 : 4, subgroup);
  if (subgroup === 8 && m >= 8) {
    const rows = m >= 32 ? 32 : m >= 16 ? 16 : 8;
    const wide = rows === 8 ? n > 64 : rows === 32 && large && n >= 64;
    return sharingRows(rows, wide ? 8 : 4, 8);
  }
  const inChromium = subgroup === CHROMIUM_LANES;
  if (!grouped && !unpacked && m > 32 && n > 32 && !inChromium) return staged(8, 8);
  const rows = m >= 8 && !inChromium ? 8 : m >= 4 ? 4 : m >= 2 ? 2 : 1;
  return alone(rows, rows === 1 ? 4 : 8);
}

/**
 * The tiles worth measuring, the one by rule first. Sums of integers are exact in any order; where they
 * are not, only tiles that add in the same order are given.
 */
export function candidateTiles(product: Product, exact: boolean): Tile[] {
  const { m, subgroup, grouped, unpacked, packed, bytes } = product;
  const rule = chooseTile(product);
  const others = m <= FEW_ROWS
    ? [2, 4, 8, 16].filter((columns) => m * columns <= 64)
      .flatMap((columns) => [subgroup, 1].map((lanes) => splitK(fewRows(m), columns, lanes)))
    : [
      alone(4, 8),
      alone(8, 8),
      staged(4, 4),
      staged(8, 8),
      ...subgroup === 8 ? SHARED.map(([rows, columns]) => sharingRows(rows, columns, 8)) : [],
    ];
  const splits = ({ sharing, lanes }: Tile) => sharing === "k" ? lanes : 1;
  const fitting = others.filter((tile) =>
    (subgroup !== CHROMIUM_LANES || tile.rows * tile.columns <= CHROMIUM_OUTPUTS) &&
    tile.rows <= Math.max(m, 8) && (!packed || tile.columns % 4 === 0) &&
    (exact || splits(tile) === splits(rule)) &&
    (!grouped || tile.sharing === "nothing" || tile.sharing === "x") &&
    !(unpacked && tile.sharing === "stage")
  );
  const all = [rule, ...fitting, ...bytes ? [multiplyingFloats(rule)] : []];
  return [...new Map(all.map((tile) => [tile.name, tile])).values()];
}

/** Rows and columns of tiles that share rows in subgroups of eight lanes. */
const SHARED = [[16, 4], [32, 4], [32, 8], [64, 4]] as const;

/** Workgroups that cover an m × n output. */
export function matmulWorkgroups(m: number, n: number, tile: Tile): number {
  const { rows, columns, sharing, lanes } = tile;
  const down = (each: number) => Math.ceil(m / each);
  const across = (each: number) => Math.ceil(n / each);
  switch (sharing) {
    case "nothing":
      return Math.ceil(down(rows) * across(columns) / ALONE);
    case "x":
      return down(rows) * across(columns * lanes);
    case "k":
      return down(rows) * across(columns);
    case "stage":
      return down(rows * STAGE_SIDE) * across(columns * STAGE_SIDE);
  }
}
