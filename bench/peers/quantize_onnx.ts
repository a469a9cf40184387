/**
 * `quantizeStatic` on one model, in a process of its own: what `quantize_onnx.py` does, with the same job as its
 * argument and the same answer.
 *
 * @module
 */
import { loadOnnx, quantizeStatic, saveOnnx } from "../../mod.ts";
import { type QuantizeJob, readSamples } from "../onnx_samples.ts";

/** The most memory that the process has had, in bytes. */
function peakBytes(): number {
  const status = Deno.readTextFileSync("/proc/self/status");
  return 1024 * Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)![1]);
}

const job: QuantizeJob = JSON.parse(Deno.args[0]);
const model = await loadOnnx(job.model); // brings the packages in, as Python's imports do
const start = performance.now();
const { model: quantized } = await quantizeStatic(model, readSamples(job.samples, job.count), {
  calibrationMethod: job.method,
  percentile: job.percentile,
  perChannel: job.perChannel,
  prepare: job.preprocess,
});
await saveOnnx(quantized, job.output, { force: true });
console.log(
  JSON.stringify({ seconds: (performance.now() - start) / 1000, peakBytes: peakBytes() }),
);
