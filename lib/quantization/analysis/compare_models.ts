/**
 * What quantizing cost, layer by layer.
 *
 * @module
 */
import type { Figure } from "../../plot/figure.ts";
import { Linear } from "../../nn/linear.ts";
import { deepcopy, isLinearWeight, type Module, nameModules } from "../../nn/module.ts";
import { checkOptions } from "../../numbers/arguments.ts";
import { int32 } from "../../numbers/dtype.ts";
import { formatShape, sameShape } from "../../numbers/shape.ts";
import type { Device } from "../../backend/backend.ts";
import { relu } from "../../tensor/ops.ts";
import { type Tensor, tensor } from "../../tensor/tensor.ts";
import { div, mul } from "../../tensor/pointwise.ts";
import { quantizeAffine } from "../affine/primitives.ts";
import { outputFirst } from "../layers/output_first.ts";
import type { FloatLayer } from "../layers/weighted_layer.ts";
import { copiedChannels } from "../layers/copied_channels.ts";
import { describeLayer, type LayerParts, outputQuantizerOf } from "../layers/layer_kinds.ts";
import { describeFunction } from "../layers/function_kind.ts";
import type { ActivationQuantizer } from "../tensors/activation_quantizer.ts";
import {
  preScaled,
  quantizeScaled,
  type StaticInputQuantizer,
  staticInputQuantizer,
} from "../tensors/input_quantizer.ts";
import type { AffineQuantizedTensor } from "../tensors/quantized_tensor.ts";
import {
  ANALYSIS_OPTIONS,
  type AnalysisOptions,
  batchesOf,
  type ModelInputs,
  Runs,
} from "./inputs.ts";
import { type Call, CallRecorder, freeModule, quantizedLayers, release, view } from "./layers.ts";
import { Noise } from "./noise.ts";
import { decibels, percent } from "../../plot/format.ts";
import { AnalysisReport, barsOfDecibels } from "../../plot/report.ts";
import { Table } from "../../plot/table.ts";

/**
 * What quantizing did to a layer. A number is null where it has no meaning: a layer that quantizes
 * only its weight has no integers of its input, and of a weight of unknown class nothing is known.
 */
export interface LayerComparison {
  /** The layer's full name. */
  readonly layer: string;
  /** The class of the quantized layer, or of its weight. */
  readonly kind: string;
  /** SQNR of the input that the layer got, before it quantizes it, in dB. */
  readonly inputSqnr: number;
  /** SQNR of its weight, in dB. */
  readonly weightSqnr: number | null;
  /** SQNR of its output, in dB. */
  readonly outputSqnr: number;
  /** The share of input values beyond the range, from 0 to 1. */
  readonly inputClipped: number | null;
  /** The share of the integer range that the inputs spread over. */
  readonly inputRangeUsed: number | null;
  /** The share of weights beyond the range. */
  readonly weightClipped: number | null;
  /** The share of the integer range that the weights spread over. */
  readonly weightRangeUsed: number | null;
}

/** Float and quantized model side by side. */
export class ModelComparison extends AnalysisReport {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "ModelComparison";

  /**
   * The result of `compareModels`.
   *
   * @param layers a row for each quantized layer, in the order in which they run.
   * @param outputSqnr SQNR of the models' outputs, in dB.
   * @param batches how many batches were run.
   */
  constructor(
    readonly layers: readonly LayerComparison[],
    readonly outputSqnr: number,
    readonly batches: number,
  ) {
    super();
  }

  /** A row for each layer. */
  override table(): Table {
    const rows = this.layers.map((row) => ({
      layer: row.layer,
      "input SQNR": decibels(row.inputSqnr),
      weight: decibels(row.weightSqnr),
      output: decibels(row.outputSqnr),
      "input clipped": percent(row.inputClipped),
      "range used": percent(row.inputRangeUsed),
      "weight clipped": percent(row.weightClipped),
      "range used ": percent(row.weightRangeUsed),
    }));
    const note = `SQNR of the model's output over ${this.batches} ${
      this.batches === 1 ? "batch" : "batches"
    }: ${decibels(this.outputSqnr)}`;
    return new Table(rows, { title: "Float against quantized", note });
  }

  /** The output's SQNR of each layer. */
  override figure(): Promise<Figure | null> {
    const values = Object.fromEntries(this.layers.map((row) => [row.layer, row.outputSqnr]));
    return barsOfDecibels(values, "Float against quantized", "SQNR of each layer's output, dB");
  }
}

