/**
 * Normalizing, with PyTorch's names. Means and variances are taken in float32, the variance about the
 * mean in a pass of its own; results are rounded once to the dtype of the input.
 *
 * @module
 */
import type { NormalizeArgs } from "../backend/backend.ts";
import { given } from "../numbers/arguments.ts";
import { finfo } from "../numbers/dtype.ts";
import { formatShape, numelOf, sameShape } from "../numbers/shape.ts";
import { Formula } from "./formula.ts";
import { checkSameDevice } from "./ops.ts";
import { checkTensor, Tensor } from "./tensor.ts";

/** Throws a TypeError unless `x` is a float Tensor. */
function checkFloat(where: string, x: Tensor): void {
  checkTensor(where, x);
  if (x.dtype.isFloat) return;
  throw new TypeError(
    `${where}: expected a float tensor, got ${x.dtype.name}; convert it with .to(float32)`,
  );
}

/** Throws unless a weight or bias, if there is one, is a float Tensor of `shape` beside `x`. */
function checkFactor(
  where: string,
  name: string,
  factor: Tensor | null,
  x: Tensor,
  shape: readonly number[],
): void {
  if (factor === null) return;
  checkFloat(`${where}: ${name}`, factor);
  checkSameDevice(where, x, factor);
  if (sameShape(factor.shape, shape)) return;
  throw new RangeError(
    `${where}: the ${name} must have shape ${formatShape(shape)}, got ${
      formatShape(factor.shape)
    } for an input of shape ${formatShape(x.shape)}`,
  );
}

/** `x` normalized in rows. */
function normalized(
  x: Tensor,
  weight: Tensor | null,
  bias: Tensor | null,
  args: Omit<NormalizeArgs, "weight" | "bias">,
): Tensor {
  const factors = { weight: weight && weight.operand, bias: bias && bias.operand };
  const buffer = x.backend.normalize(x.operand, { ...args, ...factors });
  return new Tensor(x.backend, buffer, x.shape, x.dtype);
}

/** How many elements the last dimensions, which have `shape`, hold. */
function lastDims(where: string, x: Tensor, shape: readonly number[]): number {
  const list: unknown = shape;
  const fits = Array.isArray(list) && shape.length > 0 &&
    sameShape(x.shape.slice(Math.max(0, x.ndim - shape.length)), shape);
  if (fits) return numelOf(shape);
  throw new RangeError(
    `${where}: the normalized shape must be that of the last dimensions of the input, whose shape is ${
      formatShape(x.shape)
    }, got ${Array.isArray(list) ? formatShape(shape) : given(shape)}`,
  );
}

/**
 * `(x − mean)/√(variance + eps)·weight + bias` over the last dimensions, as
 * `torch.nn.functional.layer_norm`.
 *
 * @param x float.
 * @param normalizedShape the sizes of the last dimensions, which are taken together.
 * @param weight float, of that shape, or null.
 * @param bias float, of that shape, or null.
 * @param eps added to the variance.
 * @throws {TypeError} if a tensor is not float.
 * @throws {RangeError} if shapes do not fit.
 *
 * @example
 * ```ts
 * import { layerNorm, tensor } from "@staticquant/staticquant";
 * console.log(await layerNorm(tensor([[1, 3]]), [2]).data()); // ≈ -1, 1
 * ```
 */
export function layerNorm(
  x: Tensor,
  normalizedShape: readonly number[],
  weight: Tensor | null = null,
  bias: Tensor | null = null,
  eps = 1e-5,
): Tensor {
  checkFloat("layerNorm", x);
  const n = lastDims("layerNorm", x, normalizedShape);
  checkFactor("layerNorm", "weight", weight, x, normalizedShape);
  checkFactor("layerNorm", "bias", bias, x, normalizedShape);
  const rows = n && x.numel / n;
  return normalized(x, weight, bias, { rows, n, center: true, groups: 1, spread: 1, eps });
}

/**
 * `x/√(mean(x²) + eps)·weight` over the last dimensions, as `torch.nn.functional.rms_norm`.
 *
 * @param x float.
 * @param normalizedShape the sizes of the last dimensions, which are taken together.
 * @param weight float, of that shape, or null.
 * @param eps added to the mean square; by default what `finfo` says of the dtype.
 * @throws {TypeError} if a tensor is not float.
 * @throws {RangeError} if shapes do not fit.
 *
 * @example
 * ```ts
 * import { rmsNorm, tensor } from "@staticquant/staticquant";
 * console.log(await rmsNorm(tensor([[3, 4]]), [2]).data()); // ≈ 0.8485281, 1.1313708
 * ```
 */
