/**
 * The parts that a product's kernel is made from, as the generator in `matmul.ts` takes them.
 *
 * @module
 */
import type { DType } from "../../../numbers/dtype.ts";
import type { ArrayBinding } from "./shader.ts";
import type { Tile } from "./tile.ts";

/**
 * How a step along K is loaded and multiplied. A step reads one vector of `w`, and of `x` as many
 * as hold the elements that are packed into it.
 */
export interface KStep {
  /** Element type of the bindings `x` and `w`. */
  readonly element: string;
  /** Element type of `w`, where it is another. */
  readonly weight?: string;
  readonly accumulator: "f32" | "i32";
  /** Declares `NAME…` from vector `at` of array `from`. */
  readonly load: (name: string, from: string, at: string) => string;
  /** What the declared names end in; one name without an ending by default. */
  readonly endings?: readonly string[];
  /** Vectors of `x` to one of `w`; 1 by default. */
  readonly parts?: number;
  /** Declares `bJ`, part `p` of the vector of `w` in column `j`, which is loaded as `wide_j`. */
  readonly unpack?: (j: number, p: number) => string;
  /**
   * Declares `NAME…` from a word, where a step along K is one. Then `w` lies step by step, and a vector of it
   * has the words of four neighbouring columns.
   */
  readonly word?: (name: string, word: string) => string;
  /** The type of what is declared, where it is not what the accumulator's suggests. */
  readonly loaded?: string;
  /** The sum of products of two loaded vectors. */
  readonly product: (a: string, b: string) => string;
  /** The sum of a loaded vector, where each row of `x` is summed on the way, as `x_sum_I`. */
  readonly rowSum?: (a: string) => string;
  /** The sum of a loaded vector, where each column of `w` is summed on the way, as `w_sum_J`. */
  readonly columnSum?: (b: string) => string;
}

/** Sums over groups of K that are scaled one by one. */
export interface Groups {
  /** Whether there may be more than one; if not, sums are left as they are. */
  readonly several: boolean;
  /** Declarations for column `n` and group `g`, under names that end in `j`. */
  readonly begin: (j: number, n: string) => string;
  /**
   * What a group adds, from its sum; null if products are scaled already and need no sum of their
   * own, which would take as many registers again.
   */
  readonly scaled: ((sum: string, i: number, j: number) => string) | null;
}

/** What becomes of a sum before it is stored. Loads stand once a row or column, not once a sum. */
export interface Epilogue {
  /** Bindings after `x` and `w`. */
  readonly arrays: readonly ArrayBinding[];
  readonly functions: string;
  /** Declarations that all outputs share. */
  readonly shared: string;
  /** Declarations for row `m`, under names that end in `i`. */
  readonly row: (i: number, m: string) => string;
  /** Declarations for column `n`, under names that end in `j`. */
  readonly column: (j: number, n: string) => string;
  /** The output, from what was declared. */
  readonly value: (sum: string, i: number, j: number) => string;
}

/** Products of many pairs of matrices, or of parts of one pair, in one dispatch. */
export interface Batch {
  /** Parameters after {@linkcode MATMUL_FIELDS}. */
  readonly fields: readonly string[];
  /**
   * Declares, from the number `batch` of a product, where it begins: `x_begin` and `w_begin`, in
   * vectors, `y_begin`, in elements, and `first_column`, which of the epilogue's columns is its first.
   */
  readonly begin: string;
}

/** Rows of `x` that are others at each tap of a kernel, as a convolution reads them. */
export interface Taps {
  /** Parameters after those of the batch. `tap_steps` is one: vectors of a row at a tap. */
  readonly fields: readonly string[];
  /** Declares what outputs of row `m` read, under names that end in `q`. */
  readonly row: (q: number, m: string) => string;
  /** Runs `body` at each tap for so many rows, where `w_tap` is the first vector of a row of `w`. */
  readonly loop: (rows: number, body: string) => string;
  /** Declares `NAME…`, vector `s` of row `q` at the tap, or what lies outside of `x`. */
  readonly load: (name: string, q: number, s: string) => string;
  /** Where row `m` of outputs, by its number `i` in the tile, is stored: it declares `y_I` and `kept_I`. */
  readonly place?: (i: number, m: string) => string;
}

/** What is stored: numbers of a dtype, or rows of signed bytes, for which `value` gives an i32. */
export type Stored = DType | "packed bytes";

/** The parts of a product's kernel. */
export interface Matmul {
  readonly step: KStep;
  readonly tile: Tile;
  readonly epilogue: Epilogue;
  readonly output: Stored;
  readonly functions?: string;
  readonly groups?: Groups;
  readonly batch?: Batch;
  readonly taps?: Taps;
  /** Whether rows of numbers are filled up with zeros to whole 16-byte vectors, as those of bytes are. */
  readonly padded?: boolean;
}

/** The parameters of a product's kernel, in order; rows that are filled up take `words` each. */
export const MATMUL_FIELDS = ["m", "n", "k", "steps", "words", "x_steps", "groups"] as const;

/** Where a batch's product begins, to be added to. */
export function begin({ batch }: Matmul, from: "x" | "w" | "y"): string {
  return batch ? `${from}_begin + ` : "";
}

/** The name of a tile's sum. */
export type SumName = (i: number, j: number) => string;

/** The sum of a row and a column of a tile. */
export const acc: SumName = (i, j) => `acc_${i}_${j}`;
/** The names of a vector's components. */
export const COMPONENTS = ["x", "y", "z", "w"];

/**
 * The sum of products of the signed bytes in words, which has the same bits either way: float32 adds up sixteen
 * products of at most 2¹⁴ exactly.
 */
export function productOfBytes(
  a: readonly string[],
  b: readonly string[],
  { floats }: Tile,
): string {
  if (!floats) return a.map((word, k) => `dot4I8Packed(${word}, ${b[k]})`).join(" + ");
  const four = (word: string) => `vec4<f32>(unpack4xI8(${word}))`;
  return `i32(${a.map((word, k) => `dot(${four(word)}, ${four(b[k])})`).join(" + ")})`;
}

/** The sum of the signed bytes in words. */
export function sumOfBytes(words: readonly string[]): string {
  return words.map((word) => `dot4I8Packed(${word}, 0x01010101u)`).join(" + ");
}

/** The four words of a vector. */
export function wordsOf(vector: string): string[] {
  return COMPONENTS.map((c) => `${vector}.${c}`);
}

/** Vectors of sixteen signed bytes, multiplied as a tile says. */
export function packedStep(tile: Tile): KStep {
  return {
    element: "vec4<u32>",
    accumulator: "i32",
    load: loadVector,
    product: (a, b) => productOfBytes(wordsOf(a), wordsOf(b), tile),
  };
}

/** Loads a vector as it lies. */
export const loadVector: KStep["load"] = (name, from, at) => `let ${name} = ${from}[${at}];`;

/** Vectors of four floats. */
export const float32Step: KStep = {
  element: "vec4<f32>",
  accumulator: "f32",
  load: loadVector,
  product: (a, b) => `dot(${a}, ${b})`,
};
