import { assertEquals } from "@std/assert";
import { addProducts, type Columns, rowStarts } from "../../lib/numbers/column_products.ts";

/** Columns whose numbers are small integers, so that sums are exact in any order. */
function columns(size: number, n: number, seed: number, from = 0): Columns {
  const data = new Float32Array(from + size * n);
  for (let i = 0; i < size * n; i++) data[from + i] = (i * 7 + seed * 13) % 11 - 5;
  return { data, from, n };
}

const product = (x: Columns, i: number, y: Columns, j: number) => {
  let sum = 0;
  for (let r = 0; r < x.n; r++) sum += x.data[x.from + i * x.n + r] * y.data[y.from + j * y.n + r];
  return sum;
};

Deno.test("products of columns of two lists, whatever their number", () => {
  for (const size of [1, 2, 3, 4, 5, 7, 9]) {
    const [x, y] = [columns(size, 6, 1, 3), columns(size, 6, 2)];
    const data = new Float64Array(size * size).fill(1);
    addProducts({ data, starts: rowStarts(size, false) }, size, x, y);
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < size; j++) assertEquals(data[i * size + j], 1 + product(x, i, y, j));
    }
  }
});

Deno.test("products of columns of one list fill the upper triangle, packed or not", () => {
  for (const size of [1, 2, 3, 6, 7, 8, 13]) {
    const x = columns(size, 5, 3);
    for (const packed of [false, true]) {
      const from = 2;
      const data = new Float64Array(from + (packed ? size * (size + 1) / 2 : size * size));
      const starts = rowStarts(size, packed, from);
      addProducts({ data, starts }, size, x);
      for (let i = 0; i < size; i++) {
        for (let j = 0; j < size; j++) {
          if (packed && j < i) continue;
          assertEquals(data[starts[i] + j], j < i ? 0 : product(x, i, x, j), `${size} ${i} ${j}`);
        }
      }
    }
  }
});

Deno.test("columns without rows add nothing", () => {
  const data = Float64Array.of(4);
  addProducts({ data, starts: [0] }, 1, { data: new Float32Array(0), from: 0, n: 0 });
  assertEquals(data[0], 4);
});
