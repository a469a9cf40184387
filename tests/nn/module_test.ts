import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import type { WebGpuBackend } from "../../lib/backend/webgpu/backend.ts";
import {
  AffineQuantizedMinMaxObserver,
  backendFor,
  bfloat16,
  deepcopy,
  float16,
  float32,
  init,
  insertObservers_,
  int32,
  Linear,
  MappingType,
  Module,
  PerAxis,
  PerTensor,
  randn,
  ReLU,
  Sequential,
  StateError,
  type Tensor,
  tensor,
  uint8,
  zeros,
} from "../../mod.ts";
import { eachBackend } from "../backends.ts";

class Toy extends Module {
  linear1 = new Linear(4, 3, { bias: false });
  act = new ReLU();
  linear2 = new Linear(3, 2);
  override forward(x: Tensor): Tensor {
    return this.linear2.forward(this.act.forward(this.linear1.forward(x)));
  }
}

class Outer extends Module {
  encoder = new Sequential([new Toy(), new Sequential({ fc: new Linear(2, 2) })]);
  head = new Linear(2, 1);
  override forward(x: Tensor): Tensor {
    return this.head.forward(this.encoder.forward(x));
  }
}

/** Two layers that hold one weight. */
class Tied extends Module {
  a = new Linear(3, 3, { bias: false });
  b = new Linear(3, 3, { bias: false });
  constructor() {
    super();
    this.b.weight = this.a.weight;
  }
  override forward(x: Tensor): Tensor {
    return this.b.forward(this.a.forward(x));
  }
}

const observer = (granularity: PerTensor | PerAxis) =>
  new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, { granularity });

eachBackend("a model prints as PyTorch prints it", () => {
  assertEquals(
    String(new Outer()),
    `Outer(
  (encoder): Sequential(
    (0): Toy(
      (linear1): Linear(in_features=4, out_features=3, bias=False)
      (act): ReLU()
      (linear2): Linear(in_features=3, out_features=2, bias=True)
    )
    (1): Sequential(
      (fc): Linear(in_features=2, out_features=2, bias=True)
    )
  )
  (head): Linear(in_features=2, out_features=1, bias=True)
)`,
  );
  assertEquals(String(new ReLU()), "ReLU()");
  assertEquals(String(new Sequential([])), "Sequential()");
});

eachBackend("a module with words of its own and children prints both", () => {
  const m = new Sequential({ fc: new Linear(4, 3) });
  insertObservers_(m, observer(new PerTensor()), observer(new PerAxis(0)));
  assertEquals(
    String(m),
    `Sequential(
  (fc): ObservedLinear(
    in_features=4, out_features=3, bias=True
    (actObs): AffineQuantizedMinMaxObserver()
    (weightObs): AffineQuantizedMinMaxObserver()
  )
)`,
  );
});

eachBackend("children and modules are named in the order they were set", () => {
  const m = new Outer();
  assertEquals(m.namedModules().map(([name]) => name), [
    "",
    "encoder",
    "encoder.0",
    "encoder.0.linear1",
    "encoder.0.act",
    "encoder.0.linear2",
    "encoder.1",
    "encoder.1.fc",
    "head",
  ]);
  assertEquals(m.namedChildren().map(([name]) => name), ["encoder", "head"]);
  const twelve = new Sequential(Array.from({ length: 12 }, () => new ReLU()));
  assertEquals(
    twelve.namedChildren().map(([name]) => name),
    Array.from({ length: 12 }, (_, i) => String(i)),
  );
});

eachBackend("the state dict holds every tensor by full name", () => {
  const m = new Outer();
  const state = m.stateDict();
  assertEquals(Object.entries(state).map(([name, t]) => [name, ...t.shape]), [
    ["encoder.0.linear1.weight", 3, 4],
    ["encoder.0.linear2.weight", 2, 3],
    ["encoder.0.linear2.bias", 2],
    ["encoder.1.fc.weight", 2, 2],
    ["encoder.1.fc.bias", 2],
    ["head.weight", 1, 2],
    ["head.bias", 1],
  ]);
  assertStrictEquals(state["head.bias"], m.head.bias as Tensor);
});