/**
 * Runs a float model and the quantized one made from it on the same inputs, and compares them layer
 * by layer: how far the input that a quantized layer got, its weight and its output are from the
 * float ones (SQNR, see `computeError`), how many values its ranges clip, and how much of the
 * integer range is used. Neither model is touched.
 *
 * @param float the float model.
 * @param quantized the model made from it; every layer that is float there and is not
 * here is compared.
 * @param inputs batches as `model.forward` takes them; one pass, nothing is kept.
 * @param options progress and a signal to stop.
 * @returns a row for each quantized layer that the inputs run, but for those to whose channels `tune` added copies.
 * @throws {Error} if the models do not belong together.
 * @throws {RangeError} if there are no inputs.
 *
 * @example
 * ```ts
 * import {
 *   AffineQuantizedMinMaxObserver, compareModels, deepcopy, insertObservers_, isObservedLinear, Linear,
 *   MappingType, PerTensor, quantize_, randn, Sequential, StaticQuantConfig, uint8,
 * } from "@staticquant/staticquant";
 * const float = new Sequential({ fc: new Linear(64, 32) });
 * const m = deepcopy(float);
 * const observer = new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, {
 *   granularity: new PerTensor(),
 * });
 * insertObservers_(m, observer, observer);
 * m.forward(randn([16, 64]));
 * await quantize_(m, new StaticQuantConfig({ targetDtype: uint8 }), isObservedLinear);
 * const comparison = await compareModels(float, m, [randn([16, 64])]);
 * console.log(String(comparison), comparison.layers[0].outputSqnr);
 * ```
 */
export async function compareModels(
  float: Module,
  quantized: Module,
  inputs: ModelInputs,
  options: AnalysisOptions = {},
): Promise<ModelComparison> {
  const where = "compareModels";
  checkOptions(where, options, ANALYSIS_OPTIONS);
  const runs = new Runs(options);
  const modules = new Map(quantized.namedModules());
  // What has channels twice is not to be laid beside what has them once.
  const names = quantizedLayers(where, float, quantized).filter((name) =>
    modules.get(name)!.namedModules().every(([, module]) => {
      const { inputs, outputs } = copiedChannels(module);
      return inputs + outputs === 0;
    })
  );
  const [floatCopy, copy] = [deepcopy(float), deepcopy(quantized)];
  try {
    nameModules(floatCopy);
    nameModules(copy);
    const ours = new Map(copy.namedModules());
    const theirs = new Map(floatCopy.namedModules());
    const recorders = [new CallRecorder(floatCopy, names), new CallRecorder(copy, names)];
    const output = new Noise();
    const stats = new Map<string, Statistics>();
    let batches = 0;
    for await (const batch of batchesOf(where, inputs)) {
      using y = runs.run(floatCopy, batch);
      using z = runs.run(copy, batch);
      const [floatCalls, calls] = recorders.map((recorder) => recorder.take());
      try {
        checkShapes(where, "the models' outputs", y, z);
        output.add(await y.data(), await z.data());
        for (const [name, list] of calls) {
          const entry = stats.get(name) ?? new Statistics(ours.get(name)!);
          stats.set(name, entry);
          const reference = floatCalls.get(name) ?? [];
          if (reference.length !== list.length) {
            throw new Error(
              `${where}: ${name} ran ${reference.length} times in the float model and ${list.length} ` +
                `times in the quantized one; their layers cannot be compared`,
            );
          }
          for (const [i, call] of list.entries()) await entry.add(where, name, reference[i], call);
        }
      } finally {
        release(floatCalls);
        release(calls);
      }
      batches++;
      runs.step("comparing");
    }
    const layers: LayerComparison[] = [];
    for (const [name, entry] of stats) {
      const cost = await compareWeights(theirs.get(name)!, entry.parts);
      layers.push({ layer: name, ...entry.result(), ...cost });
    }
    return new ModelComparison(layers, output.sqnr, batches);
  } finally {
    freeModule(floatCopy);
    freeModule(copy);
  }
}

function checkShapes(where: string, what: string, a: Tensor, b: Tensor): void {
  if (sameShape(a.shape, b.shape)) return;
  throw new Error(
    `${where}: ${what} have shapes ${formatShape(a.shape)} and ${
      formatShape(b.shape)
    }; give the float ` +
      `model and the quantized one that was made from it`,
  );
}

