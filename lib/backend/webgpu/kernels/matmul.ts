/**
 * The generator of products `y[m, n] = Σ_k x[m, k] · w[n, k]`, for floats, for packed integers and for
 * floats by packed integers. An invocation keeps a tile of outputs in registers and reads its rows
 * of `x` and of `w` a vector of K at a time; the tile says what invocations share.
 *
 * @module
 */
import {
  acc,
  begin,
  COMPONENTS,
  type KStep,
  type Matmul,
  MATMUL_FIELDS,
  type SumName,
} from "./product.ts";
import { each, type Shader } from "./shader.ts";
import { storeRow, widthOf } from "./store_tile.ts";
import { ALONE, STAGE_SIDE, type Tile } from "./tile.ts";

/** Vectors of K that a staged block holds at a time. */
const STAGE_DEPTH = 4;

/** `place`, the number of a workgroup among those of its product. */
function workgroupOf({ tile: { rows, columns, sharing, lanes }, batch }: Matmul): string {
  if (!batch) return "let place = index;";
  const side = sharing === "stage" ? STAGE_SIDE : 1;
  const across = columns * side * (sharing === "x" ? lanes : 1);
  const ceil = (size: string, each: number) => `((${size} + ${each - 1}u) / ${each}u)`;
  const tiles = `${ceil("params.m", rows * side)} * ${ceil("width", across)}`;
  return `let workgroups = ${sharing === "nothing" ? ceil(tiles, ALONE) : tiles};
let place = index % workgroups;
let batch = index / workgroups;
${batch.begin}`;
}

/** `m0` and `n0`, the first row and column of an invocation's tile. */
function origin({ rows, columns, sharing, lanes }: Tile): string {
  const grid = (across: number) => `let tiles = (width + ${across - 1}u) / ${across}u;`;
  switch (sharing) {
    case "nothing":
      return `${grid(columns)}
  let number = place * ${ALONE}u + lane;
  let m0 = number / tiles * ${rows}u;
  let n0 = number % tiles * ${columns}u;`;
    case "x":
      return `${grid(columns * lanes)}
  let m0 = place / tiles * ${rows}u;
  let n0 = (place % tiles * ${lanes}u + lane) * ${columns}u;`;
    case "k":
      return `${grid(columns)}
  let m0 = place / tiles * ${rows}u;
  let n0 = place % tiles * ${columns}u;`;
    case "stage":
      return `${grid(columns * STAGE_SIDE)}
  let block_m = place / tiles * ${rows * STAGE_SIDE}u;
  let block_n = place % tiles * ${columns * STAGE_SIDE}u;
  let down = lane / ${STAGE_SIDE}u;
  let across = lane % ${STAGE_SIDE}u;
  let m0 = block_m + down * ${rows}u;
  let n0 = block_n + across * ${columns}u;`;
  }
}

const part: SumName = (i, j) => `part_${i}_${j}`;

/** One text for each output of a tile. */
function eachOutput({ rows, columns }: Tile, text: (i: number, j: number) => string): string {
  return each(rows, (i) => each(columns, (j) => text(i, j)));
}

/** What sums of products are added to within a group: sums of its own, if they are scaled. */
function sumName({ groups }: Matmul): SumName {
  return groups?.several && groups.scaled ? part : acc;
}

/** Multiplies row `i` and column `j`, which are loaded. */
function multiply({ step }: Matmul, sum: SumName, i: number, j: number): string {
  return `${sum(i, j)} += ${step.product(`a${i}`, `b${j}`)};`;
}

/** Declares `name`, part `p` of vector `s` of row `q` of `x`. */
function loadRow({ step, taps }: Matmul, name: string, q: number, p: number): string {
  if (taps) return taps.load(name, q, "s");
  const { parts = 1, unpack, load } = step;
  return load(name, "x", unpack ? `x_${q} + s * ${parts}u + ${p}u` : `x_${q} + s`);
}

