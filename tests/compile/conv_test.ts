/** Convolutions that are recorded: joined with what follows, and replayed with the same bits. */
import { assert, assertEquals } from "@std/assert";
import {
  backendFor,
  compile,
  conv2d,
  float32,
  init,
  int8,
  Module,
  PreparedConvWeight,
  randn,
  relu,
  Tensor,
  tensor,
  uint8,
} from "../../mod.ts";
import type { WebGpuBackend } from "../../lib/backend/webgpu/backend.ts";
import type { Operation } from "../../lib/backend/webgpu/fusion.ts";
import { Arena } from "../../lib/backend/webgpu/plan_memory.ts";
import { StepList } from "../../lib/backend/webgpu/steps.ts";
import { WebGpuProgram } from "../../lib/compile/webgpu.ts";

/** Two convolutions with ReLU, then one of each channel. */
class Net extends Module {
  readonly first = new PreparedConvWeight(randn([8, 3, 3, 3]).keep());
  readonly second = new PreparedConvWeight(randn([6, 8, 1, 1]).keep());
  readonly third = new PreparedConvWeight(randn([6, 1, 3, 3]).keep(), { groups: 6 });
  readonly bias = randn([8]).keep();

  override forward(x: Tensor): Tensor {
    const a = relu(conv2d(x, this.first, this.bias, { padding: 1 }));
    const b = relu(conv2d(a, this.second));
    return conv2d(b, this.third, null, { stride: 2 });
  }
}

Deno.test("a compiled convolution joins its ReLU and keeps its bits [webgpu]", async () => {
  await init({ device: "webgpu" });
  const model = new Net();
  using x = randn([2, 3, 9, 8]);
  const expected = [...await model.forward(x).data()];
  using compiled = compile(model);
  assertEquals([...await compiled.forward(x).data()], expected);
  const program = new WebGpuProgram(model);
  const { recording } = program.plan([x]);
  const kernels = recording.steps.map((step) => "from" in step ? "copy" : step.kernel.key);
  const named = (name: string) => kernels.filter((key) => key.startsWith(name)).length;
  assertEquals([named("conv "), named("depthwise "), named("relu ")], [2, 1, 0]);
  assertEquals(kernels.length, 5, "besides, x and the output change their layout");
  program.dispose();
});

/** Two convolutions of bytes, quantized anew between them, then one of each channel. */
class IntegerNet extends Module {
  readonly weights = [[8, 3, 3, 3], [6, 8, 1, 1], [6, 1, 3, 3]].map((shape, i) =>
    new PreparedConvWeight(tensor(bytes(shape), { shape, dtype: int8 }), { groups: i > 1 ? 6 : 1 })
  );
  readonly scale = tensor([0.25]).keep();
  readonly inverse = tensor([4]).keep();
  readonly zeroPoint = tensor([100]).keep();

  private convolve(x: Tensor, i: number): Tensor {
    const { backend } = x;
    const [inverseScale, zeroPoint, scale] = [this.inverse, this.zeroPoint, this.scale]
      .map((t) => t.operand.buffer);
    const range = { quantMin: 0, quantMax: 255, productDtype: float32, outputDtype: uint8 };
    const layout = x.isChannelsLast ? x.channelsLast : x.operand;
    const q = backend.quantizePixels(layout, { ...range, inverseScale, zeroPoint });
    using pixels = Tensor.channelsLast(backend, q, x.shape, uint8);
    const weight = this.weights[i].operand;
    const output = x.shape.slice(2).map((size, d) => size - weight.kernel[d] + 1);
    const y = backend.packedConv(pixels.channelsLast, weight, {
      output,
      stride: [1, 1],
      before: [0, 0],
      dilation: [1, 1],
      xZeroPoint: zeroPoint,
      wZeroPoint: null,
      wParamCount: 1,
      result: { kind: "floats", xScale: scale, wScale: scale, bias: null, dtype: float32 },
    });
    return Tensor.channelsLast(backend, y, [x.shape[0], weight.outChannels, ...output], float32);
  }

  override forward(x: Tensor): Tensor {
    const [a, b] = [0, 1].reduce<Tensor[]>(
      (all, i) => [...all, relu(this.convolve(all.at(-1) ?? x, i))],
      [],
    );
    a.dispose();
    return this.convolve(b, 2);
  }
}

function bytes(shape: number[]): number[] {
  const length = shape.reduce((product, size) => product * size, 1);
  return Array.from({ length }, (_, i) => (Math.imul(i + 3, 2654435761) >>> 24) % 9 - 4);
}

Deno.test("convolutions of bytes hand on bytes, with the same bits [webgpu]", async () => {
  await init({ device: "webgpu" });
  const model = new IntegerNet();
  using x = randn([2, 3, 9, 8]);
  const expected = [...await model.forward(x).data()];
  const program = new WebGpuProgram(model);
  assertEquals([...await program.forwardAll(x)[0].data()], expected);
  const { recording } = program.plan([x]);
  const kernels = recording.steps.map((step) => "from" in step ? "copy" : step.kernel.key);
  const names = kernels.map((key) => /^[a-z]+( [a-z]+)*(?= |$)/.exec(key)![0]);
  assertEquals(names, [
    "quantize pixels",
    "packed conv",
    "packed conv",
    "packed depthwise",
    "from rows",
  ]);
  program.dispose();
});

Deno.test("a layout made for a recording does not stay with a tensor [webgpu]", async () => {
  await init({ device: "webgpu" });
  const backend = backendFor("webgpu") as WebGpuBackend;
  using x = randn([1, 5, 3, 3]);
  using weight = new PreparedConvWeight(randn([4, 5, 1, 1]));
  const arena = new Arena(backend.runtime.device);
  const list = new StepList<Operation>(arena);
  backend.recordInto(list, () => {
    const y = conv2d(x, weight);
    assert(!x.isChannelsLast);
    const z = conv2d(y, new PreparedConvWeight(randn([4, 4, 1, 1])));
    assert(z.operand.buffer === z.operand.buffer, "what was made on the way keeps both");
  });
  arena.dispose();
  assertEquals(list.items.length, 5, "two layouts, a weight and two convolutions");
  using y = conv2d(x, weight);
  assertEquals((await y.data()).length, 36);
  assert(x.isChannelsLast);
});