eachBackend("a loaded state dict gives the same outputs, from memory of its own", async () => {
  const a = new Outer();
  const b = new Outer();
  b.loadStateDict(a.stateDict());
  const x = randn([2, 4]);
  const expected = await a.forward(x).data();
  Object.values(a.stateDict()).forEach((t) => t.dispose());
  assertEquals(await b.forward(x).data(), expected);
});

eachBackend("loading casts to the dtypes that the model has", async () => {
  const b = new Linear(2, 2, { dtype: bfloat16 });
  b.loadStateDict({
    weight: tensor([[1, 1 + 2 ** -9], [3, 4]]),
    bias: tensor([1, 2], { dtype: float16 }),
  });
  assertStrictEquals((b.weight as Tensor).dtype, bfloat16);
  assertEquals([...await (b.weight as Tensor).data()], [1, 1, 3, 4]);
  assertStrictEquals(b.bias!.dtype, bfloat16);
});

eachBackend("a state dict that does not fit is refused whole, all reasons listed", async () => {
  const m = new Toy();
  const before = await m.linear1.forward(zeros([1, 4])).data();
  const weight = m.linear1.weight;
  const error = assertThrows(
    () =>
      m.loadStateDict({
        "linear1.weight": zeros([3, 4]),
        "linear2.weight": zeros([3, 2]),
        "linear3.weight": zeros([1]),
      }),
    Error,
    "loadStateDict: the state dict does not fit Toy; nothing was loaded",
  );
  for (
    const reason of [
      "shape of linear2.weight: the model has (2, 3), the state dict (3, 2)",
      "missing: linear2.bias",
      "unknown: linear3.weight",
    ]
  ) assert(error.message.includes(reason), `${error.message} lacks ${reason}`);
  assert(m.linear1.weight === weight);
  assertEquals(await m.linear1.forward(zeros([1, 4])).data(), before);
});

eachBackend("a state dict may lack what a module says it may, and no more", async () => {
  class Counter extends Module {
    weight = zeros([2]);
    steps = tensor([3], { dtype: int32 });
    protected override get optionalState() {
      return ["steps"];
    }
    override forward(x: Tensor): Tensor {
      return x;
    }
  }
  const m = new Sequential({ a: new Counter(), b: new Counter() });
  const steps = tensor([7], { dtype: int32 });
  m.loadStateDict({ "a.weight": zeros([2]), "b.weight": zeros([2]), "b.steps": steps });
  const read = (name: string) => m.stateDict()[name].item();
  assertEquals([await read("a.steps"), await read("b.steps")], [3, 7]);
  assertThrows(
    () => m.loadStateDict({ "a.weight": zeros([2]), "b.steps": steps }),
    StateError,
    "missing: b.weight",
  );
  assertThrows(
    () =>
      m.loadStateDict({ "a.weight": zeros([2]), "b.weight": zeros([2]), "a.steps": zeros([2]) }),
    StateError,
    "shape of a.steps",
  );
});

eachBackend("a state dict with a disposed tensor is refused whole", () => {
  const m = new Linear(2, 2);
  const [weight, bias] = [m.weight, m.bias];
  const gone = zeros([2]);
  gone.dispose();
  assertThrows(() => m.loadStateDict({ weight: zeros([2, 2]), bias: gone }), Error, "disposed");
  assert(m.weight === weight);
  assert(m.bias === bias);
});

Deno.test("a state dict on another device is refused or brought to the model's", async () => {
  await init({ device: "webgpu" });
  const m = new Linear(2, 2, { device: "webgpu" });
  const state = { weight: zeros([2, 2], { device: "cpu" }), bias: zeros([2], { device: "cpu" }) };
  try {
    m.loadStateDict(state);
  } catch (error) {
    assert((error as Error).message.includes("device"), String(error));
  }
  assertEquals((m.weight as Tensor).device, "webgpu");
});

