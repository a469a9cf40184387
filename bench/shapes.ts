/**
 * The products that are measured, `y = x·Wᵀ` with `x` of (M, K) and `W` of (N, K), and what they
 * take: operations and bytes.
 *
 * @module
 */

/** The sizes of a product. */
export interface Shape {
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** One row and many, square and not, small and large. */
export const SHAPES: readonly Shape[] = [
  { m: 1, n: 1024, k: 1024 },
  { m: 1, n: 4096, k: 4096 },
  { m: 64, n: 1024, k: 1024 },
  { m: 256, n: 1024, k: 1024 },
  { m: 256, n: 3072, k: 768 },
  { m: 512, n: 4096, k: 4096 },
];

/** The sizes as `(M, N, K)`. */
export function title({ m, n, k }: Shape): string {
  return `(${m}, ${n}, ${k})`;
}

/** Reads `M,N,K`. */
export function parseShape(text: string): Shape {
  const [m, n, k, ...rest] = text.split(",").map(Number);
  if (rest.length || ![m, n, k].every((size) => Number.isInteger(size) && size > 0)) {
    throw new TypeError(`bench: "${text}" is no shape; give M,N,K, such as 256,1024,1024`);
  }
  return { m, n, k };
}

/** How many bytes an element takes: of the input, of the weight as it is read, of the output. */
export interface Widths {
  readonly x: number;
  readonly w: number;
  readonly y: number;
}

/** The widths of a layer's kinds. An integer layer reads floats, and its product reads bytes. */
export const WIDTHS = {
  float32: { x: 4, w: 4, y: 4 },
  float16: { x: 2, w: 2, y: 2 },
  int8: { x: 4, w: 1, y: 4 },
} as const;

/** A multiplication and an addition for each of M·N·K pairs. */
export function operations({ m, n, k }: Shape): number {
  return 2 * m * n * k;
}

/** The bytes that must cross the memory at least: input and weight once, output once. */
export function bytes({ m, n, k }: Shape, { x, w, y }: Widths): number {
  return m * k * x + n * k * w + m * n * y;
}
