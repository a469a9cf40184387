/**
 * `quantizeStatic` on one model, in a process of its own: what `quantize_onnx.py` does, with the same job as its
 * argument and the same answer.
 *
 * @module
 */
import {
  loadOnnx,
  type OnnxModel,
  quantizeDynamic,
  quantizeStatic,
  saveOnnx,
  tuneOnnx,
} from "../../mod.ts";
import { type QuantizeJob, readFeeds } from "../onnx_samples.ts";

/** The most memory that the process has had, in bytes. */
function peakBytes(): number {
  const status = Deno.readTextFileSync("/proc/self/status");
  return 1024 * Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)![1]);
}

const job: QuantizeJob = JSON.parse(Deno.args[0]);
const model = await loadOnnx(job.model); // brings the packages in, as Python's imports do
const start = performance.now();
/** What the job asks for. */
async function made(): Promise<OnnxModel> {
  const { method, perChannel, percentile, preprocess: prepare } = job;
  if (method === "dynamic") return (await quantizeDynamic(model)).model;
  const data = readFeeds(job.samples, job.count);
  if (method === "tuned") {
    const heldOut = readFeeds(job.heldOut!, Infinity);
    const budget = { seconds: job.seconds, bytes: job.bytes, latency: job.latency };
    return (await tuneOnnx(model, { data, heldOut, budget, quantize: { perChannel, prepare } }))
      .model;
  }
  const settings = { percentile, perChannel, prepare };
  const own = method === "latency"
    ? { calibrationMethod: "auto", optimize: "latency" } as const
    : { calibrationMethod: method };
  return (await quantizeStatic(model, data, { ...settings, ...own })).model;
}

const quantized = await made();
await saveOnnx(quantized, job.output, { force: true });
console.log(
  JSON.stringify({ seconds: (performance.now() - start) / 1000, peakBytes: peakBytes() }),
);
