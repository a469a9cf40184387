/**
 * What remedies change of a model that is made of modules.
 *
 * @module
 */
import { deepcopy, type Module, nameModules } from "../../nn/module.ts";
import type { BatchNorm } from "../../nn/batch_norm.ts";
import type { Match } from "../../nn/replace.ts";
import { type DType, dtypes, float32, int32, int8 } from "../../numbers/dtype.ts";
import { type Tensor, tensor } from "../../tensor/tensor.ts";
import { getBlockSize, PerAxis } from "../affine/granularity.ts";
import { MappingType } from "../affine/mapping.ts";
import { chooseRange, type RangeSpec } from "../affine/range.ts";
import { freeModule, place, selectLayers, tensorsOf } from "../analysis/layers.ts";
import { observersAs } from "../configs/observe.ts";
import { keepCopied } from "../layers/copied_channels.ts";
import { familyOf } from "../layers/layer_family.ts";
import { outputFirst, outputFirstShape } from "../layers/output_first.ts";
import type { QuantizedLayerParts } from "../layers/quantize_observed.ts";
import type { FloatLayer } from "../layers/weighted_layer.ts";
import { StaticQuantizedLayer } from "../layers/static_quantized_layer.ts";
import { AffineQuantizedTensor } from "../tensors/quantized_tensor.ts";
import { roundHalfEven } from "../../numbers/rounding.ts";
import type { Ends } from "./descend_ranges.ts";
import type { RangeMethod } from "./range_methods.ts";

/** How the layers of a model are quantized, as JSON can hold it. */
export interface ImprovedOptions {
  /** The dtype of activations. */
  readonly activationType: "uint8" | "int8";
  /** Whether their zero is in the middle. */
  readonly activationSymmetric: boolean;
  /** How their ranges are chosen where no remedy does it. */
  readonly calibrationMethod: RangeMethod;
  /** The full names of the layers. */
  readonly layers: readonly string[];
}

/** A weight in 8 bits, a row for each output channel. */
export interface LayerWeight {
  /** The integers, row by row. */
  readonly integers: ArrayLike<number>;
  /** A scale for each row. */
  readonly scales: Float32Array;
}

/** Statistics of a batch normalization. */
export interface NormStatistics {
  /** A mean for each channel. */
  readonly mean: readonly number[];
  /** A variance for each channel. */
  readonly variance: readonly number[];
}

/** A float model on its way to integers. */
export interface ImprovedModule {
  /** The float model; nobody changes it. */
  readonly float: Module;
  /** How it is quantized. */
  readonly options: ImprovedOptions;
  /** The range of each layer's input, by the layer's full name; layers without one are never run and stay float. */
  readonly ranges: ReadonlyMap<string, Ends>;
  /** Weights that were rounded by more than to the nearest. */
  readonly weights: ReadonlyMap<string, LayerWeight>;
  /** What is added to the biases of layers. */
  readonly biases: ReadonlyMap<string, readonly number[]>;
  /** Statistics of normalizations that are not the float model's. */
  readonly norms: ReadonlyMap<string, NormStatistics>;
  /** The layers that stay float. */
  readonly floats: ReadonlySet<string>;
}

/** The greatest integer of weights, and the least. */
export const MOST_WEIGHT = 127;

/** What is to be known to lay a range onto integers. */
export function activationSpec(
  { activationType, activationSymmetric }: ImprovedOptions,
): RangeSpec & { readonly targetDtype: DType } {
  const targetDtype = dtypes[activationType];
  const mappingType = activationSymmetric ? MappingType.SYMMETRIC : MappingType.ASYMMETRIC;
  const { min: quantMin, max: quantMax } = targetDtype;
  return { mappingType, quantMin, quantMax, targetDtype, dtype: float32 };
}

/** The scale, a float32, and the zero point of a range. */
export function activationParams({ min, max }: Ends, options: ImprovedOptions) {
  const { targetDtype, quantMin, quantMax, ...spec } = activationSpec(options);
  const limits = { targetDtype, quantMin, quantMax };
  return { ...chooseRange(min, max, { ...spec, quantMin, quantMax }), ...limits };
}

