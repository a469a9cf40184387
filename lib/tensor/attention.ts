/**
 * Attention: means of values, weighted by how near queries and keys are.
 *
 * @module
 */
import type { Argument } from "../backend/expression.ts";
import { checkOptions } from "../numbers/arguments.ts";
import { bool } from "../numbers/dtype.ts";
import { formatShape } from "../numbers/shape.ts";
import { broadcastShapes, Formula } from "./formula.ts";
import { matmul } from "./matmul.ts";
import { positions } from "./positions.ts";
import { softmax } from "./softmax.ts";
import { checkTensor, type Tensor } from "./tensor.ts";

/** Options of {@linkcode scaledDotProductAttention}. */
export interface AttentionOptions {
  /** Of bool, what each query may look at; of a float dtype, what is added to the products. (…, L, S). */
  attnMask?: Tensor | null;
  /** Whether query i may look at keys 0 to i only; not together with a mask. False by default. */
  isCausal?: boolean;
  /** What products are multiplied with; 1/√E by default. */
  scale?: number;
}

/**
 * `softmax(query · keyᵀ · scale + mask) · value`, as `torch.nn.functional.scaled_dot_product_attention`.
 * A query that may look at nothing gives zeros.
 *
 * @param query float, (…, L, E).
 * @param key of the same dtype, (…, S, E).
 * @param value of the same dtype, (…, S, Ev); leading dimensions of all three broadcast.
 * @param options mask and scale.
 * @returns (…, L, Ev). Enqueued.
 * @throws {RangeError} if the shapes do not fit.
 * @throws {TypeError} if the dtypes differ, or an option does not exist.
 *
 * @example
 * ```ts
 * import { randn, scaledDotProductAttention } from "@staticquant/staticquant";
 * const [q, k, v] = [randn([1, 4, 10, 16]), randn([1, 4, 12, 16]), randn([1, 4, 12, 8])];
 * using y = scaledDotProductAttention(q, k, v);
 * console.log(y.shape); // [ 1, 4, 10, 8 ]
 * ```
 */
export function scaledDotProductAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: AttentionOptions = {},
): Tensor {
  const where = "scaledDotProductAttention";
  checkOptions(where, options, ["attnMask", "isCausal", "scale"]);
  for (const [name, t] of Object.entries({ query, key, value })) {
    checkTensor(`${where}: ${name}`, t);
    if (t.ndim >= 2) continue;
    throw new RangeError(
      `${where}: the ${name} must have shape (…, length, size), got ${formatShape(t.shape)}`,
    );
  }
  if (key.shape.at(-2) !== value.shape.at(-2)) {
    throw new RangeError(
      `${where}: there must be as many keys as values, got shapes ${formatShape(key.shape)} and ${
        formatShape(value.shape)
      }`,
    );
  }
  const { attnMask, isCausal = false, scale = 1 / Math.sqrt(query.shape.at(-1)!) } = options;
  if (attnMask && isCausal) {
    throw new TypeError(`${where}: give attnMask or isCausal, and not both`);
  }
  using products = matmul(query, key, { transposeB: true });
  using scores = scaled(where, products, scale, attnMask ?? null, isCausal);
  using weights = softmax(scores, -1);
  if (!attnMask) return matmul(weights, value);
  using seen = withoutMasked(where, weights, scores);
  return matmul(seen, value);
}

/** Weights that are 0 wherever a score is −∞, also where all of a query's are. */
function withoutMasked(where: string, weights: Tensor, scores: Tensor): Tensor {
  const formula = new Formula(where);
  const masked = formula.apply("eq", formula.read(scores, "float"), -Infinity);
  formula.apply("select", masked, formula.read(0, "float"), formula.read(weights, "float"));
  return formula.result(weights.dtype);
}

/** The products times `scale`, with the mask; one kernel. */
function scaled(
  where: string,
  products: Tensor,
  scale: number,
  mask: Tensor | null,
  isCausal: boolean,
): Tensor {
  const formula = new Formula(where);
  const value = formula.apply("mul", formula.read(products, "float"), scale);
  if (isCausal) {
    const [rows, columns] = products.shape.slice(-2);
    const { backend } = products;
    using row = positions(backend, [rows, 1], rows);
    using column = positions(backend, [columns], columns);
    const seen = formula.apply("ge", formula.read(row, "int"), formula.read(column, "int"));
    formula.apply("select", seen, value, -Infinity);
    return formula.result(products.dtype);
  }
  if (mask) {
    checkTensor(`${where}: attnMask`, mask);
    checkMask(where, products.shape, mask);
    withMask(formula, value, mask);
  }
  return formula.result(products.dtype);
}

/** The value where a mask of bool is true, else −∞; or the sum with a mask of floats. */
function withMask(formula: Formula, value: Argument, mask: Tensor): void {
  if (mask.dtype === bool) formula.apply("select", formula.read(mask, "int"), value, -Infinity);
  else formula.apply("add", value, formula.read(mask, "float"));
}

/** Throws unless the mask broadcasts to the products' shape. */
function checkMask(where: string, shape: readonly number[], mask: Tensor): void {
  if (!mask.dtype.isFloat && mask.dtype !== bool) {
    throw new TypeError(
      `${where}: attnMask must be of bool or a float dtype, got ${mask.dtype.name}; convert it with ` +
        `.to(bool)`,
    );
  }
  const both = broadcastShapes(`${where}: attnMask`, shape, mask.shape);
  if (both.length === shape.length && both.every((size, d) => size === shape[d])) return;
  throw new RangeError(
    `${where}: attnMask of shape ${
      formatShape(mask.shape)
    } is larger than the products, which have ` +
      `shape ${formatShape(shape)}`,
  );
}
