/**
 * What can be computed on tensors. Everything here is enqueued and returns at once.
 *
 * @module
 */
import { pixelsOf, rowStride } from "../backend/channels_last.ts";
import { formatShape, numelOf } from "../numbers/shape.ts";
import { given } from "../numbers/arguments.ts";
import { reluOfBytes } from "./quantized_bytes.ts";
import { checkTensor, Tensor } from "./tensor.ts";

/** Refuses tensors that do not live together. */
export function checkSameDevice(operation: string, a: Tensor, ...others: Tensor[]): void {
  for (const b of others) {
    if (b.backend === a.backend) continue;
    if (b.device === a.device) {
      throw new Error(
        `${operation}: one of the tensors belongs to a ${a.device} device that was lost; load the model ` +
          `and its inputs anew`,
      );
    }
    throw new Error(
      `${operation}: tensors live on different devices (${a.device} and ${b.device}); bring them ` +
        `together with \`await x.to("${a.device}")\``,
    );
  }
}

/** The leading sizes of `x`, and the matrix that it is with those flattened into rows. */
export function asRows(x: Tensor): { leading: number[]; rows: Tensor } {
  const leading = x.shape.slice(0, -1);
  return { leading, rows: x.reshape(numelOf(leading), x.shape.at(-1)!) };
}

/**
 * `y = x·Wᵀ + b`, as `torch.nn.functional.linear`: products accumulate in float32 and are rounded
 * once to the dtype of `x`.
 *
 * @param x float, shape (…, inFeatures).
 * @param weight of the same dtype, shape (outFeatures, inFeatures).
 * @param bias shape (outFeatures,), or null.
 * @param where what messages call the caller.
 * @returns shape (…, outFeatures), the dtype of `x`.
 * @throws {RangeError} if the shapes do not fit.
 * @throws {TypeError} if the dtypes differ or are not float.
 *
 * @example
 * ```ts
 * import { linear, tensor } from "@staticquant/staticquant";
 * const y = linear(tensor([[1, 2]]), tensor([[3, 4], [5, 6]]), tensor([0.5, 0.5]));
 * console.log(await y.data()); // Float32Array [ 11.5, 17.5 ]
 * ```
 */
export function linear(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null = null,
  where = "linear",
): Tensor {
  checkTensor(where, x);
  checkTensor(`${where}: weight`, weight);
  checkLinearShapes(where, x, weight.shape, bias);
  if (!x.dtype.isFloat || x.dtype !== weight.dtype) {
    throw new TypeError(
      `${where}: the input is ${x.dtype.name} and the weight ${weight.dtype.name}; both must be the ` +
        `same float dtype: convert one with .to(${weight.dtype.name})`,
    );
  }
  checkSameDevice(where, x, weight, ...(bias ? [bias] : []));
  const { leading, rows } = asRows(x);
  using matrix = rows;
  const y = x.backend.linear(matrix.operand, weight.operand, bias && bias.operand);
  return new Tensor(x.backend, y, [...leading, weight.shape[0]], x.dtype);
}

/** Throws unless `x` (…, K), a weight (N, K) and a bias (N,) fit; `operation` opens the message. */
export function checkLinearShapes(
  operation: string,
  x: { readonly shape: readonly number[] },
  weight: readonly number[],
  bias: Tensor | null,
): void {
  if (!Array.isArray(x?.shape)) checkTensor(operation, x);
  if (bias && !(bias instanceof Tensor)) {
    throw new TypeError(`${operation}: the bias must be a Tensor or null, got ${given(bias)}`);
  }
  if (x.shape.length < 1 || weight.length !== 2 || x.shape.at(-1) !== weight[1]) {
    throw new RangeError(
      `${operation}: the input's last dimension must be inFeatures = ${
        weight[1]
      }, got an input of ` +
        `shape ${formatShape(x.shape)} for a weight of shape ${formatShape(weight)}`,
    );
  }
  if (bias && (bias.ndim !== 1 || bias.shape[0] !== weight[0])) {
    throw new RangeError(
      `${operation}: the bias must have shape (${weight[0]},), got ${formatShape(bias.shape)}`,
    );
  }
}

/**
 * `max(x, 0)`, element by element.
 *
 * @param x float.
 * @throws {TypeError} if `x` is not float.
 *
 * @example
 * ```ts
 * import { relu, tensor } from "@staticquant/staticquant";
 * console.log(await relu(tensor([-1, 2])).data()); // Float32Array [ 0, 2 ]
 * ```
 */
export function relu(x: Tensor): Tensor {
  checkTensor("relu", x);
  if (!x.dtype.isFloat) {
    throw new TypeError(
      `relu: expected a float tensor, got ${x.dtype.name}; convert it with .to(float32)`,
    );
  }
  if (x.isQuantized) return reluOfBytes(x);
  const { backend, shape, dtype } = x;
  if (!x.isChannelsLast) return new Tensor(backend, backend.relu(x.operand), shape, dtype);
  // Zeros that fill rows up stay zeros.
  const rows = [pixelsOf(shape), rowStride(shape[1], dtype)];
  const y = backend.relu({ buffer: x.channelsLast.buffer, dtype, shape: rows });
  return Tensor.channelsLast(backend, y, shape, dtype);
}
