/**
 * Whether 1,000 forwards of a quantized layer, and 1,000 of an observed one, leave device and
 * process memory flat.
 *
 * Run: `deno task bench:memory`.
 *
 * @module
 */
import {
  AffineQuantizedMinMaxObserver,
  backendFor,
  init,
  insertObservers_,
  isObservedLinear,
  Linear,
  MappingType,
  PerAxis,
  PerTensor,
  quantize_,
  randn,
  Sequential,
  StaticQuantConfig,
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

const rows: Record<string, Record<string, string | number>> = {};

async function run(title: string, forwards: number): Promise<void> {
  for (let i = 0; i < forwards; i++) {
    using x = randn([32, 256]); // a new upload each time, as from a data set
    model.forward(x).dispose();
  }
  await fence.data();
  const { liveBytes, pooledBytes } = backendFor().memory();
  rows[title] = {
    "device, live bytes": liveBytes,
    "device, pooled bytes": pooledBytes,
    "process, MB": Math.round(Deno.memoryUsage().rss / 2 ** 20),
  };
}

await run("observed, after 100", 100);
await run("observed, after 1,100", 1000);
await quantize_(model, new StaticQuantConfig({ targetDtype: uint8 }), isObservedLinear);
await run("quantized, after 100", 100);
await run("quantized, after 1,100", 1000);
await run("quantized, after 2,100", 1000);
console.table(rows);
