/**
 * The sum of products of neighbours in two arrays, in an order that is always the same.
 *
 * @param a where it begins in `x`.
 * @param b where it begins in `y`.
 * @param n how many products.
 */
export function dot(x: Float32Array, a: number, y: Float32Array, b: number, n: number): number {
  let [s, t, u, v] = [0, 0, 0, 0];
  let i = 0;
  for (; i + 3 < n; i += 4) {
    s += x[a + i] * y[b + i];
    t += x[a + i + 1] * y[b + i + 1];
    u += x[a + i + 2] * y[b + i + 2];
    v += x[a + i + 3] * y[b + i + 3];
  }
  for (; i < n; i++) s += x[a + i] * y[b + i];
  return (s + t) + (u + v);
}
