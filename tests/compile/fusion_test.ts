import { assertEquals } from "@std/assert";
import { WebGpuProgram } from "../../lib/compile/webgpu.ts";
import {
  bfloat16,
  type DType,
  float16,
  float32,
  init,
  int8,
  Linear,
  manualSeed,
  MappingType,
  Module,
  randn,
  ReLU,
  Sequential,
  type Tensor,
  uint8,
} from "../../mod.ts";
import { quantized } from "../quantization/flow.ts";

function webgpuTest(name: string, run: () => Promise<void>): void {
  Deno.test(`${name} [webgpu]`, async () => {
    await init({ device: "webgpu" });
    manualSeed(11);
    await run();
  });
}

/** The model with its layers quantized to uint8, having seen `x`. */
const toUint8 = <M extends Module>(model: M, x: Tensor) => quantized(model, uint8, [x]);

/** The dispatches of a compiled forward, having checked that its bits are the model's. */
async function dispatches(model: Module, x: Tensor): Promise<number> {
  const program = new WebGpuProgram(model);
  try {
    using expected = model.forward(x);
    using actual = program.forwardAll(x)[0];
    assertEquals(actual.shape, expected.shape);
    assertEquals(await actual.bytes(), await expected.bytes());
    using again = program.forwardAll(x)[0];
    assertEquals(await again.bytes(), await expected.bytes());
    return program.plan([x]).recording.steps.length;
  } finally {
    program.dispose();
  }
}

const chain = (sizes: number[], dtype: DType = float32, bias = true) =>
  new Sequential(
    sizes.slice(1).flatMap((size, i) => [
      ...i ? [new ReLU()] : [],
      new Linear(sizes[i], size, { bias, dtype }),
    ]),
  );

webgpuTest("integers stay integers between quantized layers, with the same bits", async () => {
  const { ASYMMETRIC, SYMMETRIC } = MappingType;
  for (
    const [dtype, target, mapping, rows] of [
      [float32, uint8, ASYMMETRIC, 5],
      [bfloat16, int8, SYMMETRIC, 5],
      [float16, uint8, ASYMMETRIC, 5],
      [bfloat16, uint8, ASYMMETRIC, 40],
    ] as const
  ) {
    // Odd sizes leave a rest in vectors, words and tiles.
    const sizes = [33, 70, 19, rows === 5 ? 12 : 1];
    const x = randn([rows, sizes[0]], { dtype });
    const model = await quantized(chain([...sizes], dtype), target, [x], {
      mappingType: mapping,
    });
    // One to quantize the input, if it is not quantized inside, and one a layer.
    const narrow = dtype !== float32 && sizes[3] % 2 === 1 ? 1 : 0; // cast at the end
    const expected = (rows > 8 ? 4 : 3) + narrow;
    assertEquals(await dispatches(model, x), expected, `${dtype.name} ${target.name} ${rows}`);
  }
});

webgpuTest("a small layer of few rows quantizes its own input, a large one does not", async () => {
  for (const [rows, size, count] of [[1, 64, 1], [8, 40, 1], [9, 40, 2], [1, 1024, 2]]) {
    const x = randn([rows, size]);
    assertEquals(await dispatches(await toUint8(chain([size, size]), x), x), count);
  }
});

webgpuTest("ReLU after a float layer costs no dispatch", async () => {
  const x = randn([3, 20]);
  assertEquals(await dispatches(chain([20, 30, 10]), x), 2);
});

webgpuTest("a result that is needed twice is computed once", async () => {
  class Branches extends Module {
    first = new Linear(24, 24);
    relu = new ReLU();
    second = new Linear(24, 24);
    third = new Linear(24, 24);
    override forward(x: Tensor): Tensor {
      const y = this.first.forward(x);
      const left = this.second.forward(y);
      left.dispose();
      return this.third.forward(this.relu.forward(y));
    }
  }
  const x = randn([12, 24]);
  // quantize, first, relu, quantize, third; what leads to `left` is dropped
  assertEquals(await dispatches(await toUint8(new Branches(), x), x), 5);
});

webgpuTest("a model may return its input, a weight or a view", async () => {
  class Odd extends Module {
    fc = new Linear(6, 6);
    constructor(readonly pick: (x: Tensor, fc: Linear) => Tensor) {
      super();
    }
    override forward(x: Tensor): Tensor {
      return this.pick(x, this.fc);
    }
  }
  const x = randn([2, 6]);
  for (
    const [pick, steps] of [
      [(x: Tensor) => x.reshape(3, 4), 0],
      [(_: Tensor, fc: Linear) => (fc.weight as Tensor).reshape(36), 0],
      [(x: Tensor, fc: Linear) => fc.forward(x).reshape(12), 1],
      [(x: Tensor) => x.clone(), 1],
    ] as const
  ) {
    const program = new WebGpuProgram(new Odd(pick));
    const model = new Odd(pick);
    model.fc = (program as unknown as { model: Odd }).model.fc;
    const [y] = program.forwardAll(x);
    assertEquals(await y.data(), await model.forward(x).data());
    assertEquals(program.plan([x]).recording.steps.length, steps);
    y.dispose(); // the model's own tensors are left alone
    assertEquals(await program.forwardAll(x)[0].data(), await model.forward(x).data());
    program.dispose();
  }
});

webgpuTest("several inputs, one of them twice", async () => {
  class Pair extends Module {
    a = new Linear(8, 8);
    b = new Linear(8, 8);
    override forward(x: Tensor, y: Tensor): Tensor {
      return this.b.forward(this.a.forward(y.shape[0] === x.shape[0] ? x : y));
    }
  }
  const pair = new Pair();
  const program = new WebGpuProgram(pair);
  const [x, y] = [randn([4, 8]), randn([2, 8])];
  assertEquals(await program.forwardAll(x, x)[0].data(), await pair.forward(x, x).data());
  assertEquals(await program.forwardAll(x, y)[0].data(), await pair.forward(x, y).data());
  assertEquals(await program.forwardAll(y, x)[0].data(), await pair.forward(y, x).data());
  program.dispose();
});