/** Declares part `p` of a vector of column `j`. */
function loadColumn({ step, tile, taps }: Matmul, j: number, p: number): string {
  if (step.unpack) return step.unpack(j, p);
  const at = `${taps ? "w_tap + " : ""}s`;
  if (!step.word) return step.load(`b${j}`, "w", `w_${j} + ${at}`);
  const word = loadsFours(tile)
    ? `four_${Math.floor(j / 4)}.${COMPONENTS[j % 4]}`
    : wordOfColumn(`n_${j}`, at);
  return step.word(`b${j}`, word);
}

/** Where the words of column `n` and its neighbours are at a step, in a `w` that lies step by step. */
function foursAt(n: string, at: string): string {
  return `(${at}) * ((params.n + 3u) / 4u) + ${n} / 4u`;
}

/** One of those words. */
function wordOfColumn(n: string, at: string): string {
  return `w[${foursAt(n, at)}][${n} % 4u]`;
}

/** Whether an invocation's columns are whole vectors of such a `w`. */
function loadsFours({ columns }: Tile): boolean {
  return columns % 4 === 0;
}

/** Declares those vectors, each of which is loaded once. */
function loadFours({ step, tile, taps }: Matmul): string {
  if (!step.word || !loadsFours(tile)) return "";
  const at = `${taps ? "w_tap + " : ""}s`;
  return each(tile.columns / 4, (v) => `let four_${v} = w[${foursAt(`n_${4 * v}`, at)}];`);
}

/** Sums a loaded row on the way, if that is asked for. */
function addUp({ rowSum }: KStep, i: number, a: string): string {
  return rowSum ? `x_sum_${i} += ${rowSum(a)};` : "";
}

/** Sums loaded column `j` on the way, if that is asked for. */
function addUpColumn({ columnSum }: KStep, j: number): string {
  return columnSum ? `w_sum_${j} += ${columnSum(`b${j}`)};` : "";
}

/** Keeps the rows in registers and streams the columns. */
function streamColumns(matmul: Matmul, p: number): string {
  const { step, tile: { rows, columns } } = matmul;
  const sum = sumName(matmul);
  const row = (i: number) => loadRow(matmul, `a${i}`, i, p);
  return `${each(rows, (i) => row(i) + addUp(step, i, `a${i}`))}
${
    each(columns, (j) =>
      `{
  ${loadColumn(matmul, j, p)}
  ${addUpColumn(step, j)}
  ${each(rows, (i) => multiply(matmul, sum, i, j))}
}`)
  }`;
}

/** Keeps the columns in registers and streams the rows, which each lane has loaded a share of. */
function broadcastRows(matmul: Matmul, p: number): string {
  const { step, tile: { rows, columns, lanes } } = matmul;
  const { endings = [""] } = step;
  const sum = sumName(matmul);
  const own = (q: number) => loadRow(matmul, `own${q}`, q, p);
  const broadcast = (i: number) =>
    each(endings.length, (e) => {
      const from = `own${Math.floor(i / lanes)}${endings[e]}`;
      return `let a${i}${endings[e]} = subgroupBroadcast(${from}, ${i % lanes}u);`;
    });
  return `${each(rows / lanes, (q) => own(q) + addUp(step, q, `own${q}`))}
${each(columns, (j) => loadColumn(matmul, j, p) + addUpColumn(step, j))}
${
    each(rows, (i) =>
      `{
  ${broadcast(i)}
  ${each(columns, (j) => multiply(matmul, sum, i, j))}
}`)
  }`;
}

