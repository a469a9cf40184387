/**
 * Which kernels a forward runs and how long each takes on the device.
 *
 * @module
 */
import { backendFor, zeros } from "../mod.ts";
import { WebGpuBackend } from "../lib/backend/webgpu/backend.ts";
import type { DeviceClock } from "./device_clock.ts";
import { quantiles } from "./measure.ts";

const ROUNDS = 7;

/** A kernel's name without what distinguishes its variants: `linear`, `quantize rows`. */
function nameOf(key: string): string {
  return /^[a-z]+( [a-z]+)*(?= |$)/.exec(key)![0];
}

/** A kernel of a forward. */
export interface KernelTime {
  readonly kernel: string;
  /** Milliseconds on the device, the median over forwards. */
  readonly ms: number;
}

/**
 * Runs `forward` again and again with each dispatch in a compute pass of its own, which tells its
 * time. Copies are not timed.
 *
 * @returns the kernels in order.
 * @throws {Error} if the device has no timestamps.
 */
export async function profile(
  forward: () => void,
  clock: DeviceClock,
): Promise<KernelTime[]> {
  const backend = backendFor("webgpu");
  if (!(backend instanceof WebGpuBackend)) throw new Error("bench: there is no WebGPU device");
  const { runtime } = backend;
  using fence = zeros([1]);
  forward();
  await fence.data();
  const kernels: string[][] = [];
  const dispatch = runtime.dispatch;
  runtime.dispatch = (kernel, ...args) => {
    kernels.at(-1)!.push(nameOf(kernel.key));
    dispatch.call(runtime, kernel, ...args);
    runtime.submit();
  };
  let times: number[] | undefined;
  try {
    clock.start();
    for (let round = 0; round < ROUNDS; round++) {
      kernels.push([]);
      forward();
    }
    await fence.data();
    times = await clock.passes();
  } finally {
    runtime.dispatch = dispatch;
  }
  if (!times) {
    throw new Error("bench: this adapter has no timestamps, by which kernels are told apart");
  }
  const [names] = kernels;
  return names.map((kernel, i) => {
    const [ms] = quantiles(kernels.map((_, round) => times[round * names.length + i]), 0.5);
    return { kernel, ms };
  });
}
