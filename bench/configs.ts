/**
 * A layer under each config beside the float32 `Linear` it was made from, on one adapter, in one run.
 *
 * Run: `deno run -A bench/configs.ts`, or with other sizes (M,N,K) as arguments.
 *
 * @module
 */
import {
  type AOBaseConfig,
  float32,
  Float8DynamicActivationFloat8WeightConfig,
  Float8StaticActivationFloat8WeightConfig,
  Float8WeightOnlyConfig,
  init,
  Int4WeightOnlyConfig,
  Int8DynamicActivationInt8WeightConfig,
  Int8StaticActivationInt4WeightConfig,
  Int8StaticActivationInt8WeightConfig,
  Int8WeightOnlyConfig,
  Linear,
  PerRow,
  quantize_,
  randn,
  Sequential,
  type Tensor,
  zeros,
} from "../mod.ts";
import { type Candidate, measure } from "./measure.ts";

const actQuantScale = 4 / 127.5;
const configs: Record<string, AOBaseConfig | null> = {
  "Linear float32": null,
  "int8 weight only": new Int8WeightOnlyConfig(),
  "int4 weight only, groups of 128": new Int4WeightOnlyConfig(),
  "int4 weight only, groups of 32": new Int4WeightOnlyConfig({ groupSize: 32 }),
  "int8 dynamic, int8 weight": new Int8DynamicActivationInt8WeightConfig(),
  "int8 static, int8 weight": new Int8StaticActivationInt8WeightConfig({ actQuantScale }),
  "float8 weight only": new Float8WeightOnlyConfig(),
  "float8 dynamic, float8 weight": new Float8DynamicActivationFloat8WeightConfig(),
  "float8 dynamic by rows, float8 weight": new Float8DynamicActivationFloat8WeightConfig({
    granularity: new PerRow(),
  }),
  "float8 static, float8 weight": new Float8StaticActivationFloat8WeightConfig({ actQuantScale }),
  "int8 static, int4 weight": new Int8StaticActivationInt4WeightConfig({ actQuantScale }),
};

async function candidate(
  name: string,
  config: AOBaseConfig | null,
  x: Tensor,
  n: number,
): Promise<Candidate & { bytes: number }> {
  const model = new Sequential({ fc: new Linear(x.shape[1], n) });
  if (config) await quantize_(model, config);
  const fence = zeros([1]);
  return {
    name,
    run: () => model.forward(x).dispose(),
    finish: async () => void await fence.data(),
    bytes: Object.values(model.stateDict()).reduce((sum, t) => sum + t.nbytes, 0),
  };
}

const sizes = Deno.args.length
  ? Deno.args.map((size) => size.split(",").map(Number))
  : [[1, 4096, 4096], [64, 1024, 1024]];
const { adapter } = await init({ device: "webgpu" });
console.log(`Deno ${Deno.version.deno}, ${adapter}`);

for (const [m, n, k] of sizes) {
  const x = randn([m, k], { dtype: float32 });
  const candidates: Awaited<ReturnType<typeof candidate>>[] = [];
  for (const [name, config] of Object.entries(configs)) {
    candidates.push(await candidate(name, config, x, n));
  }
  const timings = await measure(candidates);
  const [reference] = timings;
  console.log(`\n(M, N, K) = (${m}, ${n}, ${k})`);
  console.table(Object.fromEntries(timings.map(({ name, median, low, high }, i) => [name, {
    "of float32": (median / reference.median).toFixed(3),
    "ms, median": median.toFixed(2),
    "quartiles": `${low.toFixed(2)} to ${high.toFixed(2)}`,
    "MiB": (candidates[i].bytes / 2 ** 20).toFixed(2),
  }])));
}