/** The loop over the vectors of K, with what each invocation loads and multiplies. */
function alongK(matmul: Matmul): string {
  const { step, tile, groups, taps } = matmul;
  const { columns, sharing, lanes } = tile;
  const { parts = 1, unpack } = step;
  const steps = taps ? "params.tap_steps" : "params.steps";
  const part = (p: number) => sharing === "x" ? broadcastRows(matmul, p) : streamColumns(matmul, p);
  // A vector of `w` with many parts is loaded once, for all columns, before its parts meet `x`.
  const body = unpack
    ? `${each(columns, (j) => `let wide_${j} = w[w_${j} + s];`)}
${each(parts, (p) => `{ ${part(p)} }`)}`
    : `${loadFours(matmul)}
${part(0)}`;
  const [from, to] = groups?.several
    ? ["g * params.steps", "(g + 1u) * params.steps"]
    : ["0u", steps];
  const range = sharing === "k"
    ? `var s = lane; s < ${steps}; s += ${lanes}u`
    : `var s = ${from}; s < ${to}; s++`;
  const loop = `for (${range}) {
  ${body}
}`;
  return taps ? taps.loop(ownRows(tile), loop) : loop;
}

/** How many vectors of one side of a staged block an invocation brings at a time. */
function brought({ tile }: Matmul, from: "x" | "w"): number {
  const side = from === "x" ? tile.rows : tile.columns;
  return side * STAGE_SIDE * STAGE_DEPTH / tile.lanes;
}

/** The row within its block of vector `q` that an invocation brings. */
function broughtRow({ tile }: Matmul, q: number): string {
  return `(${q * tile.lanes}u + lane) / ${STAGE_DEPTH}u`;
}

/** Brings a slice of the rows of one side, `each` times eight from `block` on, into workgroup memory. */
function bring(matmul: Matmul, from: "x" | "w", block: string, size: string): string {
  const { step, tile, taps } = matmul;
  const { endings = [""] } = step;
  const side = from === "x" ? tile.rows : tile.columns;
  const height = side * STAGE_SIDE;
  const number = `min(${block} + row, params.${size} - 1u)`;
  const depth = `${taps ? "w_tap + " : ""}first + depth`;
  const source = `${begin(matmul, from)}${number} * params.steps + ${depth}`;
  const zeros = () => `${stageType(step)}()`;
  const fill = (value: (ending: string) => string) =>
    each(endings.length, (e) => `${from}_stage${endings[e]}[at] = ${value(endings[e])};`);
  const loaded = (q: number) => {
    if (taps && from === "x") return taps.load("v", q, "(first + depth)");
    if (!step.word) return step.load("v", from, source);
    return `let number = ${number};
${step.word("v", wordOfColumn("number", depth))}`;
  };
  return each(brought(matmul, from), (q) =>
    /* wgsl */ `{
  let row = ${broughtRow(matmul, q)};
  let depth = lane % ${STAGE_DEPTH}u;
  let at = depth * ${height}u + row % ${side}u * ${STAGE_SIDE}u + row / ${side}u;
  if (first + depth < ${stageSteps(matmul)}) {
    ${loaded(q)}
    ${fill((ending) => `v${ending}`)}
  } else {
    ${fill(zeros)}
  }
}`);
}

/** The vectors that the loop of a staged block goes through. */
function stageSteps({ taps }: Matmul): string {
  return taps ? "params.tap_steps" : "params.steps";
}

/**
 * The loop of a staged block: all bring a slice of its rows into workgroup memory, then each multiplies
 * from there. Row r of a side lies at (r mod tile)·8 + r / tile, so that neighbours read neighbours.
 */
function alongStages(matmul: Matmul): string {
  const { step, tile: { rows, columns }, taps } = matmul;
  const { endings = [""] } = step;
  const steps = stageSteps(matmul);
  // At a tap there may be fewer vectors than a block holds.
  const depths = taps ? `min(${STAGE_DEPTH}u, ${steps} - first)` : `${STAGE_DEPTH}u`;
  const read = (name: string, from: "x" | "w", side: number, place: string, r: number) =>
    each(endings.length, (e) => {
      const at = `depth * ${side * STAGE_SIDE}u + ${r * STAGE_SIDE}u + ${place}`;
      return `let ${name}${endings[e]} = ${from}_stage${endings[e]}[${at}];`;
    });
  const loop = /* wgsl */ `
for (var first = 0u; first < ${steps}; first += ${STAGE_DEPTH}u) {
  ${bring(matmul, "x", "block_m", "m")}
  ${bring(matmul, "w", "block_n", "n")}
  workgroupBarrier();
  for (var depth = 0u; depth < ${depths}; depth++) {
    ${each(rows, (i) => read(`a${i}`, "x", rows, "down", i) + addUp(step, i, `a${i}`))}
    ${
    each(columns, (j) =>
      `{
      ${read(`b${j}`, "w", columns, "across", j)}
      ${addUpColumn(step, j)}
      ${each(rows, (i) => multiply(matmul, acc, i, j))}
    }`)
  }
  }
  workgroupBarrier();
}`;
  return taps ? taps.loop(brought(matmul, "x"), loop) : loop;
}