eachBackend("to(dtype) casts every float tensor and no other", () => {
  class Counter extends Module {
    fc = new Linear(2, 2);
    steps = tensor([3], { dtype: int32 });
    override forward(x: Tensor): Tensor {
      return this.fc.forward(x);
    }
  }
  const m = new Counter();
  assertStrictEquals(m.to(bfloat16), m);
  assertStrictEquals((m.fc.weight as Tensor).dtype, bfloat16);
  assertStrictEquals(m.fc.bias!.dtype, bfloat16);
  assertStrictEquals(m.steps.dtype, int32);
  assertStrictEquals(m.forward(zeros([1, 2], { dtype: bfloat16 })).dtype, bfloat16);
});

eachBackend("to(dtype) keeps shared weights shared", () => {
  const m = new Tied().to(float16);
  assertStrictEquals((m.a.weight as Tensor).dtype, float16);
  assert(m.a.weight === m.b.weight);
});

Deno.test("to(device) moves a model and keeps shared weights shared", async () => {
  await init({ device: "webgpu" });
  const m = new Tied();
  const x = randn([2, 3]);
  const expected = await m.forward(x).data();
  assertStrictEquals(await m.to("cpu"), m);
  assert(m.a.weight === m.b.weight);
  assertEquals((m.a.weight as Tensor).device, "cpu");
  const actual = await m.forward(await x.to("cpu")).data();
  actual.forEach((v, i) => assert(Math.abs(v - expected[i]) < 1e-5));
});

eachBackend("a deep copy shares nothing with its model", async (device) => {
  const m = new Outer();
  const { liveBuffers } = backendFor(device).memory();
  const copy = deepcopy(m);
  assert(copy instanceof Outer && copy.encoder !== m.encoder && copy.head !== m.head);
  assertEquals(backendFor(device).memory().liveBuffers, liveBuffers + 7);
  const x = randn([3, 4]);
  const expected = await m.forward(x).data();
  Object.values(m.stateDict()).forEach((t) => t.dispose());
  assertEquals(await copy.forward(x).data(), expected);
  assertEquals(String(copy), String(m));
});

eachBackend("a deep copy shares inside itself what its model shares", () => {
  const tied = deepcopy(new Tied());
  assert(tied.a.weight === tied.b.weight);
  const layer = new ReLU();
  const twice = deepcopy(new Sequential([layer, layer]));
  const [[, first], [, second]] = twice.namedChildren();
  assertStrictEquals(first, second);
  assert(first !== layer);
});

eachBackend("a deep copy keeps other fields", () => {
  class Scaled extends Linear {
    note = { by: 2 };
    nothing = null;
  }
  const m = new Scaled(2, 2, { bias: false, dtype: float32 });
  const copy = deepcopy(m);
  assert(copy instanceof Scaled);
  assertStrictEquals(copy.note, m.note);
  assertStrictEquals(copy.nothing, null);
  assertStrictEquals(copy.bias, null);
  assertEquals([copy.inFeatures, copy.outFeatures], [2, 2]);
});

Deno.test("a model that does not fit a device says which tensor, and stays", async () => {
  await init({ device: "webgpu" });
  const most = (backendFor("webgpu") as WebGpuBackend).runtime.device.limits;
  const rows = Math.floor(Math.min(most.maxBufferSize, most.maxStorageBufferBindingSize) / 4096) +
    1;
  if (rows > 100_000) return; // no such tensor fits the host either
  const m = new Sequential({
    body: new Linear(8, 8, { device: "cpu" }),
    head: new Linear(1024, rows, {
      device: "cpu",
      bias: false,
      weight: zeros([rows, 1024], { device: "cpu" }),
    }),
  });
  const error = await assertRejects(() => m.to("webgpu"), RangeError, `to("webgpu"): head.weight`);
  assertStringIncludes(error.message, "does not fit this WebGPU device");
  assertEquals(Object.values(m.stateDict()).map((t) => t.device), ["cpu", "cpu", "cpu"]);
});
