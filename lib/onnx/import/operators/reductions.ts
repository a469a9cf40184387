/**
 * Reductions along dimensions, and what weighs the elements of one against each other.
 *
 * @module
 */
import { LogSoftmax } from "../../../nn/log_softmax.ts";
import type { Module } from "../../../nn/module.ts";
import { Softmax } from "../../../nn/softmax.ts";
import { float32 } from "../../../numbers/dtype.ts";
import { abs, add, eq, exp, log, mul, sqrt, sub, where } from "../../../tensor/pointwise.ts";
import * as reduce from "../../../tensor/reduction.ts";
import { logSoftmax, softmax } from "../../../tensor/softmax.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { expand, flip } from "../../../tensor/movement.ts";
import { hostTensor, uploaded } from "../node/host_values.ts";
import { int } from "../node/node_attributes.ts";
import type { OperatorCall, OperatorRule, OperatorRules } from "../node/operator_rule.ts";
import { layerOf } from "./layers.ts";
import { axisOf } from "./reshaping.ts";

type Reduce = (x: Tensor, dims: number[], options: { keepdim: boolean }) => Tensor;

/** The dimensions that a reduction takes together; nothing if it takes none. */
function reducedDims(call: OperatorCall): number[] | undefined {
  const { ndim } = call.input(0);
  const axes = call.numbers(1);
  if (axes?.length) return axes.map((axis) => axisOf(axis, ndim));
  if (call.attributes.int("noop_with_empty_axes")) return undefined;
  return Array.from({ length: ndim }, (_, i) => i);
}

/**
 * A reduction.
 *
 * @param before what becomes of each element before.
 * @param after what becomes of each result.
 */
function reduction(
  compute: Reduce,
  before: (x: Tensor) => Tensor = (x) => x,
  after: (x: Tensor) => Tensor = (x) => x,
): OperatorRule {
  return {
    inputs: [1, 2],
    host: [1],
    attributes: { keepdims: int(1), noop_with_empty_axes: int(0) },
    compute: (call) => {
      const x = call.input(0);
      const dims = reducedDims(call);
      const keepdim = call.attributes.int("keepdims") !== 0;
      if (dims === undefined) return after(before(x));
      if (dims.length === 0) return after(before(x));
      return after(compute(before(x), dims, { keepdim })).to(x.dtype);
    },
  };
}

/** The greatest or least elements; of none what is less or greater than all. */
function extreme(kind: "amax" | "amin"): Reduce {
  return (x, dims, options) => {
    if (dims.every((dim) => x.shape[dim] > 0)) return reduce[kind](x, dims, options);
    const { dtype, shape } = x;
    const limit = dtype.isFloat ? [-Infinity, Infinity] : [dtype.min, dtype.max];
    const one = hostTensor([limit[kind === "amax" ? 0 : 1]], [], dtype);
    const kept = shape.map((size, i) => dims.includes(i) ? 1 : size);
    const all = expand(x.device === "cpu" ? one : uploaded(one, x.backend), kept);
    return options.keepdim ? all : all.reshape(shape.filter((_, i) => !dims.includes(i)));
  };
}

/** `log Σ exp(x)`, from which the greatest is taken out before. */
function logSumExp(x: Tensor, dims: number[], { keepdim }: { keepdim: boolean }): Tensor {
  const greatest = extreme("amax")(x, dims, { keepdim: true });
  const finite = where(eq(abs(greatest), Infinity), 0, greatest);
  const sum = reduce.sum(exp(sub(x, finite)), dims, { keepdim: true });
  const result = add(log(sum), finite);
  return keepdim ? result : result.reshape(x.shape.filter((_, i) => !dims.includes(i)));
}

/** Where the greatest or least element of a dimension is; of equal ones the first, or the last. */
function argument(kind: "argmax" | "argmin"): OperatorRule {
  return {
    inputs: [1, 1],
    attributes: { axis: int(0), keepdims: int(1), select_last_index: int(0) },
    compute: (call) => {
      const x = call.input(0);
      const dim = axisOf(call.attributes.int("axis"), x.ndim);
      const keepdim = call.attributes.int("keepdims") !== 0;
      const find = reduce[kind];
      if (!call.attributes.int("select_last_index")) return find(x, dim, { keepdim });
      return sub(x.shape[dim] - 1, find(flip(x, [dim]), dim, { keepdim }));
    },
  };
}

/** An operator that weighs along one dimension. */
function alongAxis(
  compute: (x: Tensor, axis: number) => Tensor,
  type: new (dim: number) => Module,
): OperatorRule {
  return {
    inputs: [1, 1],
    attributes: { axis: int(-1) },
    layer: (node) => layerOf(new type(node.attributes.int("axis"))),
    compute: (call) => {
      const x = call.input(0);
      return compute(x, axisOf(call.attributes.int("axis"), x.ndim));
    },
  };
}

/** 1 where the first greatest element of a dimension is, else 0. */
function hardmax(x: Tensor, axis: number, call: OperatorCall): Tensor {
  const at = reduce.argmax(x, axis, { keepdim: true });
  const size = x.shape[axis];
  const places = call.range(x, size).reshape([size, ...x.shape.slice(axis + 1).map(() => 1)]);
  return eq(places, at).to(x.dtype);
}

/** Sums up to each place; from the end, or without that place itself, if that is asked for. */
function cumulative(call: OperatorCall): Tensor {
  const x = call.input(0);
  const { attributes } = call;
  const [exclusive, reverse] = ["exclusive", "reverse"].map((name) => attributes.int(name) !== 0);
  return reduce.cumsum(x, call.number(1)!, { exclusive, reverse }).to(x.dtype);
}

/** Reductions. */
export const REDUCTIONS: OperatorRules = {
  ReduceSum: reduction(reduce.sum),
  ReduceMean: reduction(reduce.mean),
  ReduceMax: reduction(extreme("amax")),
  ReduceMin: reduction(extreme("amin")),
  ReduceProd: reduction(reduce.prod),
  ReduceL1: reduction(reduce.sum, abs),
  ReduceL2: reduction(reduce.sum, (x) => mul(x.dtype.isFloat ? x : x.to(float32), x), sqrt),
  ReduceSumSquare: reduction(reduce.sum, (x) => mul(x, x)),
  ReduceLogSum: reduction(reduce.sum, undefined, log),
  ReduceLogSumExp: reduction(logSumExp, (x) => x.dtype.isFloat ? x : x.to(float32)),
  ArgMax: argument("argmax"),
  ArgMin: argument("argmin"),
  CumSum: {
    inputs: [2, 2],
    host: [1],
    attributes: { exclusive: int(0), reverse: int(0) },
    compute: cumulative,
  },
  Softmax: alongAxis(softmax, Softmax),
  LogSoftmax: alongAxis(logSoftmax, LogSoftmax),
  Hardmax: {
    inputs: [1, 1],
    attributes: { axis: int(-1) },
    compute: (call) => {
      const x = call.input(0);
      return hardmax(x, axisOf(call.attributes.int("axis"), x.ndim), call);
    },
  },
};
