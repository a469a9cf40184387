/** The tutorial's numbers, the same bits on every backend and in every host. */
import { assertEquals } from "@std/assert";
import {
  AffineQuantizedMinMaxObserver,
  bfloat16,
  type Device,
  finfo,
  float32,
  type Granularity,
  insertObservers_,
  isObservedLinear,
  Linear,
  manualSeed,
  MappingType,
  PerAxis,
  PerTensor,
  quantize_,
  type QuantizedLinear,
  randn,
  Sequential,
  StaticQuantConfig,
  type Tensor,
  tidy,
  uint8,
} from "../../mod.ts";
import { eachBackend } from "../backends.ts";

/** A sum over bytes (FNV-1a), as a number in hexadecimal. */
function sumOf(bytes: Uint8Array): string {
  let sum = 0x811c9dc5;
  for (const byte of bytes) sum = Math.imul(sum ^ byte, 0x01000193);
  return (sum >>> 0).toString(16);
}

/** The tutorial's two layers, quantized. */
async function tutorialLayers(device: Device): Promise<QuantizedLinear[]> {
  manualSeed(0);
  const options = { bias: false, device };
  const m = new Sequential({
    linear1: new Linear(64, 32, options),
    linear2: new Linear(32, 64, options),
  }).to(bfloat16);
  const observer = (granularity: Granularity) =>
    new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, {
      granularity,
      eps: finfo(float32).eps,
      scaleDtype: float32,
      zeroPointDtype: float32,
    });
  insertObservers_(m, observer(new PerTensor()), observer(new PerAxis(0)));
  for (let i = 0; i < 10; i++) {
    tidy(() => void m.forward(randn([1, 64], { dtype: bfloat16, device })));
  }
  await quantize_(m, new StaticQuantConfig({ targetDtype: uint8 }), isObservedLinear);
  return m.namedChildren().map(([, layer]) => layer as unknown as QuantizedLinear);
}

eachBackend("the tutorial's integers, scales and zero points have these bits", async (device) => {
  const sums: string[][] = [];
  for (const { actScale, actZeroPoint, qweight } of await tutorialLayers(device)) {
    const tensors: Tensor[] = [
      actScale,
      actZeroPoint,
      qweight.intData(),
      qweight.scale,
      qweight.zeroPoint!,
    ];
    sums.push(await Promise.all(tensors.map(async (t) => sumOf(await t.bytes()))));
  }
  assertEquals(sums, [
    ["9ba894ca", "388010dd", "d1e5f00a", "2c34f4a8", "75e35aee"],
    ["9ce5c94a", "783676bd", "af6fc9d0", "8f8c6a8e", "52ee6de5"],
  ]);
});