export function rmsNorm(
  x: Tensor,
  normalizedShape: readonly number[],
  weight: Tensor | null = null,
  eps?: number,
): Tensor {
  checkFloat("rmsNorm", x);
  const n = lastDims("rmsNorm", x, normalizedShape);
  checkFactor("rmsNorm", "weight", weight, x, normalizedShape);
  const rows = n && x.numel / n;
  const least = eps ?? finfo(x.dtype).eps;
  return normalized(x, weight, null, {
    rows,
    n,
    center: false,
    groups: 1,
    spread: 1,
    eps: least,
  });
}

/** The number of channels, which are dimension 1. */
function channelsOf(where: string, x: Tensor): number {
  if (x.ndim >= 2) return x.shape[1];
  throw new RangeError(
    `${where}: expected an input of shape (N, C, …), got ${formatShape(x.shape)}`,
  );
}

/**
 * `(x − mean)/√(variance + eps)·weight + bias` over groups of channels and all that belongs to them, as
 * `torch.nn.functional.group_norm`; with as many groups as channels what `instance_norm` does.
 *
 * @param x float, shape (N, C, …).
 * @param numGroups how many groups the channels are split into.
 * @param weight float, shape (C,), or null.
 * @param bias float, shape (C,), or null.
 * @param eps added to the variance.
 * @throws {TypeError} if a tensor is not float.
 * @throws {RangeError} if the groups do not divide the channels, or shapes do not fit.
 *
 * @example
 * ```ts
 * import { groupNorm, randn } from "@staticquant/staticquant";
 * console.log(groupNorm(randn([2, 4, 3, 3]), 2).shape); // [ 2, 4, 3, 3 ]
 * ```
 */
export function groupNorm(
  x: Tensor,
  numGroups: number,
  weight: Tensor | null = null,
  bias: Tensor | null = null,
  eps = 1e-5,
): Tensor {
  checkFloat("groupNorm", x);
  const channels = channelsOf("groupNorm", x);
  if (!Number.isInteger(numGroups) || numGroups < 1 || channels % numGroups !== 0) {
    throw new RangeError(
      `groupNorm: ${numGroups} groups do not divide the ${channels} channels of shape ${
        formatShape(x.shape)
      }`,
    );
  }
  checkFactor("groupNorm", "weight", weight, x, [channels]);
  checkFactor("groupNorm", "bias", bias, x, [channels]);
  const spread = numelOf(x.shape.slice(2));
  const n = channels / numGroups * spread;
  const rows = x.shape[0] * numGroups;
  return normalized(x, weight, bias, { rows, n, center: true, groups: numGroups, spread, eps });
}

/**
 * `(x − runningMean)/√(runningVar + eps)·weight + bias` for each channel, as
 * `torch.nn.functional.batch_norm` when not training.
 *
 * @param x float, shape (N, C, …).
 * @param runningMean float, shape (C,).
 * @param runningVar float, shape (C,).
 * @param weight float, shape (C,), or null.
 * @param bias float, shape (C,), or null.
 * @param eps added to the variance.
 * @throws {TypeError} if a tensor is not float.
 * @throws {RangeError} if shapes do not fit.
 *
 * @example
 * ```ts
 * import { batchNorm, ones, tensor, zeros } from "@staticquant/staticquant";
 * const y = batchNorm(tensor([[2, 6]]), zeros([2]), tensor([4, 4]), ones([2]), null, 0);
 * console.log(await y.data()); // Float32Array [ 1, 3 ]
 * ```
 */
export function batchNorm(
  x: Tensor,
  runningMean: Tensor,
  runningVar: Tensor,
  weight: Tensor | null = null,
  bias: Tensor | null = null,
  eps = 1e-5,
): Tensor {
  checkFloat("batchNorm", x);
  const channels = channelsOf("batchNorm", x);
  const factors = { "running mean": runningMean, "running variance": runningVar, weight, bias };
  for (const [name, factor] of Object.entries(factors)) {
    checkFactor("batchNorm", name, factor, x, [channels]);
  }
  const column = [channels, ...x.shape.slice(2).map(() => 1)];
  const columns = [runningMean, runningVar, weight, bias].map((t) => t && t.reshape(column));
  const formula = new Formula("batchNorm");
  const [centre, variance, scale, shift] = columns.map((t) => t && formula.read(t, "float"));
  const root = formula.apply("rsqrt", formula.apply("add", variance!, eps));
  const factor = scale ? formula.apply("mul", root, scale) : root;
  const y = formula.apply("sub", formula.read(x, "float"), centre!);
  const scaled = formula.apply("mul", y, factor);
  if (shift) formula.apply("add", scaled, shift);
  try {
    return formula.result(x.dtype);
  } finally {
    columns.forEach((t) => t?.dispose());
  }
}
