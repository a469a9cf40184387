import {
  assert,
  assertEquals,
  assertLessOrEqual,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  AffineQuantizedMinMaxObserver,
  backendFor,
  bfloat16,
  compile,
  deepcopy,
  init,
  insertObservers_,
  Linear,
  manualSeed,
  MappingType,
  Module,
  PerAxis,
  PerTensor,
  randn,
  ReLU,
  Sequential,
  type Tensor,
  uint8,
} from "../../mod.ts";
import { quantized } from "../quantization/flow.ts";

class Toy extends Module {
  linear1 = new Linear(17, 64);
  relu = new ReLU();
  linear2 = new Linear(64, 10, { bias: false });
  override forward(x: Tensor): Tensor {
    return this.linear2.forward(this.relu.forward(this.linear1.forward(x)));
  }
}

const observer = (granularity: PerTensor | PerAxis) =>
  new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, { granularity });

const quantizedToy = () => quantized(new Toy(), uint8, [randn([16, 17])]);

function webgpuTest(name: string, run: () => Promise<void>): void {
  Deno.test(`${name} [webgpu]`, async () => {
    await init({ device: "webgpu" });
    manualSeed(5);
    await run();
  });
}

webgpuTest("a replay has the same bits as the model, for every shape in turn", async () => {
  for (const toy of [new Toy(), new Toy().to(bfloat16), await quantizedToy()]) {
    const dtype = toy.stateDict()["linear1.bias"].dtype;
    using compiled = compile(toy, { backend: "webgpu" });
    for (const rows of [1, 3, 65, 3, 1, 64]) {
      for (let i = 0; i < 2; i++) {
        using x = randn([rows, 17], { dtype });
        using expected = toy.forward(x);
        using actual = compiled.forward(x);
        assertEquals(actual.shape, expected.shape);
        assertEquals(actual.dtype, dtype);
        assertEquals(await actual.data(), await expected.data());
      }
    }
  }
});

webgpuTest("a shape is recorded once, after a forward that makes things ready", async () => {
  const shapes: string[] = [];
  class Counted extends Toy {
    override forward(x: Tensor): Tensor {
      shapes.push(String(x.shape));
      return super.forward(x);
    }
  }
  using compiled = compile(new Counted(), { backend: "webgpu" });
  for (const rows of [4, 2, 4, 2]) await compiled.forward(randn([rows, 17])).data();
  assertEquals(shapes, ["4,17", "4,17", "2,17", "2,17"]);
});

webgpuTest("each output is a tensor of its own, and the input stays the user's", async () => {
  using compiled = compile(await quantizedToy(), { backend: "webgpu" });
  const x = randn([4, 17]);
  const before = await x.data();
  const first = compiled.forward(x);
  const expected = await first.data();
  const others = Array.from({ length: 5 }, () => compiled.forward(randn([4, 17])));
  assertEquals(await first.data(), expected);
  assertEquals(await x.data(), before);
  others.forEach((y) => y.dispose());
});

webgpuTest("replaced weights and layers are seen", async () => {
  const toy = new Toy();
  using compiled = compile(toy, { backend: "webgpu" });
  const x = randn([4, 17]);
  const before = await compiled.forward(x).data();
  toy.linear1.weight = randn([64, 17]).keep();
  const after = await compiled.forward(x).data();
  assert(after.some((v, i) => v !== before[i]));
  assertEquals(after, await toy.forward(x).data());
  insertObservers_(toy, observer(new PerTensor()), observer(new PerAxis(0)));
  const error = assertThrows(() => compiled.forward(x), TypeError, "actObs is an observer");
  assertStringIncludes(error.message, "quantize first");
});

/** Layers in a plain array, which a forward goes through. */
class Listed extends Module {
  blocks: Module[] = [new Linear(17, 17), new ReLU()];
  override forward(x: Tensor): Tensor {
    return this.blocks.reduce((y, block) => block.forward(y), x);
  }
}

webgpuTest("layers replaced in an array, added to it and taken out are seen", async () => {
  const model = new Listed();
  using compiled = compile(model, { backend: "webgpu" });
  const x = randn([4, 17]);
  const same = async () =>
    assertEquals(await compiled.forward(x).data(), await model.forward(x).data());
  await same();
  model.blocks[0] = new Linear(17, 17);
  await same();
  model.blocks.push(new Linear(17, 3));
  await same();
  model.blocks.shift();
  await same();
});

webgpuTest("replaying takes no more memory, and disposing gives it back", async () => {
  const toy = await quantizedToy();
  const backend = backendFor("webgpu");
  const x = randn([8, 17]);
  const compiled = compile(toy, { backend: "webgpu" });
  compiled.forward(x).dispose();
  const { liveBytes } = backend.memory();
  for (let i = 0; i < 500; i++) compiled.forward(x).dispose();
  await x.data();
  assertLessOrEqual(backend.memory().liveBytes, liveBytes); // less if garbage was collected meanwhile
  compiled.dispose();
  assertThrows(() => compiled.forward(x), Error, "disposed");
  assertEquals((await toy.forward(x).data()).length, 80); // the model itself goes on
});

webgpuTest("a forward that throws leaves nothing behind", async () => {
  const toy = new Toy();
  using compiled = compile(toy, { backend: "webgpu" });
  assertThrows(() => compiled.forward(randn([4, 16])), RangeError, "inFeatures = 17");
  const x = randn([4, 17]);
  assertEquals(await compiled.forward(x).data(), await toy.forward(x).data());
  const elsewhere = await x.to("cpu");
  assertThrows(() => compiled.forward(elsewhere), TypeError, "webgpu");
});

webgpuTest("a compiled copy does not follow the original", async () => {
  const toy = new Toy();
  using compiled = compile(deepcopy(toy), { backend: "webgpu" });
  const x = randn([2, 17]);
  const before = await compiled.forward(x).data();
  toy.linear1.weight = randn([64, 17]).keep();
  assertEquals(await compiled.forward(x).data(), before);
});

webgpuTest("more batch sizes than are kept ready still come out right", async () => {
  const toy = await quantizedToy();
  using compiled = compile(new Sequential({ toy }), { backend: "webgpu" });
  for (let rows = 1; rows <= 20; rows++) {
    using x = randn([rows, 17]);
    assertEquals(await compiled.forward(x).data(), await toy.forward(x).data());
  }
});
