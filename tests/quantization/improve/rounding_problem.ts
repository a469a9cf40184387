/** Matrices to round, and what rounding costs. */

/** Numbers from −1 to 1 that look random, the same each time. */
export function* numbers(seed: number): Generator<number, never> {
  for (let state = seed;;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 31 - 1;
  }
}

/** A weight, and the covariance of inputs that go together and are of different sizes. */
export function problem(rows: number, columns: number, seed = 1) {
  const random = numbers(seed);
  const next = () => random.next().value;
  const weight = Float32Array.from({ length: rows * columns }, next);
  const mix = Array.from({ length: columns * 3 }, next);
  const covariance = new Float64Array(columns * columns);
  for (let sample = 0; sample < 4 * columns; sample++) {
    const shared = [next(), next(), next()];
    const x = Array.from(
      { length: columns },
      (_, k) =>
        (1 + k % 5) * (0.3 * next() + shared.reduce((sum, s, i) => sum + s * mix[3 * k + i], 0)),
    );
    x.forEach((a, i) => x.forEach((b, j) => covariance[i * columns + j] += a * b));
  }
  return { weight, covariance, rows, columns };
}

/** What the products are off by, squared. */
export function errorOf(
  { weight, covariance, rows, columns }: ReturnType<typeof problem>,
  integers: ArrayLike<number>,
  scaleOf: (row: number, column: number) => number,
): number {
  let sum = 0;
  for (let r = 0; r < rows; r++) {
    const off = Array.from(
      { length: columns },
      (_, k) => weight[r * columns + k] - integers[r * columns + k] * scaleOf(r, k),
    );
    off.forEach((a, i) => off.forEach((b, j) => sum += a * b * covariance[i * columns + j]));
  }
  return sum;
}
