/**
 * Pools: what stands in a window becomes one number.
 *
 * @module
 */
import { AdaptiveAvgPool2d } from "../../../nn/adaptive_avg_pool2d.ts";
import { AdaptiveMaxPool2d } from "../../../nn/adaptive_max_pool2d.ts";
import { AvgPool1d } from "../../../nn/avg_pool1d.ts";
import { AvgPool2d } from "../../../nn/avg_pool2d.ts";
import { MaxPool1d } from "../../../nn/max_pool1d.ts";
import { MaxPool2d } from "../../../nn/max_pool2d.ts";
import type { Module } from "../../../nn/module.ts";
import { int32 } from "../../../numbers/dtype.ts";
import { numelOf } from "../../../numbers/shape.ts";
import { pad, slice } from "../../../tensor/movement.ts";
import { abs, add, div, gt, maximum, pow, where } from "../../../tensor/pointwise.ts";
import {
  adaptiveAvgPool2d,
  adaptiveMaxPool2d,
  avgPool1d,
  avgPool2d,
  maxPool1d,
  maxPool2d,
} from "../../../tensor/pooling.ts";
import { amax, mean } from "../../../tensor/reduction.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { hostTensor } from "../node/host_values.ts";
import { type AttributeSpecs, int } from "../node/node_attributes.ts";
import type {
  Layer,
  LayerNode,
  OperatorCall,
  OperatorRule,
  OperatorRules,
} from "../node/operator_rule.ts";
import { layerOf } from "./layers.ts";
import {
  type Pads,
  padsBySize,
  statedPads,
  stepsOf,
  WINDOW_ATTRIBUTES,
  windowsOf,
} from "./windows.ts";

/** Where the windows of a pool lie. */
interface PoolPlaces {
  readonly input: readonly number[];
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
  readonly padding: Pads;
  /** Sizes of the output. */
  readonly output: readonly number[];
}

function placesOf(call: OperatorCall): PoolPlaces {
  const { attributes } = call;
  const input = call.input(0).shape.slice(2);
  const kernel = attributes.ints("kernel_shape")!;
  const { stride, dilation, padding } = windowsOf(attributes, input, kernel);
  const ceil = attributes.int("ceil_mode") !== 0;
  const output = input.map((size, d) => {
    const [before, after] = padding[d];
    const room = size + before + after - (kernel[d] - 1) * dilation[d] - 1;
    const steps = room / stride[d];
    const count = (ceil ? Math.ceil(steps) : Math.floor(steps)) + 1;
    // A window that would begin behind the input is none.
    return ceil && (count - 1) * stride[d] >= size + before ? count - 1 : count;
  });
  return { input, kernel, stride, dilation, padding, output };
}

/** Each place in the window, as how far it is from the first along each dimension. */
function tapsOf({ kernel, dilation }: PoolPlaces): number[][] {
  let taps: number[][] = [[]];
  kernel.forEach((size, d) => {
    taps = taps.flatMap((tap) => Array.from({ length: size }, (_, i) => [...tap, i * dilation[d]]));
  });
  return taps;
}

/** The input with what stands around it, as far as windows reach. */
function padded(x: Tensor, places: PoolPlaces, value: number): Tensor {
  const { input, kernel, stride, dilation, padding, output } = places;
  const sides = input.map((size, d): [number, number] => {
    const reach = (output[d] - 1) * stride[d] + (kernel[d] - 1) * dilation[d] + 1;
    return [padding[d][0], Math.max(reach - size - padding[d][0], 0)];
  });
  return pad(x, sides.reverse().flat(), { value });
}

/** What all windows have at one place. */
function at(whole: Tensor, tap: readonly number[], { stride, output }: PoolPlaces): Tensor {
  return tap.reduce(
    (x, from, d) => slice(x, d + 2, from, from + (output[d] - 1) * stride[d] + 1, stride[d]),
    whole,
  );
}

/** The strides of the input's spatial dimensions; with `columns` the first is the closest. */
function stridesOf(input: readonly number[], columns: boolean): number[] {
  return input.map((_, d) => numelOf(columns ? input.slice(0, d) : input.slice(d + 1)));
}

