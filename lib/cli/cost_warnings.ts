/**
 * Warning of a quantized model that brings nothing.
 *
 * @module
 */
import { compareOnnx } from "../onnx/accuracy/compare_onnx.ts";
import type { OnnxModelCost } from "../onnx/accuracy/comparison.ts";
import type { OnnxModel } from "../onnx/file/model.ts";
import type { OnnxFeeds } from "../onnx/run/runtime.ts";
import { percent } from "../plot/format.ts";

/** A share of the float file's size that is hardly less. */
const HARDLY_LESS = 0.99;
/** So many times as long, and so many milliseconds longer, is slower and not chance. */
const SLOWER = { times: 1.1, milliseconds: 0.2 };
/** The most runs of either model, and about the milliseconds that are spent on them. */
const TIMED = { runs: 9, milliseconds: 1000 };

/** What both models take. */
export interface Costs {
  readonly float: Pick<OnnxModelCost, "latency">;
  readonly quantized: Pick<OnnxModelCost, "latency">;
}

/** Bytes of a model that is not opened once more beside another for the time that it takes. */
const LARGE = 256 << 20;

/** Runs both models in turns on a sample, a few times, unless they are large. */
export async function timed(
  float: OnnxModel,
  quantized: OnnxModel,
  sample: OnnxFeeds | undefined,
  bytes: number,
): Promise<Costs | undefined> {
  if (!sample || bytes > LARGE) return undefined;
  const end = performance.now() + TIMED.milliseconds;
  function* samples(sample: OnnxFeeds): Generator<OnnxFeeds> {
    for (let i = 0; i < TIMED.runs && (i === 0 || performance.now() < end); i++) yield sample;
  }
  return await compareOnnx(float, quantized, samples(sample), { tensors: false });
}

/** What is to be said of a model that is hardly smaller, or slower. */
export function costWarnings(
  { bytes, quantizedBytes }: { readonly bytes: number; readonly quantizedBytes: number },
  costs: Costs | undefined,
): string[] {
  const warnings: string[] = [];
  if (quantizedBytes >= HARDLY_LESS * bytes) {
    warnings.push(
      `the quantized file has ${
        percent(quantizedBytes / bytes)
      } of the float one's bytes: too few weights ` +
        `became integers to make it smaller; keep the float model unless the other is faster`,
    );
  }
  if (!costs) return warnings;
  // What else the machine does makes a run longer, never shorter.
  const [float, quantized] = [costs.float, costs.quantized].map(({ latency }) =>
    latency.reduce((least, time) => Math.min(least, time), Infinity)
  );
  if (quantized > SLOWER.times * float && quantized - float > SLOWER.milliseconds) {
    warnings.push(
      `the quantized model is slower on this machine: ${
        quantized.toFixed(1)
      } ms a run, and the float one ` +
        `${
          float.toFixed(1)
        } ms; leave out operators by nodesToExclude that stand between float ones, or keep ` +
        `the float model`,
    );
  }
  return warnings;
}
