/**
 * The observer that searches along a line.
 *
 * @module
 */
import { collapseBlocks, countBlocks } from "../../backend/blocks.ts";
import { decodeMinMaxState, emptyMinMaxState } from "../../backend/minmax_state.ts";
import { type DType, float32, promoteTypes } from "../../numbers/dtype.ts";
import { roundTo } from "../../numbers/rounding.ts";
import { checkTensor, Tensor, tensor } from "../../tensor/tensor.ts";
import { getBlockSize, qparamShape } from "../affine/granularity.ts";
import type { MappingType } from "../affine/mapping.ts";
import { type QParams, qparamsOf } from "../affine/primitives.ts";
import { chooseRange } from "../affine/range.ts";
import { AffineQuantizedObserverBase, OBSERVER_OPTIONS, type ObserverOptions } from "./observer.ts";

/** Options of {@linkcode AffineQuantizedMSEObserver}. */
export interface MSEObserverOptions extends ObserverOptions {
  /** How many ranges to try; 100 by default. */
  steps?: number;
  /** Whether only the first batch counts; by default each batch replaces the one before. */
  runOnce?: boolean;
}

/**
 * Tries `steps` ranges `[−t, t]`, `t = max(|min|, max)·i / steps`, and takes the one whose quantized
 * batch has the least mean squared error; torchao's observer of that name
 * ([Wei et al., 2022](https://arxiv.org/abs/2209.13325)). As there, the last batch decides, or with
 * `runOnce` the first; it is kept on the device and searched when the parameters are asked for.
 *
 * One batch is nothing that could be merged with another. `AffineQuantizedMSEHistogramObserver` counts the values of
 * all batches and searches along the same line.
 *
 * @example
 * ```ts
 * import { AffineQuantizedMSEObserver, int8, MappingType, PerAxis, randn } from "@staticquant/staticquant";
 * const observer = new AffineQuantizedMSEObserver(MappingType.SYMMETRIC, int8, {
 *   granularity: new PerAxis(0),
 *   steps: 50,
 * });
 * observer.forward(randn([16, 64]));
 * console.log(await (await observer.calculateQParams())[0].data());
 * ```
 */
export class AffineQuantizedMSEObserver extends AffineQuantizedObserverBase {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "AffineQuantizedMSEObserver";

  /** The options that there are. */
  protected static override readonly optionNames: readonly string[] = [
    ...OBSERVER_OPTIONS,
    "steps",
    "runOnce",
  ];
  /** How many ranges are tried. */
  readonly steps: number;
  /** Whether only the first batch counts. */
  readonly runOnce: boolean;
  private batch: Tensor | null = null;
  private batches = 0;

  /**
   * An observer that has seen nothing.
   *
   * @param mappingType how a range is laid onto integers.
   * @param targetDtype the integer dtype to quantize to.
   * @param options as for every observer, the number of steps and whether to run once.
   * @throws {RangeError} if steps is not a positive integer.
   */
  constructor(mappingType: MappingType, targetDtype: DType, options: MSEObserverOptions) {
    super(mappingType, targetDtype, options);
    const { steps = 100, runOnce = false } = options;
    if (!Number.isInteger(steps) || steps < 1) {
      throw new RangeError(
        `${this.displayName}: steps must be an integer of at least 1, got ${steps}`,
      );
    }
    this.steps = steps;
    this.runOnce = runOnce;
  }

  /**
   * Keeps a copy of the batch. An empty batch is ignored. Enqueued.
   *
   * @param x float.
   * @returns `x` itself.
   * @throws {TypeError} if `x` is not float.
   */
  override forward(x: Tensor): Tensor {
    checkTensor(this.displayName, x);
    if (x.numel === 0) return x;
    if (!x.dtype.isFloat) {
      throw new TypeError(`${this.displayName}: observers take float tensors, got ${x.dtype.name}`);
    }
    getBlockSize(x.shape, this.granularity); // refuses a shape that it does not fit
    this.batches++;
    if (this.batch && this.runOnce) return x;
    this.batch?.dispose();
    this.batch = x.clone().keep();
    return x;
  }

  /**
   * The best of the ranges tried, one a block, in the dtype observed. Waits.
   *
   * @throws {Error} if nothing was seen yet, or the batch holds a NaN or an infinity.
   */
  async minMax(): Promise<[min: Tensor, max: Tensor]> {
    const { min, max, shape } = await this.search("minMax");
    const { dtype, device } = this.batch!;
    return [tensor(min, { shape, dtype, device }), tensor(max, { shape, dtype, device })];
  }

