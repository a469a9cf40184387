/**
 * Functions that stand between layers, with PyTorch's names. `relu` is in `ops.ts`. All take floats of any
 * dtype, or integers, which become float32; they are computed in float32 and rounded once, enqueued, and
 * return at once.
 *
 * @module
 */
import type { Argument } from "../backend/expression.ts";
import { checkChoice, checkOptions } from "../numbers/arguments.ts";
import { float32 } from "../numbers/dtype.ts";
import { formatShape } from "../numbers/shape.ts";
import { Formula } from "./formula.ts";
import { checkTensor, type Tensor } from "./tensor.ts";

/** A function of `x`, which `write` writes down. */
function activation(
  where: string,
  x: Tensor,
  write: (formula: Formula, x: Argument) => void,
): Tensor {
  checkTensor(where, x);
  const formula = new Formula(where);
  write(formula, formula.read(x, "float"));
  return formula.result(x.dtype.isFloat ? x.dtype : float32);
}

/**
 * The hyperbolic tangent.
 *
 * @throws {TypeError} if `x` is no Tensor.
 *
 * @example
 * ```ts
 * import { tanh, tensor } from "@staticquant/staticquant";
 * console.log(await tanh(tensor([1])).item()); // ≈ 0.7615942
 * ```
 */
export function tanh(x: Tensor): Tensor {
  return activation("tanh", x, (f, x) => {
    f.apply("tanh", x);
  });
}

/**
 * `1 / (1 + exp(−x))`.
 *
 * @throws {TypeError} if `x` is no Tensor.
 *
 * @example
 * ```ts
 * import { sigmoid, tensor } from "@staticquant/staticquant";
 * console.log(await sigmoid(tensor([0])).item()); // 0.5
 * ```
 */
export function sigmoid(x: Tensor): Tensor {
  return activation("sigmoid", x, (f, x) => {
    f.apply("sigmoid", x);
  });
}

/** Options of {@linkcode gelu}. */
export interface GeluOptions {
  /** `"none"` (default) by the error function, `"tanh"` by its approximation. */
  approximate?: "none" | "tanh";
}

/**
 * `x·Φ(x)`, Φ being the normal distribution: `x/2·(1 + erf(x/√2))`, or with `approximate: "tanh"`
 * `x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³)))`.
 *
 * @throws {TypeError} if `x` is no Tensor.
 *
 * @example
 * ```ts
 * import { gelu, tensor } from "@staticquant/staticquant";
 * console.log(await gelu(tensor([1])).item()); // ≈ 0.8413447
 * ```
 */
export function gelu(x: Tensor, options: GeluOptions = {}): Tensor {
  checkOptions("gelu", options, ["approximate"]);
  const { approximate = "none" } = options;
  checkChoice("gelu", "approximate", approximate, ["none", "tanh"]);
  return activation("gelu", x, (f, x) => {
    if (approximate === "none") {
      const twice = f.apply("erfc", f.apply("mul", x, -Math.SQRT1_2));
      f.apply("mul", f.apply("mul", x, 0.5), twice);
      return;
    }
    // (1 + tanh(u))/2 is sigmoid(2u).
    const scale = 2 * Math.sqrt(2 / Math.PI);
    const square = f.apply("mul", x, x);
    const slope = f.apply("add", f.apply("mul", square, 0.044715 * scale), scale);
    f.apply("mul", x, f.apply("sigmoid", f.apply("mul", x, slope)));
  });
}

/**
 * `x·sigmoid(x)`, also called swish.
 *
 * @throws {TypeError} if `x` is no Tensor.
 *
 * @example
 * ```ts
 * import { silu, tensor } from "@staticquant/staticquant";
 * console.log(await silu(tensor([1])).item()); // ≈ 0.7310586
 * ```
 */
export function silu(x: Tensor): Tensor {
  return activation("silu", x, (f, x) => {
    f.apply("mul", x, f.apply("sigmoid", x));
  });
}

/**
 * `min(max(x/6 + 1/2, 0), 1)`.
 *
 * @throws {TypeError} if `x` is no Tensor.
 *
 * @example
 * ```ts
 * import { hardsigmoid, tensor } from "@staticquant/staticquant";
 * console.log(await hardsigmoid(tensor([1])).item()); // ≈ 0.6666667
 * ```
 */
export function hardsigmoid(x: Tensor): Tensor {
  return activation("hardsigmoid", x, (f, x) => {
    const six = f.apply("minimum", f.apply("maximum", f.apply("add", x, 3), 0), 6);
    f.apply("div", six, 6);
  });
}