/** The pools of the backends, by spatial dimensions. */
const MAX_POOLS = new Map([[1, maxPool1d], [2, maxPool2d]]);
const AVERAGE_POOLS = new Map([[1, avgPool1d], [2, avgPool2d]]);

/** Whether the backends' pools have the padding: at most half a window. */
function isHalfPadded({ kernel, padding }: PoolPlaces): boolean {
  return padding.every((sides, d) => Math.max(...sides) <= kernel[d] / 2);
}

/** The options of a pool of the backends. */
function poolOptions(call: OperatorCall, { stride, padding }: PoolPlaces) {
  return { stride, padding, ceilMode: call.attributes.int("ceil_mode") !== 0 };
}

/** The greatest of each window, and where in the whole input it stands. */
function maxPool(call: OperatorCall): Tensor[] {
  const x = call.input(0);
  const places = placesOf(call);
  const pool = MAX_POOLS.get(places.kernel.length);
  if (pool && call.outputs === 1 && isHalfPadded(places) && x.dtype !== int32) {
    const { dilation } = places;
    return [pool(x, places.kernel, { ...poolOptions(call, places), dilation })];
  }
  const least = x.dtype.isFloat ? -Infinity : x.dtype.min;
  const whole = padded(x, places, least);
  const taps = tapsOf(places);
  let best = at(whole, taps[0], places);
  if (call.outputs === 1) {
    for (const tap of taps.slice(1)) best = maximum(best, at(whole, tap, places));
    return [best];
  }
  const strides = stridesOf(places.input, call.attributes.int("storage_order") !== 0);
  const offset = (tap: readonly number[]) => tap.reduce((sum, t, d) => sum + t * strides[d], 0);
  let found = add(firstPlaces(call, places, strides), offset(taps[0]));
  for (const tap of taps.slice(1)) {
    const value = at(whole, tap, places);
    found = where(gt(value, best), add(firstPlaces(call, places, strides), offset(tap)), found);
    best = maximum(best, value);
  }
  return [best, found];
}

/** Where the first place of each window lies in the input, which may be before it. */
function firstPlaces(call: OperatorCall, places: PoolPlaces, strides: readonly number[]): Tensor {
  const { stride, padding, output } = places;
  const x = call.input(0);
  const planes = numelOf(x.shape.slice(0, 2));
  const size = numelOf(places.input);
  const count = numelOf(output);
  const numbers = Int32Array.from({ length: planes * count }, (_, i) => {
    let rest = i % count;
    let place = Math.floor(i / count) * size;
    for (let d = output.length - 1; d >= 0; d--) {
      place += (rest % output[d] * stride[d] - padding[d][0]) * strides[d];
      rest = Math.floor(rest / output[d]);
    }
    return place;
  });
  return call.onto(x, hostTensor(numbers, [...x.shape.slice(0, 2), ...output], int32));
}

/** Of each window, how many places lie inside of the input, or of what stands around it too. */
function countsOf(call: OperatorCall, places: PoolPlaces): Tensor {
  const { input, kernel, stride, dilation, padding, output } = places;
  const all = call.attributes.int("count_include_pad") !== 0;
  const along = output.map((count, d) => {
    const [before, after] = padding[d];
    const [least, most] = all ? [-before, input[d] + after] : [0, input[d]];
    return Array.from({ length: count }, (_, o) => {
      const taps = Array.from(
        { length: kernel[d] },
        (_, k) => o * stride[d] - before + k * dilation[d],
      );
      return taps.filter((place) => place >= least && place < most).length;
    });
  });
  let counts = [1];
  for (const numbers of along) counts = counts.flatMap((a) => numbers.map((b) => a * b));
  const x = call.input(0);
  return call.onto(x, hostTensor(counts, output, x.dtype));
}

/** The sums of windows. */
function sums(x: Tensor, places: PoolPlaces): Tensor {
  const whole = padded(x, places, 0);
  return tapsOf(places).map((tap) => at(whole, tap, places)).reduce((a, b) => add(a, b));
}

/** The attributes of AveragePool. */
export const AVERAGE_POOL_ATTRIBUTES: AttributeSpecs = {
  ...WINDOW_ATTRIBUTES,
  ceil_mode: int(0),
  count_include_pad: int(0),
};