  /**
   * The scale and the zero point of the best range; formulas as in `chooseQParamsAffine`. Waits.
   *
   * @throws {Error} if nothing was seen yet, or the batch holds a NaN or an infinity.
   */
  override async calculateQParams(): Promise<QParams> {
    const { min, max, shape } = await this.search("calculateQParams");
    const { mappingType, targetDtype, options } = this;
    const x = this.batch!;
    return qparamsOf(min, max, x.dtype, mappingType, targetDtype, shape, x, options);
  }

  /**
   * Refuses: the last batch decides, so there is nothing of a fixed size to save or to merge.
   *
   * @throws {Error} always.
   */
  override stateDict(): Record<string, Tensor> {
    throw new Error(
      `${this.displayName}: a line search keeps its last batch, which is no state to save or to merge; ` +
        `use a histogram observer where a calibration is split or resumed: ` +
        `AffineQuantizedMSEHistogramObserver searches along the same line`,
    );
  }

  /** Computes every candidate's loss on the device and picks the least. */
  private async search(
    operation: string,
  ): Promise<{ min: number[]; max: number[]; shape: number[] }> {
    const x = this.batch;
    if (!x) {
      throw new Error(
        `${this.displayName}: ${operation}() before any data; run sample inputs through the model first`,
      );
    }
    const { backend, dtype, device } = x;
    const blockSize = getBlockSize(x.shape, this.granularity);
    const blocks = countBlocks(collapseBlocks(x.shape, blockSize));
    const state = backend.upload(emptyMinMaxState(blocks));
    backend.updateMinMax(state, x.operand, blockSize, 0);
    const seen = decodeMinMaxState(await backend.read(state));
    backend.release(state);
    if (seen.badBatch !== undefined) {
      const batch = this.runOnce ? 0 : this.batches - 1;
      throw new RangeError(
        `${this.displayName}: batch ${batch} of the calibration (counted from 0) holds a NaN or an ` +
          `infinity, which have no range; look at that input and at the layers before this one`,
      );
    }
    const { mappingType, quantMin, quantMax, steps, options } = this;
    const domain = options.zeroPointDomain === "NONE" ? options.zeroPointDomain : undefined;
    const spec = { mappingType, quantMin, quantMax, dtype, eps: options.eps, domain };
    const round = (v: number) => roundTo(dtype, v);
    const { scaleDtype = dtype } = options;
    const threshold = (block: number, i: number) =>
      round(round(Math.max(Math.abs(seen.min[block]), seen.max[block]) / steps) * i);
    const candidates = Array.from({ length: steps * blocks }, (_, c) => {
      const t = threshold(c % blocks, Math.floor(c / blocks) + 1);
      return chooseRange(-t, t, spec);
    });
    const upload = (numbers: number[]) => tensor(numbers, { dtype: float32, device });
    using scale = upload(candidates.map((c) => roundTo(scaleDtype, c.scale)));
    using inverse = upload(
      candidates.map((c) => roundTo(scaleDtype, 1 / roundTo(scaleDtype, c.scale))),
    );
    using zeroPoint = upload(candidates.map((c) => c.zeroPoint));
    const buffer = backend.quantizationLoss(x.operand, {
      blockSize,
      quantMin,
      quantMax,
      outputDtype: this.targetDtype,
      productDtype: promoteTypes(dtype, scaleDtype),
      scale: scale.operand.buffer,
      inverseScale: inverse.operand.buffer,
      zeroPoint: zeroPoint.operand.buffer,
      candidates: steps,
    });
    using losses = new Tensor(backend, buffer, [steps, blocks], float32);
    const loss = await losses.data();
    const min = Array.from(seen.min);
    const max = Array.from(seen.max);
    for (let block = 0; block < blocks; block++) {
      let least = Infinity;
      for (let i = 0; i < steps; i++) {
        if (loss[i * blocks + block] < least) {
          least = loss[i * blocks + block];
          max[block] = threshold(block, i + 1);
          min[block] = -max[block];
        }
      }
    }
    return { min, max, shape: qparamShape(x.shape, blockSize, options.keepdim) };
  }
}
