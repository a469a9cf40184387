/**
 * The tutorial's program: what the notebook does cell by cell, with numbers that can be changed.
 *
 * @module
 */
import {
  AffineQuantizedMinMaxObserver,
  bfloat16,
  computeError,
  deepcopy,
  dequantizeAffine,
  finfo,
  float32,
  type Granularity,
  init,
  insertObservers_,
  int8,
  isObservedLinear,
  Linear,
  manualSeed,
  MappingType,
  Module,
  type ObservedLinear,
  PerAxis,
  PerTensor,
  quantize_,
  type QuantizedLinear,
  randn,
  StaticQuantConfig,
  StaticQuantTensorConfig,
  type Tensor,
  uint8,
} from "../../quantization.ts";
import type {
  TutorialActivation,
  TutorialNumbers,
  TutorialOutcome,
  TutorialWay,
} from "./protocol.ts";

/** Inputs that the models are judged on. */
const JUDGES = 64;

/** Two layers without bias. */
class ToyLinearModel extends Module {
  static override readonly name: string = "ToyLinearModel";
  readonly linear1: Linear;
  readonly linear2: Linear;

  constructor({ inFeatures, hidden, outFeatures }: TutorialNumbers) {
    super();
    this.linear1 = new Linear(inFeatures, hidden, { bias: false });
    this.linear2 = new Linear(hidden, outFeatures, { bias: false });
  }

  exampleInputs(batch: number): Tensor {
    return randn([batch, this.linear1.inFeatures], { dtype: bfloat16 });
  }

  override forward(x: Tensor): Tensor {
    return this.linear2.forward(this.linear1.forward(x)) as Tensor;
  }
}

/** All numbers of some tensors, in memory of their own. */
async function gather(tensors: readonly Tensor[]): Promise<Float32Array<ArrayBuffer>> {
  const parts = await Promise.all(tensors.map((tensor) => tensor.data()));
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(Float32Array.from(part as ArrayLike<number>), at);
    at += part.length;
  }
  return all;
}

function bytesOf(model: Module): number {
  return Object.values(model.stateDict()).reduce((sum, { nbytes }) => sum + nbytes, 0);
}

/** Runs it all. */
export async function tutorial(numbers: TutorialNumbers): Promise<TutorialOutcome> {
  const { device, adapter } = await init();
  manualSeed(numbers.seed);
  const dtype = numbers.dtype === "uint8" ? uint8 : int8;
  const floatModel = new ToyLinearModel(numbers).to(bfloat16);
  const batches = Array.from(
    { length: numbers.batches },
    () => floatModel.exampleInputs(numbers.batch),
  );
  const inputs = floatModel.exampleInputs(JUDGES);

  const observer = (mapping: MappingType, granularity: Granularity) =>
    new AffineQuantizedMinMaxObserver(mapping, dtype, {
      ...{ granularity, eps: finfo(float32).eps, scaleDtype: float32, zeroPointDtype: float32 },
    });
  const calibrated = (): ToyLinearModel => {
    const model = deepcopy(floatModel);
    insertObservers_(
      model,
      observer(MappingType[numbers.mapping], new PerTensor()),
      observer(
        MappingType[numbers.mapping],
        numbers.weights === "PerAxis" ? new PerAxis(0) : new PerTensor(),
      ),
    );
    for (const batch of batches) model.forward(batch);
    return model;
  };

  const observed = calibrated();
  const hidden = batches.map((batch) => floatModel.linear1.forward(batch) as Tensor);
  const activations: TutorialActivation[] = [];
  for (const [layer, values] of [["linear1", batches], ["linear2", hidden]] as const) {
    const { actObs } = observed[layer] as unknown as ObservedLinear;
    const [scale, zeroPoint] = await actObs.calculateQParams();
    const [s, z] = [await scale.item(), await zeroPoint.item()];
    activations.push({ layer, values: await gather(values), scale: s, zeroPoint: z });
  }

  const floatOutput = floatModel.forward(inputs);
  const ways: TutorialWay[] = [];
  const quantizedBy = async (Config: typeof StaticQuantConfig) => {
    const model = calibrated();
    await quantize_(model, new Config({ targetDtype: dtype }), isObservedLinear);
    const output = model.forward(inputs);
    ways.push({
      config: Config.name,
      sqnr: await computeError(floatOutput, output),
      bytes: bytesOf(model),
      text: String(model),
    });
    return { model, output };
  };
  const { model, output } = await quantizedBy(StaticQuantConfig);
  await quantizedBy(StaticQuantTensorConfig);

  const { qweight } = model.linear1 as unknown as QuantizedLinear;
  const integers = qweight.intData();
  const { blockSize, scale, zeroPoint } = qweight;
  const again = dequantizeAffine(integers, blockSize, scale, zeroPoint, dtype);
  const was = await gather([floatModel.linear1.weight as Tensor]);
  const is = await gather([again]);
  const bfloat16Bytes = bytesOf(floatModel);
  return {
    ...{ device, adapter, activations, ways },
    weight: {
      columns: numbers.inFeatures,
      float: was,
      integers: await gather([integers]),
      lost: was.map((value, i) => is[i] - value),
    },
    output: { float: await gather([floatOutput]), quantized: await gather([output]) },
    bytes: { float32: 2 * bfloat16Bytes, bfloat16: bfloat16Bytes, quantized: bytesOf(model) },
  };
}
