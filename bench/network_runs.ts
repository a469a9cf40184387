/**
 * A network's runs: its inputs as tensors, candidates to be timed, and how near two outputs are.
 *
 * @module
 */
import { int32, type OnnxModule, type Tensor, tensor } from "../mod.ts";
import type { Feed } from "./network_list.ts";

/** A graph's inputs, in its order, where it runs. */
export function tensorsOf(module: OnnxModule, feeds: Readonly<Record<string, Feed>>): Tensor[] {
  return module.inputs.map(({ name, onHost }) => {
    const { type, data, dims } = feeds[name];
    const device = onHost ? { device: "cpu" as const } : {};
    return type === "int64"
      ? tensor(Int32Array.from(data as BigInt64Array, Number), {
        shape: dims,
        dtype: int32,
        ...device,
      })
      : tensor(data as Float32Array, { shape: dims, ...device });
  });
}

/** How near numbers are to those that they should be. */
export interface Nearness {
  /** The largest difference. */
  readonly off: number;
  readonly cosine: number;
}

/** Compares numbers with those that they should be. */
export function nearness(got: ArrayLike<number>, wanted: ArrayLike<number>): Nearness {
  let [off, dot, a, b] = [0, 0, 0, 0];
  for (let i = 0; i < wanted.length; i++) {
    off = Math.max(off, Math.abs(got[i] - wanted[i]));
    dot += got[i] * wanted[i];
    a += got[i] ** 2;
    b += wanted[i] ** 2;
  }
  return { off, cosine: dot / Math.sqrt(a * b) };
}
