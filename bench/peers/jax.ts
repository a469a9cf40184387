/**
 * jax-js: a jitted float32 product on the same adapter.
 *
 * @module
 */
import config from "../../deno.json" with { type: "json" };
import type { Entry } from "../contestant.ts";
import type { Candidate } from "../measure.ts";
import type { Shape } from "../shapes.ts";

const NAME = "jax-js";

type Jax = typeof import("@jax-js/jax");

function layer(jax: Jax, { m, n, k }: Shape): Candidate {
  const { numpy: np } = jax;
  const uniform = (length: number) => Float32Array.from({ length }, () => Math.random() - 0.5);
  const x = np.array(uniform(m * k)).reshape([m, k]);
  const w = np.array(uniform(n * k)).reshape([n, k]);
  type Array = typeof x;
  const matmul = jax.jit((x: Array, w: Array) => np.matmul(x, w.transpose()));
  // jax-js drops work whose result is dropped, so all results are kept until they are there.
  const results: Array[] = [];
  return {
    name: NAME,
    run: () => void results.push(matmul(x.ref, w.ref)),
    finish: async () => {
      await jax.blockUntilReady(results);
      results.splice(0).forEach((y) => y.dispose());
    },
    dispose: () => {
      x.dispose();
      w.dispose();
    },
  };
}

/** jax-js. */
export const jaxJs: Entry = {
  names: [NAME],
  open: async () => {
    const jax = await import("@jax-js/jax");
    await jax.init("webgpu");
    jax.defaultDevice("webgpu");
    return {
      version: `jax-js ${config.imports["@jax-js/jax"].split("@").at(-1)}`,
      contestants: [{ name: NAME, layer: (shape) => Promise.resolve(layer(jax, shape)) }],
    };
  },
};
