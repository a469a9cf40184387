/**
 * A static int8 layer compiled to onnxruntime beside onnxruntime's float32, on the CPU, in one run:
 * the session alone, with arrays that are there already, and the whole compiled forward.
 *
 * Run: `deno run -A bench/onnxruntime.ts`, or with other sizes (M,N,K) as arguments.
 *
 * @module
 */
import {
  AffineQuantizedMinMaxObserver,
  compile,
  type DType,
  exportOnnx,
  init,
  insertObservers_,
  int8,
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
} from "../mod.ts";
import { OnnxSession } from "../lib/onnx/session.ts";
import { type Candidate, measure } from "./measure.ts";

/** Runs one after the other, as a program that awaits each would. */
function awaited(name: string, once: () => Promise<unknown>): Candidate {
  let last: Promise<unknown> = Promise.resolve();
  return {
    name,
    run: () => void (last = last.then(once)),
    finish: async () => void await last,
  };
}

/** The exported model in a session of its own, between arrays that stay the same. */
async function session(name: string, model: Module, x: Tensor, n: number): Promise<Candidate> {
  const session = await OnnxSession.open("bench", await exportOnnx(model, x));
  const input = { data: await x.data() as Float32Array, shape: x.shape };
  const rows = x.shape[0];
  const output = { name: "output", data: new Float32Array(rows * n), shape: [rows, n] };
  return awaited(name, () => session.run({ input }, output));
}

/** The whole way from tensor to tensor. */
function forward(name: string, model: Module, x: Tensor): Candidate {
  const compiled = compile(model, { backend: "onnxruntime" });
  return awaited(name, async () => (await compiled.forward(x)).dispose());
}

/** A layer whose ranges are those of random numbers; few of them, since the CPU backend is slow. */
async function quantized(n: number, k: number, mappingType: MappingType, dtype: DType) {
  const model = new Sequential({ fc: new Linear(k, n, { bias: false }) });
  const observer = (granularity: PerTensor | PerAxis) =>
    new AffineQuantizedMinMaxObserver(mappingType, dtype, { granularity });
  insertObservers_(model, observer(new PerTensor()), observer(new PerAxis(0)));
  model.forward(randn([2, k])).dispose();
  await quantize_(model, new StaticQuantConfig({ targetDtype: dtype }), isObservedLinear);
  return model;
}

const sizes = Deno.args.length
  ? Deno.args.map((size) => size.split(",").map(Number))
  : [[256, 1024, 1024], [512, 4096, 4096], [1, 4096, 4096]];
await init({ device: "cpu" });
console.log(`Deno ${Deno.version.deno}, ${navigator.hardwareConcurrency} threads`);

for (const [m, n, k] of sizes) {
  const x = randn([m, k]);
  const float = new Sequential({ fc: new Linear(k, n, { bias: false }) });
  const unsigned = await quantized(n, k, MappingType.ASYMMETRIC, uint8);
  const signed = await quantized(n, k, MappingType.SYMMETRIC, int8);
  const timings = await measure([
    await session("float32, session", float, x, n),
    forward("float32, compiled", float, x),
    await session("uint8 asymmetric, session", unsigned, x, n),
    forward("uint8 asymmetric, compiled", unsigned, x),
    await session("int8 symmetric, session", signed, x, n),
    forward("int8 symmetric, compiled", signed, x),
  ]);
  const [reference] = timings;
  console.log(`\n(M, N, K) = (${m}, ${n}, ${k})`);
  console.table(Object.fromEntries(timings.map(({ name, median, low, high }) => [name, {
    "faster than float32, session": (reference.median / median).toFixed(2),
    "ms, median": median.toFixed(3),
    "quartiles": `${low.toFixed(3)} to ${high.toFixed(3)}`,
  }])));
}
