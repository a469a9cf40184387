/**
 * Arrays that a session writes its outputs into, again and again.
 *
 * What onnxruntime allocates for an output is freed when the garbage collector finds it, so each run of a loop would write
 * to memory that was never touched before.
 *
 * @module
 */
import type { CpuBackend } from "../backend/cpu/backend.ts";
import { float32 } from "../numbers/dtype.ts";
import type { OnnxFeed, OnnxValueInfo } from "../onnx/run/runtime.ts";
import { Tensor } from "../tensor/tensor.ts";

/** Arrays that are kept for an output while nobody uses them. */
const MOST_FREE = 2;

/** An output of floats. */
class ReusedOutput {
  private readonly free: Float32Array<ArrayBuffer>[] = [];

  constructor(readonly name: string, private readonly dims: readonly number[]) {}

  /** Memory for the output of one run. */
  take(): OnnxFeed & { readonly data: Float32Array<ArrayBuffer> } {
    const count = this.dims.reduce((product, size) => product * size, 1);
    return { data: this.free.pop() ?? new Float32Array(count), dims: this.dims };
  }

  /** The tensor of what was written; when it is freed the memory is for another run. */
  tensor(backend: CpuBackend, data: Float32Array<ArrayBuffer>): Tensor {
    const reuse = () => {
      if (this.free.length < MOST_FREE) this.free.push(data);
    };
    const buffer = backend.adopt(new Uint8Array(data.buffer), reuse);
    return new Tensor(backend, buffer, this.dims, float32);
  }
}

/** The outputs of runs on inputs of the same shapes. */
export class ReusedOutputs {
  private constructor(private readonly outputs: readonly ReusedOutput[]) {}

  /**
   * For a model whose outputs are all floats and have sizes that follow from those of its inputs; nothing for another.
   *
   * @param dims the outputs' sizes in a run on such inputs.
   */
  static of(
    { inputs, outputs }: {
      readonly inputs: readonly OnnxValueInfo[];
      readonly outputs: readonly OnnxValueInfo[];
    },
    dims: readonly (readonly number[])[],
  ): ReusedOutputs | undefined {
    const named = new Set(inputs.flatMap((input) => input.dims ?? []));
    const follows = ({ dtype, dims }: OnnxValueInfo) =>
      dtype === "float32" && dims?.every((size) => typeof size === "number" || named.has(size));
    if (!outputs.every(follows) || dims.some((sizes) => sizes.includes(0))) return undefined;
    return new ReusedOutputs(outputs.map(({ name }, i) => new ReusedOutput(name, dims[i])));
  }

  /** The outputs of one run, which `write` computes into arrays. */
  async run(
    backend: CpuBackend,
    write: (outputs: Readonly<Record<string, OnnxFeed>>) => Promise<void>,
  ): Promise<Tensor[]> {
    const taken = this.outputs.map((output) => output.take());
    await write(Object.fromEntries(this.outputs.map(({ name }, i) => [name, taken[i]])));
    return this.outputs.map((output, i) => output.tensor(backend, taken[i].data));
  }
}
