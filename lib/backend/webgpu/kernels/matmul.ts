/**
 * The generator of products `y[m, n] = Σ_k x[m, k] · w[n, k]`, for floats, for packed integers and for
 * floats by packed integers. An invocation keeps a tile of outputs in registers and reads its rows
 * of `x` and of `w` a vector of K at a time; the tile says what invocations share.
 *
 * @module
 */
import type { DType } from "../../../numbers/dtype.ts";
import type { Kernel } from "./kernel.ts";
import {
  type ArrayBinding,
  bindings,
  CONVERSIONS,
  encoded,
  entry,
  perWord,
  subgroupEntry,
} from "./wgsl.ts";
import { ALONE, STAGE_SIDE, type Tile, tileName } from "./tile.ts";

/** Vectors of K that a staged block holds at a time. */
const STAGE_DEPTH = 4;

/**
 * How a step along K is loaded and multiplied. A step reads one vector of `w`, and of `x` as many
 * as hold the elements that are packed into it.
 */
export interface Step {
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
  /** The sum of products of two loaded vectors. */
  readonly product: (a: string, b: string) => string;
  /** The sum of a loaded vector, where each row of `x` is summed on the way, as `x_sum_I`. */
  readonly rowSum?: (a: string) => string;
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

/** What is stored: numbers of a dtype, or rows of signed bytes, for which `value` gives an i32. */
export type Stored = DType | "packed bytes";

/** The parts of a product's kernel. */
export interface Matmul {
  readonly key: string;
  readonly step: Step;
  readonly tile: Tile;
  readonly epilogue: Epilogue;
  readonly output: Stored;
  readonly functions?: string;
  readonly groups?: Groups;
}

/** The parameters of a product's kernel, in order; rows of packed bytes take `words` each. */
export const MATMUL_FIELDS = ["m", "n", "k", "steps", "words", "x_steps", "groups"] as const;

const count = (length: number) => Array.from({ length }, (_, i) => i);
const lines = (numbers: readonly number[], line: (i: number) => string) =>
  numbers.map(line).join("\n");

/** `m0` and `n0`, the first row and column of an invocation's tile. */
function origin({ rows, columns, sharing, lanes }: Tile): string {
  const grid = (across: number) => `let tiles = (width + ${across - 1}u) / ${across}u;`;
  switch (sharing) {
    case "nothing":
      return `${grid(columns)}
  let number = index * ${ALONE}u + lane;
  let m0 = number / tiles * ${rows}u;
  let n0 = number % tiles * ${columns}u;`;
    case "x":
      return `${grid(columns * lanes)}
  let m0 = index / tiles * ${rows}u;
  let n0 = (index % tiles * ${lanes}u + lane) * ${columns}u;`;
    case "k":
      return `${grid(columns)}
  let m0 = index / tiles * ${rows}u;
  let n0 = index % tiles * ${columns}u;`;
    case "stage":
      return `${grid(columns * STAGE_SIDE)}
  let block_m = index / tiles * ${rows * STAGE_SIDE}u;
  let block_n = index % tiles * ${columns * STAGE_SIDE}u;
  let down = lane / ${STAGE_SIDE}u;
  let across = lane % ${STAGE_SIDE}u;
  let m0 = block_m + down * ${rows}u;
  let n0 = block_n + across * ${columns}u;`;
  }
}

/** The names of a tile's accumulators. */
function sums(tile: Tile, name: string): string[][] {
  return count(tile.rows).map((i) => count(tile.columns).map((j) => `${name}_${i}_${j}`));
}

/** The loop over the vectors of K, with what each invocation loads and multiplies. */
function alongK({ step, tile, groups }: Matmul): string {
  const { rows, columns, sharing, lanes } = tile;
  const { parts = 1, endings = [""], unpack, rowSum } = step;
  const several = groups?.several ?? false;
  const sum = several && groups?.scaled ? "part" : "acc";
  const m = count(rows);
  const n = count(columns);
  const multiply = (i: number, j: number) =>
    `${sum}_${i}_${j} += ${step.product(`a${i}`, `b${j}`)};`;
  const vector = (row: string, p: number) =>
    unpack ? `${row} + s * ${parts}u + ${p}u` : `${row} + s`;
  const loadColumn = (j: number, p: number) =>
    unpack ? unpack(j, p) : step.load(`b${j}`, "w", `w_${j} + s`);
  const addUp = (i: number, a: string) => rowSum ? `x_sum_${i} += ${rowSum(a)};` : "";

  // Whoever loads the rows keeps them and streams the columns; where rows are shared, the columns
  // are kept and each row is broadcast when its turn comes.
  const streamColumns = (p: number) =>
    lines(m, (i) => step.load(`a${i}`, "x", vector(`x_${i}`, p)) + addUp(i, `a${i}`)) +
    lines(n, (j) => `{ ${loadColumn(j, p)} ${lines(m, (i) => multiply(i, j))} }`);
  const broadcastRows = (p: number) =>
    lines(
      count(rows / lanes),
      (q) => step.load(`own${q}`, "x", vector(`x_${q}`, p)) + addUp(q, `own${q}`),
    ) +
    lines(n, (j) => loadColumn(j, p)) +
    lines(m, (i) => {
      const own = `own${Math.floor(i / lanes)}`;
      const broadcasts = endings.map((ending) =>
        `let a${i}${ending} = subgroupBroadcast(${own}${ending}, ${i % lanes}u);`
      );
      return `{ ${broadcasts.join(" ")} ${lines(n, (j) => multiply(i, j))} }`;
    });
  const multiplyAll = sharing === "x" ? broadcastRows : streamColumns;
  // A vector of `w` with many parts is loaded once, for all columns, before its parts meet `x`.
  const body = unpack
    ? lines(n, (j) => `let wide_${j} = w[w_${j} + s];`) +
      lines(count(parts), (p) => `{ ${multiplyAll(p)} }`)
    : multiplyAll(0);
  if (sharing === "k") return `for (var s = lane; s < params.steps; s += ${lanes}u) { ${body} }`;
  const [from, to] = several ? ["g * params.steps", "(g + 1u) * params.steps"] : [
    "0u",
    "params.steps",
  ];
  return `for (var s = ${from}; s < ${to}; s++) { ${body} }`;
}

/**
 * The loop of a staged block: all bring a slice of its rows into workgroup memory, then each multiplies
 * from there. Row r of a side lies at (r mod tile)·8 + r / tile, so that neighbours read neighbours.
 */
function alongStages({ step, tile }: Matmul): string {
  const { rows, columns, lanes } = tile;
  const { endings = [""], rowSum } = step;
  const m = count(rows);
  const n = count(columns);
  const bring = (from: "x" | "w", each: number, block: string, size: string) => {
    const height = each * STAGE_SIDE;
    return lines(count(height * STAGE_DEPTH / lanes), (q) =>
      `{
      let flat = ${q * lanes}u + lane;
      let row = flat / ${STAGE_DEPTH}u;
      let depth = flat % ${STAGE_DEPTH}u;
      let at = depth * ${height}u + row % ${each}u * ${STAGE_SIDE}u + row / ${each}u;
      let source = min(${block} + row, params.${size} - 1u) * params.steps + first + depth;
      if (first + depth < params.steps) {
        ${step.load("v", from, "source")}
        ${endings.map((e) => `${from}_stage${e}[at] = v${e};`).join(" ")}
      } else {
        ${endings.map((e) => `${from}_stage${e}[at] = ${stageType(step)}();`).join(" ")}
      }
    }`);
  };
  const read = (name: string, from: "x" | "w", each: number, side: string, r: number) =>
    endings.map((e) =>
      `let ${name}${e} = ${from}_stage${e}[depth * ${each * STAGE_SIDE}u + ${
        r * STAGE_SIDE
      }u + ${side}];`
    ).join(" ");
  return `
  for (var first = 0u; first < params.steps; first += ${STAGE_DEPTH}u) {
    ${bring("x", rows, "block_m", "m")}
    ${bring("w", columns, "block_n", "n")}
    workgroupBarrier();
    for (var depth = 0u; depth < ${STAGE_DEPTH}u; depth++) {
      ${
    lines(
      m,
      (i) =>
        read(`a${i}`, "x", rows, "down", i) +
        (rowSum ? ` x_sum_${i} += ${rowSum(`a${i}`)};` : ""),
    )
  }
      ${
    lines(
      n,
      (j) =>
        `{ ${read(`b${j}`, "w", columns, "across", j)} ${
          lines(m, (i) => `acc_${i}_${j} += ${step.product(`a${i}`, `b${j}`)};`)
        } }`,
    )
  }
    }
    workgroupBarrier();
  }`;
}

/** The type of a vector once it is loaded. */
function stageType({ accumulator, element }: Step): string {
  return accumulator === "i32" ? "vec4<u32>" : element === "u32" ? "f32" : "vec4<f32>";
}

/** Declarations of workgroup memory. */
function workgroupMemory({ step, tile }: Matmul): string {
  const { rows, columns, sharing, lanes, subgroup } = tile;
  if (sharing === "stage") {
    return (["x", "w"] as const).map((from) =>
      (step.endings ?? [""]).map((e) =>
        `var<workgroup> ${from}_stage${e}: array<${stageType(step)}, ${
          (from === "x" ? rows : columns) * STAGE_SIDE * STAGE_DEPTH
        }>;\n`
      ).join("")
    ).join("");
  }
  if (sharing !== "k" || subgroup) return "";
  const sums = rows * columns + (step.rowSum ? rows : 0);
  return `var<workgroup> partial: array<${step.accumulator}, ${lanes * sums}>;
var<workgroup> total: array<${step.accumulator}, ${sums}>;\n`;
}

/** Adds up what the lanes that split K have gathered, and leaves each with the totals. */
function addLanes({ step, tile }: Matmul): string {
  const { rows, sharing, lanes, subgroup } = tile;
  if (sharing !== "k") return "";
  const names = [
    ...sums(tile, "acc").flat(),
    ...step.rowSum ? count(rows).map((i) => `x_sum_${i}`) : [],
  ];
  if (subgroup) return names.map((name) => `${name} = subgroupAdd(${name});`).join("\n");
  return `
  ${names.map((name, t) => `partial[${t * lanes}u + lane] = ${name};`).join("\n")}
  workgroupBarrier();
  for (var t = lane; t < ${names.length}u; t += ${lanes}u) {
    var sum = partial[t * ${lanes}u];
    for (var i = 1u; i < ${lanes}u; i++) { sum += partial[t * ${lanes}u + i]; }
    total[t] = sum;
  }
  workgroupBarrier();
  ${names.map((name, t) => `${name} = total[${t}u];`).join("\n")}`;
}

/** Stores row `i` of a tile. */
function storeRow({ tile, epilogue, output }: Matmul, i: number): string {
  const value = (j: number) => epilogue.value(`acc_${i}_${j}`, i, j);
  if (output === "packed bytes") {
    // Columns beyond n fill the row up to whole vectors with zeros.
    return lines(count(tile.columns / 4), (word) => {
      const bytes = count(4).map((e) => {
        const j = word * 4 + e;
        return `(select(0u, u32(${value(j)}) & 255u, n0 + ${j}u < params.n) << ${8 * e}u)`;
      });
      const at = `(n0 >> 2u) + ${word}u`;
      return `if (${at} < params.words) { y[(m0 + ${i}u) * params.words + ${at}] = ${
        bytes.join(" | ")
      }; }`;
    });
  }
  const bits = (j: number) => encoded(output, value(j));
  const at = (j: number) => `(m0 + ${i}u) * params.n + n0 + ${j}u`;
  if (perWord(output) === 1) {
    return lines(
      count(tile.columns),
      (j) => `if (n0 + ${j}u < params.n) { y[${at(j)}] = ${bits(j)}; }`,
    );
  }
  return lines(count(tile.columns / 2), (pair) => {
    const j = pair * 2;
    return `if (n0 + ${j}u < params.n) { y[(${at(j)}) >> 1u] = ${bits(j)} | (${
      bits(j + 1)
    } << 16u); }`;
  });
}

/** Builds the kernel. */
export function matmul(parts: Matmul): Kernel {
  const { key, step, tile, epilogue, output, functions = "", groups } = parts;
  const { rows, columns, sharing, lanes, subgroup } = tile;
  const several = groups?.several ?? false;
  const fold = several ? groups?.scaled : null;
  const declare = (name: string, type: string) =>
    sums(tile, name).flat().map((sum) => `var ${sum} = ${type}();`).join("\n");
  const begin = () => groups ? lines(count(columns), (j) => groups.begin(j, `n_${j}`)) : "";
  const loop = () => sharing === "stage" ? alongStages(parts) : alongK(parts);
  const loops = () =>
    !several ? begin() + loop() : `
  for (var g = 0u; g < params.groups; g++) {
    ${begin()}
    ${fold ? declare("part", step.accumulator) : ""}
    ${loop()}
    ${
      fold
        ? lines(count(rows), (i) =>
          lines(count(columns), (j) => `acc_${i}_${j} += ${fold(`part_${i}_${j}`, i, j)};`))
        : ""
    }
  }`;
  const ownRows = sharing === "x" ? rows / lanes : rows;
  const ownRow = (q: number) =>
    sharing === "x" ? `min(m0 + ${q * lanes}u + lane, params.m - 1u)` : `m_${q}`;
  const shareRowSums = () =>
    step.rowSum && sharing === "x"
      ? lines(
        count(rows),
        (i) =>
          `let row_sum_${i} = subgroupBroadcast(x_sum_${Math.floor(i / lanes)}, ${i % lanes}u);`,
      )
      : step.rowSum
      ? lines(count(rows), (i) => `let row_sum_${i} = x_sum_${i};`)
      : "";
  const xStride = groups ? "x_steps" : "steps";
  const stores = () =>
    lines(
      count(rows),
      (i) => `if (m0 + ${i}u < params.m) { ${storeRow(parts, i)} }`,
    );
  return {
    key: `${key} ${tileName(tile)}`,
    wgsl: () =>
      bindings(
        [
          ["x", step.element],
          ["w", step.weight ?? step.element],
          ...epilogue.arrays,
          ["y", "u32", "read_write"],
        ],
        MATMUL_FIELDS,
      ) + CONVERSIONS + functions + epilogue.functions + workgroupMemory(parts) +
      (subgroup ? subgroupEntry(lanes) : entry(lanes === 1 ? ALONE : lanes)) + /* wgsl */ `
  let width = ${output === "packed bytes" ? "params.words * 4u" : "params.n"};
  ${origin(tile)}
  ${sharing === "stage" ? "" : "if (m0 >= params.m) { return; }"}
  ${lines(count(rows), (i) => `let m_${i} = min(m0 + ${i}u, params.m - 1u);`)}
  ${lines(count(columns), (j) => `let n_${j} = min(n0 + ${j}u, params.n - 1u);`)}
  ${
        sharing === "stage" ? "" : lines(
          count(ownRows),
          (q) => `let x_${q} = ${ownRow(q)} * params.${xStride};`,
        ) + lines(
          count(columns),
          (j) => `let w_${j} = n_${j} * params.steps${several ? " * params.groups" : ""};`,
        )
      }
  ${declare("acc", several ? "f32" : step.accumulator)}
  ${step.rowSum ? lines(count(ownRows), (q) => `var x_sum_${q} = 0;`) : ""}
  ${epilogue.shared}
  ${loops()}
  ${addLanes(parts)}
  ${shareRowSums()}
  ${lines(count(rows), (i) => epilogue.row(i, `m_${i}`))}
  ${lines(count(columns), (j) => epilogue.column(j, `n_${j}`))}
  ${sharing === "k" ? `if (lane == 0u) { ${stores()} }` : stores()}
}`,
  };
}

const COMPONENTS = ["x", "y", "z", "w"];

/** Vectors of sixteen signed bytes. */
export const packedStep: Step = {
  element: "vec4<u32>",
  accumulator: "i32",
  load: (name, from, at) => `let ${name} = ${from}[${at}];`,
  product: (a, b) => COMPONENTS.map((c) => `dot4I8Packed(${a}.${c}, ${b}.${c})`).join(" + "),
};

/** The sum of a vector of sixteen signed bytes. */
export function sumOfBytes(a: string): string {
  return COMPONENTS.map((c) => `dot4I8Packed(${a}.${c}, 0x01010101u)`).join(" + ");
}

/** Vectors of four floats. */
export const float32Step: Step = {
  element: "vec4<f32>",
  accumulator: "f32",
  load: packedStep.load,
  product: (a, b) => `dot(${a}, ${b})`,
};