/** The type of a vector once it is loaded. */
function stageType({ accumulator, element, loaded }: KStep): string {
  if (loaded) return loaded;
  return accumulator === "i32" ? "vec4<u32>" : element === "u32" ? "f32" : "vec4<f32>";
}

/** Declarations of workgroup memory. */
function workgroupMemory({ step, tile }: Matmul): string {
  const { rows, columns, sharing, lanes, subgroup } = tile;
  if (sharing === "stage") {
    const { endings = [""] } = step;
    const stage = (name: string, side: number) =>
      each(endings.length, (e) => {
        const size = side * STAGE_SIDE * STAGE_DEPTH;
        return `var<workgroup> ${name}${endings[e]}: array<${stageType(step)}, ${size}>;`;
      });
    return `${stage("x_stage", rows)}\n${stage("w_stage", columns)}`;
  }
  if (sharing !== "k" || subgroup) return "";
  const sums = sumNames(step, tile).length;
  return `var<workgroup> partial: array<${step.accumulator}, ${lanes * sums}>;
var<workgroup> total: array<${step.accumulator}, ${sums}>;`;
}

/** The sums of an invocation of a tile that splits K. */
function sumNames({ rowSum, columnSum }: KStep, { rows, columns }: Tile): string[] {
  const count = (length: number, name: (i: number) => string) =>
    Array.from({ length }, (_, i) => name(i));
  return [
    ...count(rows * columns, (t) => acc(Math.floor(t / columns), t % columns)),
    ...rowSum ? count(rows, (i) => `x_sum_${i}`) : [],
    ...columnSum ? count(columns, (j) => `w_sum_${j}`) : [],
  ];
}

/** Adds up what the lanes that split K have gathered, and leaves each with the totals. */
function addLanes({ step, tile }: Matmul): string {
  const { sharing, lanes, subgroup } = tile;
  if (sharing !== "k") return "";
  const names = sumNames(step, tile);
  const name = (t: number) => names[t];
  const count = names.length;
  if (subgroup) return each(count, (t) => `${name(t)} = subgroupAdd(${name(t)});`);
  return /* wgsl */ `
${each(count, (t) => `partial[${t * lanes}u + lane] = ${name(t)};`)}
workgroupBarrier();
for (var t = lane; t < ${count}u; t += ${lanes}u) {
  var sum = partial[t * ${lanes}u];
  for (var i = 1u; i < ${lanes}u; i++) { sum += partial[t * ${lanes}u + i]; }
  total[t] = sum;
}
workgroupBarrier();
${each(count, (t) => `${name(t)} = total[${t}u];`)}`;
}

/** Sums that begin at zero. */
function declare({ tile }: Matmul, name: SumName, type: string): string {
  return eachOutput(tile, (i, j) => `var ${name(i, j)} = ${type}();`);
}

/** The loop over K, once for each group if groups are scaled one by one. */
function loops(matmul: Matmul): string {
  const { step, tile, groups } = matmul;
  const loop = tile.sharing === "stage" ? alongStages(matmul) : alongK(matmul);
  if (!groups) return loop;
  const begin = each(tile.columns, (j) => groups.begin(j, `n_${j}`));
  if (!groups.several) return `${begin}\n${loop}`;
  const { scaled } = groups;
  return /* wgsl */ `
for (var g = 0u; g < params.groups; g++) {
  ${begin}
  ${scaled ? declare(matmul, part, step.accumulator) : ""}
  ${loop}
  ${scaled ? eachOutput(tile, (i, j) => `${acc(i, j)} += ${scaled(part(i, j), i, j)};`) : ""}
}`;
}

