/**
 * Sums of products of columns of numbers.
 *
 * @module
 */

/** Columns of `n` numbers each, one behind the other from a place on. */
export interface Columns {
  /** The numbers. */
  readonly data: Float32Array;
  /** Where the first column begins. */
  readonly from: number;
  /** How many numbers a column has. */
  readonly n: number;
}

/** A matrix that is added to; the element of row `i` and column `j` is at `starts[i] + j`. */
export interface Matrix {
  /** The elements. */
  readonly data: Float64Array;
  /** Where the rows' columns 0 are, or would be. */
  readonly starts: ArrayLike<number>;
}

/** The starts of the rows of a square matrix, or of its upper triangle, row by row. */
export function rowStarts(size: number, triangle: boolean, from: number = 0): Float64Array {
  return Float64Array.from(
    { length: size },
    (_, i) => from + (triangle ? i * (2 * size - i - 1) / 2 : i * size),
  );
}

/**
 * Adds `Σ x[i]·y[j]` to the elements of a matrix: to all, or with nothing but `x` to those with `i ≤ j`. The order of the
 * sums is always the same.
 *
 * @param size how many columns there are.
 */
export function addProducts(
  matrix: Matrix,
  size: number,
  x: Columns,
  y?: Columns,
): void {
  const other = y ?? x;
  for (let i = 0; i < size; i += 2) {
    const both = i + 1 < size;
    let j = 0;
    if (!y) {
      addOne(matrix, i, i, x, x);
      if (both) {
        addOne(matrix, i, i + 1, x, x);
        addOne(matrix, i + 1, i + 1, x, x);
      }
      j = i + 2;
    }
    if (both) { for (; j + 3 < size; j += 4) addBlock(matrix, i, j, x, other); }
    for (; j < size; j++) {
      addOne(matrix, i, j, x, other);
      if (both) addOne(matrix, i + 1, j, x, other);
    }
  }
}

/** Adds to one element. */
function addOne({ data, starts }: Matrix, i: number, j: number, x: Columns, y: Columns): void {
  const { n, data: left } = x;
  const { data: right } = y;
  const [a, b] = [x.from + i * n, y.from + j * n];
  let sum = 0;
  for (let r = 0; r < n; r++) sum += left[a + r] * right[b + r];
  data[starts[i] + j] += sum;
}

/** Adds to two rows of four columns: so many that each number is read for several products. */
function addBlock({ data, starts }: Matrix, i: number, j: number, x: Columns, y: Columns): void {
  const { n, data: left } = x;
  const { data: right } = y;
  const a = x.from + i * n;
  const b = a + n;
  const c = y.from + j * n;
  const d = c + n;
  const e = d + n;
  const f = e + n;
  let [ac, ad, ae, af, bc, bd, be, bf] = [0, 0, 0, 0, 0, 0, 0, 0];
  for (let r = 0; r < n; r++) {
    const p = left[a + r];
    const q = left[b + r];
    const s = right[c + r];
    const t = right[d + r];
    const u = right[e + r];
    const v = right[f + r];
    ac += p * s;
    ad += p * t;
    ae += p * u;
    af += p * v;
    bc += q * s;
    bd += q * t;
    be += q * u;
    bf += q * v;
  }
  const above = starts[i] + j;
  data[above] += ac;
  data[above + 1] += ad;
  data[above + 2] += ae;
  data[above + 3] += af;
  const below = starts[i + 1] + j;
  data[below] += bc;
  data[below + 1] += bd;
  data[below + 2] += be;
  data[below + 3] += bf;
}
