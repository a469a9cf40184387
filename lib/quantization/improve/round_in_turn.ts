/**
 * Rounding weights so that layers make up for what those before them are off by.
 *
 * @module
 */
import type { FloatLayer } from "../layers/weighted_layer.ts";
import {
  freeQuantized,
  type ImprovedModule,
  MOST_WEIGHT,
  quantizedModule,
  quantizedNames,
  weightRows,
} from "./improved_module.ts";
import type { ModuleRemedy, ModuleTools } from "./module_tools.ts";
import { readRows } from "./read_rows.ts";
import { rowLength } from "../statistics/rows.ts";
import { adaroundRows, LONGEST_SAMPLED, productsOfRows, type SampledRows } from "./sampled_rows.ts";

/** Times that the quantized model is looked at while its layers are rounded. */
const MOST_BLOCKS = 8;

/** A state in which a layer is rounded by what it reads in the float model and in the quantized one. */
async function withLayer(
  state: ImprovedModule,
  name: string,
  layer: FloatLayer,
  [float, quantized]: readonly (readonly SampledRows[])[],
  tools: ModuleTools,
): Promise<ImprovedModule> {
  const { data, rows, columns } = await weightRows(layer);
  const reads = readRows(layer)!;
  const perGroup = rows / reads.groups;
  const integers = new Int8Array(rows * columns);
  const scales = new Float32Array(rows);
  const shift = new Float64Array(rows);
  for (let g = 0; g < reads.groups; g++) {
    const from = g * perGroup * columns;
    const own = Float64Array.from({ length: perGroup * columns }, (_, i) => Number(data[from + i]));
    const products = productsOfRows(reads, g, float, quantized, true);
    const done = adaroundRows(own, products, perGroup, MOST_WEIGHT, tools.check);
    integers.set(done.integers, from);
    scales.set(done.scales, g * perGroup);
    shift.set(done.shift, g * perGroup);
  }
  return {
    ...state,
    weights: new Map([...state.weights, [name, { integers, scales }]]),
    biases: new Map([...state.biases, [name, [...shift]]]),
  };
}

/** Rounds the weights of all layers, block by block, in the order in which they are run. */
async function round(state: ImprovedModule, tools: ModuleTools): Promise<ImprovedModule> {
  const modules = new Map(state.float.namedModules());
  const names = await tools.inOrder(state.float, quantizedNames(state));
  const known = names.filter((name) => {
    const layer = modules.get(name) as FloatLayer;
    return tools.hasRows(layer) && rowLength(readRows(layer)!) <= LONGEST_SAMPLED;
  });
  const blocks = Math.min(MOST_BLOCKS, known.length);
  let now = state;
  for (let block = 0; block < blocks; block++) {
    const [from, to] = [block, block + 1].map((i) => Math.floor(i * known.length / blocks));
    const some = known.slice(from, to);
    const float = await tools.rows(state.float, state.float, some);
    const model = await quantizedModule(now);
    try {
      const quantized = await tools.rows(model, state.float, some);
      for (const name of some) {
        tools.check();
        // What comes into a block is made up for once, by the layer that reads it first.
        const rows = [name === some[0] ? float : quantized, quantized]
          .map((all) => all.get(name)!);
        now = await withLayer(now, name, modules.get(name) as FloatLayer, rows, tools);
      }
    } finally {
      freeQuantized(model);
    }
  }
  return now;
}

/** AdaRound (Nagel et al. 2020, arXiv:2004.10568) of every weight of a `Linear` or a convolution. */
export const roundInTurn: ModuleRemedy = {
  name: "adaround",
  purpose: "rounds weights so that each layer makes up for those before it",
  rewrites: false,
  async apply(state, tools) {
    const after = await round(state, tools);
    const count =
      [...after.weights].filter(([name, own]) => own !== state.weights.get(name)).length;
    if (count === 0) return undefined;
    return {
      state: after,
      found: undefined,
      summary:
        `${count} weights were rounded so that they make up for what the layers before are off by`,
    };
  },
};
