/**
 * TensorFlow.js: a float32 `matMul` with its WebGPU backend, on the same adapter.
 *
 * @module
 */
import type { Entry } from "../contestant.ts";
import type { Candidate } from "../measure.ts";
import type { Shape } from "../shapes.ts";

const NAME = "TF.js";

type Tf = typeof import("@tensorflow/tfjs-core");

function layer(tf: Tf, { m, n, k }: Shape): Candidate {
  const x = tf.randomUniform([m, k]);
  const w = tf.randomUniform([n, k]);
  let last: ReturnType<Tf["matMul"]> | undefined;
  return {
    name: NAME,
    run: () => {
      last?.dispose();
      last = tf.matMul(x, w, false, true);
    },
    // Reading one number of the last product waits for all of them: the queue keeps order.
    finish: async () => {
      const corner = tf.slice(last!, [0, 0], [1, 1]);
      await corner.data();
      corner.dispose();
    },
    dispose: () => {
      tf.dispose([x, w]);
      last?.dispose();
    },
  };
}

/** TensorFlow.js. */
export const tensorflowJs: Entry = {
  names: [NAME],
  open: async () => {
    const tf = await import("@tensorflow/tfjs-core");
    await import("@tensorflow/tfjs-backend-webgpu");
    if (!await tf.setBackend("webgpu")) throw new Error("its WebGPU backend did not start");
    return {
      version: `TensorFlow.js ${tf.version_core}`,
      contestants: [{ name: NAME, layer: (shape) => Promise.resolve(layer(tf, shape)) }],
    };
  },
};
