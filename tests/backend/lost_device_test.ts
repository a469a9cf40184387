/** A device that is lost. In a file of its own, whose devices no other test sees. */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { WebGpuBackend } from "../../lib/backend/webgpu/backend.ts";
import {
  AffineQuantizedMinMaxObserver,
  backendFor,
  DeviceLostError,
  init,
  Int8WeightOnlyConfig,
  Linear,
  loadSafetensors,
  MappingType,
  PerTensor,
  quantize_,
  randn,
  relu,
  saveSafetensors,
  Sequential,
  tensor,
  uint8,
} from "../../mod.ts";

async function open(): Promise<WebGpuBackend> {
  await init({ device: "webgpu" });
  const backend = backendFor("webgpu");
  assert(backend instanceof WebGpuBackend);
  return backend;
}

Deno.test("what is pending and what comes after reject with DeviceLostError", async () => {
  const backend = await open();
  const layer = new Linear(8, 8);
  const observer = new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, {
    granularity: new PerTensor(),
  });
  const x = observer.forward(randn([4, 8]));
  const y = layer.forward(x);
  const pending = [y.data(), x.data(), observer.calculateQParams()];
  backend.runtime.device.destroy();
  const outcomes = await Promise.allSettled(pending);
  for (const outcome of outcomes) {
    assert(outcome.status === "rejected");
    assertInstanceOf(outcome.reason, DeviceLostError);
    assertStringIncludes(outcome.reason.message, "call init() again");
    assertEquals(outcome.reason.name, "DeviceLostError");
  }
  await assertRejects(() => x.data(), DeviceLostError, "device was lost");
  await assertRejects(() => observer.calculateQParams(), DeviceLostError);
  await assertRejects(() => x.to("cpu"), DeviceLostError);
  assertThrows(() => relu(x), DeviceLostError);
  assertThrows(() => layer.forward(x), DeviceLostError);
  assertThrows(() => x.clone(), DeviceLostError);
  assertThrows(() => tensor([1]), DeviceLostError);
  x.dispose();
  y.dispose();
});

Deno.test("init opens a new device after a loss", async () => {
  const first = await open();
  const old = tensor([1, 2]);
  first.runtime.device.destroy();
  await first.runtime.device.lost;
  const second = await open();
  assert(second !== first);
  assertEquals([...await relu(tensor([-1, 2])).data()], [0, 2]);
  assertEquals(await open(), second);
  await assertRejects(() => old.data(), DeviceLostError);
});

Deno.test("work right after the loss, before anyone was told, rejects too", async () => {
  const backend = await open();
  const x = tensor([1, 2]);
  backend.runtime.device.destroy();
  await assertRejects(async () => await relu(x).data(), DeviceLostError);
});

Deno.test("an old model beside new tensors says that its device was lost", async () => {
  const backend = await open();
  const layer = new Linear(2, 2);
  backend.runtime.device.destroy();
  await backend.runtime.device.lost;
  await open();
  const error = assertThrows(() => layer.forward(tensor([[1, 2]])), Error);
  assertStringIncludes(error.message, "lost");
});

Deno.test("whatever held the old device says so, and is loaded anew by a state dict", async () => {
  const backend = await open();
  const observer = new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, {
    granularity: new PerTensor(),
  });
  observer.forward(randn([2, 8]));
  const layer = new Linear(8, 8);
  const quantized = new Sequential(new Linear(16, 8));
  await quantize_(quantized, new Int8WeightOnlyConfig());
  const saved = await saveSafetensors(new Linear(8, 8).stateDict());
  backend.runtime.device.destroy();
  await backend.runtime.device.lost;
  await open();
  for (
    const use of [
      () => observer.forward(randn([2, 8])),
      () => quantized.forward(randn([1, 16])),
      () => layer.forward(randn([1, 8])),
    ]
  ) assertStringIncludes(assertThrows(use, Error).message, "lost");
  layer.loadStateDict(loadSafetensors(saved));
  assertEquals(layer.forward(randn([1, 8])).shape, [1, 8]);
});
