/**
 * `QuantizedLinear` beside this project's float `Linear` and jax-js's jitted float32 product, on one
 * adapter, in one run.
 *
 * Run: `deno task bench`, or `deno task bench 64,1024,1024` for other sizes (M,N,K).
 *
 * @module
 */
import * as jax from "@jax-js/jax";
import {
  AffineQuantizedMinMaxObserver,
  type DType,
  float16,
  float32,
  init,
  insertObservers_,
  isObservedLinear,
  Linear,
  MappingType,
  type Module,
  PerAxis,
  PerTensor,
  quantize_,
  randn,
  Sequential,
  StaticQuantConfig,
  type Tensor,
  uint8,
  zeros,
} from "../mod.ts";
import { type Candidate, measure } from "./measure.ts";

/** A module's forward on one input, its output freed at once. */
function forward(name: string, module: Module, x: Tensor): Candidate {
  const fence = zeros([1]);
  return {
    name,
    run: () => module.forward(x).dispose(),
    finish: async () => void await fence.data(),
  };
}

async function quantized(n: number, k: number, x: Tensor): Promise<Module> {
  const model = new Sequential({ fc: new Linear(k, n) });
  const observer = (granularity: PerTensor | PerAxis) =>
    new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, { granularity });
  insertObservers_(model, observer(new PerTensor()), observer(new PerAxis(0)));
  model.forward(x).dispose();
  await quantize_(model, new StaticQuantConfig({ targetDtype: uint8 }), isObservedLinear);
  return model;
}

function jaxMatmul(m: number, n: number, k: number): Candidate {
  const { numpy: np } = jax;
  const uniform = (length: number) => Float32Array.from({ length }, () => Math.random() - 0.5);
  const x = np.array(uniform(m * k)).reshape([m, k]);
  const w = np.array(uniform(n * k)).reshape([n, k]);
  const matmul = jax.jit((x: jax.Array, w: jax.Array) => np.matmul(x, w.transpose()));
  // jax-js drops work whose result is dropped, so all results are kept until they are there.
  const results: jax.Array[] = [];
  return {
    name: "jax-js float32, jitted",
    run: () => void results.push(matmul(x.ref, w.ref)),
    finish: async () => {
      await jax.blockUntilReady(results);
      results.splice(0).forEach((y) => y.dispose());
    },
  };
}

const sizes = Deno.args.length
  ? Deno.args.map((size) => size.split(",").map(Number))
  : [[256, 1024, 1024]];
const { adapter } = await init({ device: "webgpu" });
await jax.init("webgpu");
jax.defaultDevice("webgpu");
console.log(`Deno ${Deno.version.deno}, ${adapter}`);

for (const [m, n, k] of sizes) {
  const input = (dtype: DType) => randn([m, k], { dtype });
  const x = input(float32);
  const timings = await measure([
    jaxMatmul(m, n, k),
    forward("Linear float32", new Linear(k, n), x),
    forward("Linear float16", new Linear(k, n, { dtype: float16 }), input(float16)),
    forward("QuantizedLinear uint8", await quantized(n, k, x), x),
  ]);
  const [reference] = timings;
  console.log(`\n(M, N, K) = (${m}, ${n}, ${k})`);
  console.table(Object.fromEntries(timings.map(({ name, median, low, high }) => [name, {
    "of jax-js": (median / reference.median).toFixed(3),
    "ms, median": median.toFixed(2),
    "quartiles": `${low.toFixed(2)} to ${high.toFixed(2)}`,
  }])));
}
