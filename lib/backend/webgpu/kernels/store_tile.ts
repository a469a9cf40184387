/**
 * Storing what a product's tile has gathered.
 *
 * @module
 */
import { encoded, perWord } from "./elements.ts";
import { acc, begin, type Matmul } from "./product.ts";
import { each } from "./shader.ts";

/** Elements of what is stored to a word. */
function perStoredWord({ output }: Matmul): 1 | 2 | 4 {
  return output === "packed bytes" ? 4 : perWord(output);
}

/** Whether rows are filled up with zeros. */
function fillsUp({ output, padded }: Matmul): boolean {
  return padded || output === "packed bytes";
}

/** How many columns of outputs are written, those that fill rows up among them. */
export function widthOf(matmul: Matmul): string {
  if (!fillsUp(matmul)) return "params.n";
  const vector = 4 * perStoredWord(matmul);
  return `(params.n + ${vector - 1}u) / ${vector}u * ${vector}u`;
}

/** Stores row `i` of a tile. */
export function storeRow(matmul: Matmul, i: number): string {
  const { tile: { columns }, epilogue, output, taps } = matmul;
  const lanes = perStoredWord(matmul);
  const fills = fillsUp(matmul);
  const bits = (j: number) => {
    const value = epilogue.value(acc(i, j), i, j);
    const encoding = output === "packed bytes" ? `u32(${value}) & 255u` : encoded(output, value);
    // Columns beyond n fill the row up to whole vectors with zeros.
    return fills ? `select(0u, ${encoding}, n0 + ${j}u < params.n)` : encoding;
  };
  const row = taps?.place ? `y_${i}` : `(m0 + ${i}u)`;
  const stride = fills ? `params.words${lanes > 1 ? ` * ${lanes}u` : ""}` : "params.n";
  const words = each(columns / lanes, (word) => {
    const j = word * lanes;
    const text = Array.from(
      { length: lanes },
      (_, e) => e === 0 ? bits(j) : `(${bits(j + e)} << ${32 / lanes * e}u)`,
    ).join(" |\n");
    const at = `${begin(matmul, "y")}${row} * ${stride} + n0 + ${j}u`;
    const place = lanes > 1 ? `(${at}) >> ${lanes === 4 ? 2 : 1}u` : at;
    return `if (n0 + ${j}u < width) { y[${place}] = ${text}; }`;
  });
  const inside = `m0 + ${i}u < params.m`;
  if (!taps?.place) return `if (${inside}) { ${words} }`;
  return `${taps.place(i, `m_${i}`)}
if (${inside} && kept_${i}) { ${words} }`;
}