/**
 * `x·min(max(x + 3, 0), 6)/6`.
 *
 * @throws {TypeError} if `x` is no Tensor.
 *
 * @example
 * ```ts
 * import { hardswish, tensor } from "@staticquant/staticquant";
 * console.log(await hardswish(tensor([1])).item()); // ≈ 0.6666667
 * ```
 */
export function hardswish(x: Tensor): Tensor {
  return activation("hardswish", x, (f, x) => {
    const six = f.apply("minimum", f.apply("maximum", f.apply("add", x, 3), 0), 6);
    f.apply("div", f.apply("mul", x, six), 6);
  });
}

/**
 * `x`, but `negativeSlope·x` where `x` is negative.
 *
 * @throws {TypeError} if `x` is no Tensor.
 *
 * @example
 * ```ts
 * import { leakyRelu, tensor } from "@staticquant/staticquant";
 * console.log(await leakyRelu(tensor([-1])).item()); // -0.01
 * ```
 */
export function leakyRelu(x: Tensor, negativeSlope = 0.01): Tensor {
  return activation("leakyRelu", x, (f, x) => {
    f.apply("select", f.apply("gt", x, 0), x, f.apply("mul", x, negativeSlope));
  });
}

/**
 * `x`, but `alpha·(exp(x) − 1)` where `x` is negative.
 *
 * @throws {TypeError} if `x` is no Tensor.
 *
 * @example
 * ```ts
 * import { elu, tensor } from "@staticquant/staticquant";
 * console.log(await elu(tensor([-1])).item()); // ≈ -0.63212055
 * ```
 */
export function elu(x: Tensor, alpha = 1): Tensor {
  return activation("elu", x, (f, x) => {
    f.apply("select", f.apply("gt", x, 0), x, f.apply("mul", f.apply("expm1", x), alpha));
  });
}

/** Options of {@linkcode softplus}. */
export interface SoftplusOptions {
  /** How steep the bend is; 1 by default. */
  beta?: number;
  /** Above `beta·x` of this, 20 by default, it is `x` itself. */
  threshold?: number;
}

/**
 * `log(1 + exp(beta·x)) / beta`, and `x` where `beta·x` is above a threshold.
 *
 * @throws {TypeError} if `x` is no Tensor.
 *
 * @example
 * ```ts
 * import { softplus, tensor } from "@staticquant/staticquant";
 * console.log(await softplus(tensor([0])).item()); // ≈ 0.6931472
 * ```
 */
export function softplus(x: Tensor, options: SoftplusOptions = {}): Tensor {
  checkOptions("softplus", options, ["beta", "threshold"]);
  const { beta = 1, threshold = 20 } = options;
  return activation("softplus", x, (f, x) => {
    const steep = f.apply("mul", x, beta);
    const tail = f.apply("log1p", f.apply("exp", f.apply("neg", f.apply("abs", steep))));
    const soft = f.apply("div", f.apply("add", f.apply("maximum", steep, 0), tail), beta);
    f.apply("select", f.apply("gt", steep, threshold), x, soft);
  });
}

/**
 * `x`, but `weight·x` where `x` is negative, with a slope for each channel, as `torch.nn.PReLU`.
 *
 * @param x shape (N, C, …).
 * @param weight shape (C,), or (1,) for one slope.
 * @throws {RangeError} if the weight does not fit.
 *
 * @example
 * ```ts
 * import { prelu, tensor } from "@staticquant/staticquant";
 * console.log(await prelu(tensor([[-1, -2]]), tensor([0.1, 0.2])).data()); // -0.1, -0.4
 * ```
 */
export function prelu(x: Tensor, weight: Tensor): Tensor {
  checkTensor("prelu", x);
  checkTensor("prelu: weight", weight);
  const channels = weight.numel;
  if (channels !== 1 && channels !== x.shape[1]) {
    throw new RangeError(
      `prelu: a weight of ${channels} slopes does not fit an input of shape ${
        formatShape(x.shape)
      }; it has one slope, or one for each of dimension 1`,
    );
  }
  const rank = channels === 1 ? 0 : x.ndim - 1;
  using slopes = weight.reshape(Array.from({ length: rank }, (_, d) => d === 0 ? channels : 1));
  return activation("prelu", x, (f, x) => {
    const negative = f.apply("mul", x, f.read(slopes, "float"));
    f.apply("select", f.apply("gt", x, 0), x, negative);
  });
}