/** Integers of this magnitude and less are exact in every step of quantizing. */
const WIDE = 2 ** 20;

/** Counts what a range clips and how far the integers spread. */
class Spread {
  private clipped = 0;
  private total = 0;
  private low = Infinity;
  private high = -Infinity;
  private steps = 1;

  /** Takes floats, quantized as `as` is but into integers that are wide enough for all. */
  async add(x: Tensor, as: AffineQuantizedTensor): Promise<void> {
    const { blockSize, scale, zeroPoint, quantMin, quantMax } = as;
    const wide = { quantMin: -WIDE, quantMax: WIDE };
    using q = quantizeAffine(x, blockSize, scale, zeroPoint, int32, wide);
    for (const value of await q.data()) {
      if (value < quantMin || value > quantMax) this.clipped++;
      const used = Math.min(Math.max(value, quantMin), quantMax);
      if (used < this.low) this.low = used;
      if (used > this.high) this.high = used;
      this.total++;
    }
    this.steps = quantMax - quantMin;
  }

  get clippedShare(): number | null {
    return this.total ? this.clipped / this.total : null;
  }

  get rangeUsed(): number | null {
    return this.total ? (this.high - this.low) / this.steps : null;
  }
}

/** What passed through one layer, summed up over batches. */
class Statistics {
  private readonly input = new Noise();
  private readonly output = new Noise();
  private readonly spread = new Spread();
  readonly parts: LayerParts | undefined;

  private readonly cutsOff: boolean;

  constructor(private readonly module: Module) {
    this.parts = describeLayer(module);
    const output = outputQuantizerOf(module);
    this.cutsOff = output ? output.quantMin >= output.zeroPoint : false;
  }

  async add(where: string, name: string, reference: Call, call: Call): Promise<void> {
    checkShapes(where, `the inputs of ${name}`, reference.input, call.input);
    checkShapes(where, `the outputs of ${name}`, reference.output, call.output);
    this.input.add(await reference.input.data(), await call.input.data());
    // Where bytes have no room for what is negative, a ReLU follows that would cut it off.
    const { output } = this;
    using wanted = this.cutsOff ? relu(reference.output) : view(reference.output);
    output.add(await wanted.data(), await call.output.data());
    const numbers = describeFunction(this.module)?.parts.input;
    const input = this.parts?.input ??
      (numbers ? inputQuantizerOf(numbers, call.input.device) : undefined);
    if (!input) return;
    using scaled = preScaled(input, call.input);
    using quantized = quantizeScaled(input, scaled);
    await this.spread.add(scaled, quantized);
  }

  result() {
    const { module } = this;
    const named = module instanceof Linear && isLinearWeight(module.weight)
      ? module.weight
      : module;
    return {
      kind: named.constructor.name,
      inputSqnr: this.input.sqnr,
      outputSqnr: this.output.sqnr,
      inputClipped: this.spread.clippedShare,
      inputRangeUsed: this.spread.rangeUsed,
    };
  }
}

/** A quantizer of known numbers as one of tensors. */
function inputQuantizerOf(
  { scale, zeroPoint, targetDtype, quantMin, quantMax }: ActivationQuantizer,
  device: Device,
): StaticInputQuantizer {
  const [s, z] = [scale, zeroPoint].map((value) => tensor([value], { device }));
  return staticInputQuantizer(s, z, targetDtype, { quantMin, quantMax });
}

async function compareWeights(float: Module, parts: LayerParts | undefined) {
  const spread = new Spread();
  let weightSqnr: number | null = null;
  if (parts) {
    using weight = outputFirst(float as FloatLayer);
    const { weight: quantized, input } = parts;
    const by = input && input.kind !== "custom" ? input.preScale : undefined;
    // What an input is divided by, its weight is multiplied by.
    using scaled = by ? div(weight, by) : weight.reshape(...weight.shape);
    using dequantized = quantized.dequantize();
    using restored = by ? mul(dequantized, by) : dequantized.reshape(...dequantized.shape);
    const noise = new Noise();
    noise.add(await weight.data(), await restored.data());
    weightSqnr = noise.sqnr;
    await spread.add(scaled, quantized);
  }
  return { weightSqnr, weightClipped: spread.clippedShare, weightRangeUsed: spread.rangeUsed };
}