/** The layers that are quantized, in the model's order. */
export function quantizedNames({ options, ranges, floats }: ImprovedModule): string[] {
  return options.layers.filter((name) => ranges.has(name) && !floats.has(name));
}

/** A weight's rows on the host, output channels first. */
export async function weightRows(
  layer: FloatLayer,
): Promise<{ data: ArrayLike<number>; rows: number; columns: number; shape: readonly number[] }> {
  using first = outputFirst(layer);
  const { shape } = first;
  const [rows] = shape;
  const data = await first.data();
  return { data, rows, columns: data.length / rows, shape };
}

/** Weights to the nearest, by the tensors that they were: none is rounded twice. */
const plainWeights = new WeakMap<Tensor, LayerWeight>();

/** A weight rounded to the nearest, from −127 to 127 with a scale a row. */
export async function plainWeight(layer: FloatLayer): Promise<LayerWeight> {
  const known = plainWeights.get(layer.weight);
  if (known) return known;
  const { data, rows, columns } = await weightRows(layer);
  const integers = new Int8Array(data.length);
  const scales = new Float32Array(rows);
  for (let r = 0; r < rows; r++) {
    let most = 0;
    for (let k = 0; k < columns; k++) most = Math.max(most, Math.abs(data[r * columns + k]));
    scales[r] = Math.max(most / MOST_WEIGHT, 2 ** -60);
    for (let k = 0; k < columns; k++) {
      const q = roundHalfEven(data[r * columns + k] / scales[r]);
      integers[r * columns + k] = Math.min(Math.max(q, -MOST_WEIGHT), MOST_WEIGHT);
    }
  }
  const weight = { integers, scales };
  plainWeights.set(layer.weight, weight);
  return weight;
}

/** The weight of a layer as tensors. */
function quantizedWeight(layer: FloatLayer, { integers, scales }: LayerWeight) {
  const { device, dtype } = layer.weight;
  const shape = [...outputFirstShape(layer)];
  return new AffineQuantizedTensor({
    intData: tensor(Int8Array.from(integers), { shape, dtype: int8, device }),
    scale: tensor(scales, { dtype: float32, device }).keep(),
    zeroPoint: null,
    blockSize: getBlockSize(shape, new PerAxis(0)),
    ...{ dtype, quantMin: -MOST_WEIGHT, quantMax: MOST_WEIGHT },
  });
}

/** The integer layer that a state makes of a copy of a float one, the `source`. */
async function quantizedLayer(
  layer: FloatLayer,
  source: FloatLayer,
  name: string,
  { options, ranges, weights, biases }: ImprovedModule,
  made?: AffineQuantizedTensor,
): Promise<Module> {
  const { device } = layer.weight;
  const { scale, zeroPoint, targetDtype } = activationParams(ranges.get(name)!, options);
  const qweight = made ??
    quantizedWeight(layer, weights.get(name) ?? await plainWeight(source));
  const more = biases.get(name);
  const old = await layer.bias?.data();
  const bias = more
    ? tensor(more.map((x, c) => x + (old?.[c] ?? 0)), { dtype: layer.weight.dtype, device }).keep()
    : layer.bias;
  const parts: QuantizedLayerParts = {
    actScale: tensor([scale], { shape: [], device }).keep(),
    actZeroPoint: tensor([zeroPoint], { shape: [], dtype: int32, device }).keep(),
    actZeroPoints: [zeroPoint, zeroPoint],
    actSymmetric: zeroPoint === 0,
    ...{ qweight, bias, targetDtype, actNumbers: { scale: Math.fround(scale), zeroPoint } },
  };
  const { mappingType } = activationSpec(options);
  const how = { mappingType, activation: targetDtype, weight: int8 };
  const observers = observersAs(how);
  const family = familyOf(layer)!;
  const observed = family.observe(layer, observers.activation, observers.weight);
  return Object.assign(keepCopied(family.quantize(observed, parts), layer), { fullName: name });
}

