/**
 * torchao's static quantization tutorial: observe, calibrate, quantize, look.
 *
 * Run it with `deno task tutorial`, or alone with
 * `deno run --allow-env=XDG_RUNTIME_DIR examples/static_quantization.ts`.
 *
 * @module
 */
import {
  AffineQuantizedMinMaxObserver,
  bfloat16,
  computeError,
  deepcopy,
  finfo,
  float32,
  init,
  insertObservers_,
  isObservedLinear,
  Linear,
  manualSeed,
  MappingType,
  Module,
  PerAxis,
  PerTensor,
  quantize_,
  type QuantizedLinear,
  randn,
  StaticQuantConfig,
  type Tensor,
  tidy,
  uint8,
} from "@staticquant/staticquant";

class ToyLinearModel extends Module {
  linear1: Linear;
  linear2: Linear;

  constructor(m = 64, n = 32, k = 64) {
    super();
    this.linear1 = new Linear(m, k, { bias: false });
    this.linear2 = new Linear(k, n, { bias: false });
  }

  exampleInputs(batchSize = 1): [Tensor] {
    return [randn([batchSize, this.linear1.inFeatures], { dtype: bfloat16 })];
  }

  override forward(x: Tensor): Tensor {
    return this.linear2.forward(this.linear1.forward(x));
  }
}

const { device, adapter } = await init();
console.log(`Running on ${device}: ${adapter}\n`);
manualSeed(0);

const m = new ToyLinearModel().to(bfloat16);
const float = deepcopy(m);

// 1. Observers: one range for the activations, one for each output channel of the weights.
const common = { eps: finfo(float32).eps, scaleDtype: float32, zeroPointDtype: float32 };
const actObs = new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, {
  granularity: new PerTensor(),
  ...common,
});
const weightObs = new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, {
  granularity: new PerAxis(0),
  ...common,
});
insertObservers_(m, actObs, weightObs);
console.log("Under observation:", String(m));

// 2. Calibration: sample inputs flow through; nothing waits for the device.
for (let i = 0; i < 10; i++) tidy(() => void m.forward(...m.exampleInputs()));

// 3. Quantization: ranges are fixed, layers swapped.
const swapped = await quantize_(m, new StaticQuantConfig({ targetDtype: uint8 }), isObservedLinear);
console.log(`\nSwapped ${swapped.join(" and ")}:`, String(m));

// 4. A look at the result.
const layer = m.linear1 as Module as QuantizedLinear;
console.log("\nm.linear1.actScale", await layer.actScale.data());
console.log("m.linear1.actZeroPoint", await layer.actZeroPoint.data());
console.log(`m.linear1.qweight ${layer.qweight}`);
console.log(
  "  integers, first row",
  await layer.qweight.intData().data().then((q) => q.slice(0, 64)),
);
console.log("  scale", await layer.qweight.scale.data());
console.log("  zeroPoint", await layer.qweight.zeroPoint!.data());

// 5. What it cost and what it saved.
const [x] = m.exampleInputs(256);
const sqnr = await computeError(float.forward(x), m.forward(x));
const before = float.linear1.weight.nbytes + float.linear2.weight.nbytes;
const after = m.namedChildren().reduce(
  (sum, [, layer]) => sum + (layer as QuantizedLinear).qweight.nbytes,
  0,
);
console.log(
  `\nSQNR of the output on 256 new inputs: ${
    sqnr.toFixed(1)
  } dB (what lies beyond the range of the ten ` +
    `calibration rows is clipped)`,
);
console.log(
  `Weights: ${2 * before} bytes as float32, ${before} as bfloat16, ${after} as uint8 with scales`,
);
