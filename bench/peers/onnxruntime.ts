/**
 * onnxruntime on the CPU as one uses it alone: a session over the file that `exportOnnx` writes,
 * with default options, between arrays that are there already.
 *
 * @module
 */
import { exportOnnx, type Module, randn } from "../../mod.ts";
import type { Entry } from "../contestant.ts";
import { awaited, floatLayer, quantizedLayer, release } from "../layers.ts";
import type { Candidate } from "../measure.ts";
import type { Shape } from "../shapes.ts";

/** How the layer of a contestant is made. */
const MODELS: Record<string, (shape: Shape) => Module | Promise<Module>> = {
  "ORT float32": floatLayer,
  "ORT QDQ": quantizedLayer,
};

async function layer(name: string, shape: Shape): Promise<Candidate> {
  const { m, n, k } = shape;
  const ort = await import("onnxruntime-node");
  const model = await MODELS[name](shape);
  using example = randn([1, k]);
  const file = await exportOnnx(model, example);
  release(model);
  const session = await ort.InferenceSession.create(file);
  const values = Float32Array.from({ length: m * k }, () => Math.random() - 0.5);
  const input = new ort.Tensor("float32", values, [m, k]);
  const output = new ort.Tensor("float32", new Float32Array(m * n), [m, n]);
  const feeds = { [session.inputNames[0]]: input };
  const fetches = { [session.outputNames[0]]: output };
  return awaited(name, () => session.run(feeds, fetches), () => session.release());
}

/** onnxruntime. */
export const onnxruntime: Entry = {
  names: Object.keys(MODELS),
  open: async () => {
    const ort = await import("onnxruntime-node");
    return {
      version: `onnxruntime-node ${ort.env.versions.common}`,
      contestants: Object.keys(MODELS).map((name) => ({
        name,
        layer: (shape) => layer(name, shape),
      })),
    };
  },
};