/** Where the rows that an invocation reads begin; a staged block finds them itself. */
function beginnings(matmul: Matmul): string {
  const { step, tile, groups, taps } = matmul;
  const { columns, sharing, lanes } = tile;
  if (sharing === "stage") {
    const row = (q: number) => `min(block_m + ${broughtRow(matmul, q)}, params.m - 1u)`;
    return taps ? each(brought(matmul, "x"), (q) => taps.row(q, row(q))) : "";
  }
  const stride = groups ? "x_steps" : "steps";
  const row = (q: number) =>
    sharing === "x" ? `min(m0 + ${q * lanes}u + lane, params.m - 1u)` : `m_${q}`;
  const several = groups?.several ? " * params.groups" : "";
  const x = (q: number) =>
    taps ? taps.row(q, row(q)) : `let x_${q} = ${begin(matmul, "x")}${row(q)} * params.${stride};`;
  return `${each(ownRows(tile), x)}
${
    step.word
      ? ""
      : each(columns, (j) => `let w_${j} = ${begin(matmul, "w")}n_${j} * params.steps${several};`)
  }`;
}

/** How many rows an invocation loads. */
function ownRows({ rows, sharing, lanes }: Tile): number {
  return sharing === "x" ? rows / lanes : rows;
}

/** Gives every invocation the sums of all its rows, whoever has added them up. */
function shareRowSums({ step, tile: { rows, sharing, lanes } }: Matmul): string {
  if (!step.rowSum) return "";
  const shared = (i: number) => `subgroupBroadcast(x_sum_${Math.floor(i / lanes)}, ${i % lanes}u)`;
  return each(rows, (i) => `let row_sum_${i} = ${sharing === "x" ? shared(i) : `x_sum_${i}`};`);
}

/** Builds the shader. */
export function matmul(parts: Matmul): Shader {
  const { step, tile, epilogue, functions = "", groups, batch, taps } = parts;
  const { rows, columns, sharing, lanes, subgroup } = tile;
  const stores = each(rows, (i) => storeRow(parts, i));
  return {
    arrays: [
      ["x", step.element],
      ["w", step.weight ?? step.element],
      ...epilogue.arrays,
      ["y", "u32", "read_write"],
    ],
    fields: [...MATMUL_FIELDS, ...batch?.fields ?? [], ...taps?.fields ?? []],
    declarations: `${workgroupMemory(parts)}\n${functions}\n${epilogue.functions}`,
    workgroup: lanes === 1 ? ALONE : lanes,
    subgroups: subgroup ? "whole" : undefined,
    body: /* wgsl */ `
let width = ${widthOf(parts)};
${workgroupOf(parts)}
${origin(tile)}
${sharing === "stage" ? "" : "if (m0 >= params.m) { return; }"}
${each(rows, (i) => `let m_${i} = min(m0 + ${i}u, params.m - 1u);`)}
${each(columns, (j) => `let n_${j} = min(n0 + ${j}u, params.n - 1u);`)}
${beginnings(parts)}
${declare(parts, acc, groups?.several ? "f32" : step.accumulator)}
${step.rowSum ? each(ownRows(tile), (q) => `var x_sum_${q} = 0;`) : ""}
${step.columnSum ? each(columns, (j) => `var w_sum_${j} = 0;`) : ""}
${epilogue.shared}
${loops(parts)}
${addLanes(parts)}
${shareRowSums(parts)}
${each(rows, (i) => epilogue.row(i, `m_${i}`))}
${each(columns, (j) => epilogue.column(j, `${batch ? "first_column + " : ""}n_${j}`))}
${sharing === "k" ? `if (lane == 0u) { ${stores} }` : stores}
`,
  };
}
