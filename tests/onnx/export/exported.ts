/**
 * What tests of exported models have in common.
 *
 * @module
 */
import {
  int32,
  loadOnnx,
  Module,
  type OnnxFeeds,
  type OnnxOutput,
  OnnxRuntime,
  type Tensor,
} from "../../../mod.ts";

/** A module of a function. */
export class Computed extends Module {
  constructor(private readonly compute: (...inputs: Tensor[]) => Tensor) {
    super();
  }
  override forward(...inputs: Tensor[]): Tensor {
    return this.compute(...inputs);
  }
}

/** What onnxruntime makes of a file: each output, in order. */
export async function run(
  bytes: Uint8Array<ArrayBuffer>,
  inputs: readonly Tensor[],
): Promise<OnnxOutput[]> {
  await using runtime = await OnnxRuntime.open("test", await loadOnnx(bytes));
  const feeds: [string, OnnxFeeds[string]][] = [];
  for (const [i, x] of inputs.entries()) {
    const { name } = runtime.inputs[i];
    if (x.dtype !== int32) feeds.push([name, x]);
    else feeds.push([name, { data: BigInt64Array.from(await x.data(), BigInt), dims: x.shape }]);
  }
  const results = await runtime.run(Object.fromEntries(feeds));
  return runtime.outputs.map(({ name }) => results[name]);
}