/** A copy of a float model in which each layer can be float or in integers. */
export class LayerSwitches implements Disposable {
  private constructor(
    /** The copy. */
    readonly model: Module,
    private readonly made: ReadonlyMap<string, { matches: readonly Match[]; module: Module }>,
    private readonly tensors: Set<Tensor>,
    private readonly sources: ReadonlyMap<string, Module>,
    private state: ImprovedModule,
  ) {}

  /** Makes the layers of a state that are quantized; all are float at first. */
  static async of(state: ImprovedModule): Promise<LayerSwitches> {
    const model = deepcopy(state.float);
    nameModules(model);
    const tensors = tensorsOf(model);
    const modules = new Map(model.namedModules());
    for (const [name, { mean, variance }] of state.norms) {
      const norm = modules.get(name) as BatchNorm;
      const { dtype, device } = norm.running_mean!;
      norm.running_mean = tensor([...mean], { dtype, device }).keep();
      norm.running_var = tensor([...variance], { dtype, device }).keep();
    }
    const names = quantizedNames(state);
    const meant = new Set(names.map((name) => modules.get(name)!));
    const matches = meant.size === 0
      ? []
      : selectLayers("tune", model, (module) => meant.has(module));
    const places = Map.groupBy(matches, ({ module }) => module);
    const sources = new Map(state.float.namedModules());
    const made = new Map<string, { matches: readonly Match[]; module: Module }>();
    for (const name of names) {
      const layer = modules.get(name) as FloatLayer;
      const module = await quantizedLayer(layer, sources.get(name) as FloatLayer, name, state);
      made.set(name, { matches: places.get(layer)!, module });
    }
    return new LayerSwitches(model, made, tensors, sources, state);
  }

  /** The layers that can be switched. */
  get names(): string[] {
    return [...this.made.keys()];
  }

  /** Makes a layer anew, with another range. */
  async setRange(name: string, range: Ends): Promise<void> {
    this.state = { ...this.state, ranges: new Map([...this.state.ranges, [name, range]]) };
    const own = this.made.get(name)!;
    const [{ module }] = own.matches;
    const source = this.sources.get(name) as FloatLayer;
    const qweight = own.module instanceof StaticQuantizedLayer ? own.module.qweight : undefined;
    const old = own.module;
    const before = tensorsOf(old);
    own.module = await quantizedLayer(module as FloatLayer, source, name, this.state, qweight);
    const used = tensorsOf(own.module);
    const { bias } = module as FloatLayer;
    freeDerived(old);
    before.forEach((t) => used.has(t) || t === bias || t.dispose());
  }

  /** Puts layers in integers in their places, and floats in those of all others. */
  use(on: Pick<ReadonlySet<string>, "has">): Module {
    for (const [name, { matches, module }] of this.made) {
      for (const match of matches) place(match, on.has(name) ? module : match.module);
    }
    return this.model;
  }

  /** The model with all that can be in integers; it is the caller's, and the floats are freed. */
  finish(): Module {
    const model = this.use(new Set(this.made.keys()));
    const used = tensorsOf(model);
    this.tensors.forEach((t) => used.has(t) || t.dispose());
    nameModules(model);
    return model;
  }

  /** Frees all. */
  [Symbol.dispose](): void {
    const all = new Set([
      ...this.tensors,
      ...tensorsOf(this.model),
      ...[...this.made.values()].flatMap(({ module }) => [...tensorsOf(module)]),
    ]);
    for (const { module } of this.made.values()) freeDerived(module);
    all.forEach((t) => t.dispose());
  }
}

/** Frees a quantized model that was made here, of which there is no copy. */
export function freeQuantized(model: Module): void {
  for (const [, module] of model.namedModules()) freeDerived(module);
  freeModule(model);
}

function freeDerived(module: Module): void {
  if (module instanceof StaticQuantizedLayer) module.freeDerived();
}

/** The quantized model of a state; the caller's. */
export async function quantizedModule(state: ImprovedModule): Promise<Module> {
  return (await LayerSwitches.of(state)).finish();
}
