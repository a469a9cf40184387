/**
 * Storing what a product's tile has gathered.
 *
 * @module
 */
import { encoded, perWord } from "./elements.ts";
import { acc, begin, type Matmul } from "./product.ts";
import { each } from "./shader.ts";

/** Stores row `i` of a tile. */
export function storeRow(matmul: Matmul, i: number): string {
  const { tile: { columns }, epilogue, output } = matmul;
  const value = (j: number) => epilogue.value(acc(i, j), i, j);
  if (output === "packed bytes") {
    // Columns beyond n fill the row up to whole vectors with zeros.
    const byte = (j: number) => `select(0u, u32(${value(j)}) & 255u, n0 + ${j}u < params.n)`;
    return each(columns / 4, (word) => {
      const bytes = [0, 1, 2, 3].map((e) => `(${byte(word * 4 + e)} << ${8 * e}u)`);
      const at = `(n0 >> 2u) + ${word}u`;
      return `if (${at} < params.words) {
  y[(m0 + ${i}u) * params.words + ${at}] = ${bytes.join(" |\n")};
}`;
    });
  }
  const bits = (j: number) => encoded(output, value(j));
  const at = (j: number) => `${begin(matmul, "y")}(m0 + ${i}u) * params.n + n0 + ${j}u`;
  if (perWord(output) === 1) {
    return each(columns, (j) => `if (n0 + ${j}u < params.n) { y[${at(j)}] = ${bits(j)}; }`);
  }
  return each(columns / 2, (pair) => {
    const j = pair * 2;
    const word = `${bits(j)} |\n(${bits(j + 1)} << 16u)`;
    return `if (n0 + ${j}u < params.n) { y[(${at(j)}) >> 1u] = ${word}; }`;
  });
}