/** The means of windows. */
export function averagePool(call: OperatorCall): Tensor {
  const places = placesOf(call);
  const x = call.input(0);
  const pool = AVERAGE_POOLS.get(places.kernel.length);
  if (pool && isHalfPadded(places) && places.dilation.every((step) => step === 1)) {
    const countIncludePad = call.attributes.int("count_include_pad") !== 0;
    return pool(x, places.kernel, { ...poolOptions(call, places), countIncludePad });
  }
  return div(sums(x, places), countsOf(call, places));
}

/** One number for all that stands in a plane. */
function overPlanes(
  reduce: (x: Tensor, dims: number[], options: { keepdim: boolean }) => Tensor,
  ofImages: (x: Tensor, outputSize: number) => Tensor,
  layer: new (outputSize: number) => Module,
): OperatorRule {
  return {
    inputs: [1, 1],
    layer: (node) => node.rank(0) === 4 ? layerOf(new layer(1)) : undefined,
    compute: (call) => {
      const x = call.input(0);
      if (x.ndim === 4) return ofImages(x, 1);
      return reduce(x, x.shape.map((_, d) => d).slice(2), { keepdim: true });
    },
  };
}

const MAX_LAYERS = new Map([[1, MaxPool1d], [2, MaxPool2d]]);
const AVERAGE_LAYERS = new Map([[1, AvgPool1d], [2, AvgPool2d]]);

/** What layers of pools have in common: the same padding on both sides, at most half a window. */
function layerOptions({ attributes }: LayerNode) {
  const kernel = attributes.ints("kernel_shape")!;
  if (padsBySize(attributes)) return undefined;
  const pads = statedPads(attributes, kernel.length);
  const fits = pads.every(([before, after], d) => before === after && before <= kernel[d] / 2);
  if (!fits) return undefined;
  const { stride, dilation } = stepsOf(attributes, kernel.length);
  const padding = pads.map(([before]) => before);
  const ceilMode = attributes.int("ceil_mode") !== 0;
  return { kernel, dilation, options: { stride, padding, ceilMode } };
}

function maxPoolLayer(node: LayerNode): Layer | undefined {
  const facts = layerOptions(node);
  const type = facts && MAX_LAYERS.get(facts.kernel.length);
  const alone = node.node.output.length === 1 || node.node.output[1] === "";
  if (!type || !alone) return undefined;
  const { kernel, dilation, options } = facts;
  return layerOf(new type(kernel, { ...options, dilation }));
}

function averagePoolLayer(node: LayerNode): Layer | undefined {
  const facts = layerOptions(node);
  const type = facts && AVERAGE_LAYERS.get(facts.kernel.length);
  if (!type || facts.dilation.some((step) => step !== 1)) return undefined;
  const countIncludePad = node.attributes.int("count_include_pad") !== 0;
  return layerOf(new type(facts.kernel, { ...facts.options, countIncludePad }));
}

/** `(Σ |x|^p)^(1/p)`. */
function lpPool(call: OperatorCall): Tensor {
  const p = call.attributes.int("p");
  const powers = sums(pow(abs(call.input(0)), p), placesOf(call));
  return pow(powers, 1 / p);
}

/** Pools. */
export const POOLS: OperatorRules = {
  MaxPool: {
    inputs: [1, 1],
    outputs: 2,
    attributes: { ...WINDOW_ATTRIBUTES, ceil_mode: int(0), storage_order: int(0) },
    layer: maxPoolLayer,
    compute: maxPool,
  },
  AveragePool: {
    inputs: [1, 1],
    attributes: AVERAGE_POOL_ATTRIBUTES,
    layer: averagePoolLayer,
    compute: averagePool,
  },
  LpPool: {
    inputs: [1, 1],
    attributes: { ...WINDOW_ATTRIBUTES, ceil_mode: int(0), p: int(2) },
    compute: lpPool,
  },
  GlobalAveragePool: overPlanes(mean, adaptiveAvgPool2d, AdaptiveAvgPool2d),
  GlobalMaxPool: overPlanes(amax, adaptiveMaxPool2d, AdaptiveMaxPool2d),
};
