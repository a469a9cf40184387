import { assertEquals, assertRejects } from "@std/assert";
import { init, mergeCalibration_, ObservedLinear, RangeObserver } from "../../mod.ts";
import {
  calibrate,
  calibrateInWorkers,
  observed,
  partsOf,
  qparamsOf,
} from "../../examples/merge_calibration.ts";
import { loadMnist } from "../../examples/support/mnist_data.ts";
import { loadMnistModel } from "../../examples/support/mnist_model.ts";

const { device } = await init();
const { train } = loadMnist({ train: 192, test: 0 });
const float = await loadMnistModel();

for (const kind of ["min-max", "histogram"] as const) {
  Deno.test(`workers' ${kind} observers, merged, have the bits of one pass`, async () => {
    const onePass = observed(float, kind);
    calibrate(onePass, train.images);
    const merged = observed(float, kind);
    const parts = partsOf(train, 2);
    assertEquals(parts.map((part) => part.length), [96 * 784, 96 * 784]);
    await mergeCalibration_(merged, await calibrateInWorkers(parts, kind, device));

    const layers = new Map(onePass.namedModules());
    const found = merged.namedModules().filter(([, module]) => module instanceof ObservedLinear);
    assertEquals(found.map(([name]) => name), ["fc1", "fc2", "fc3"]);
    for (const [name, module] of found) {
      const [a, b] = [layers.get(name) as ObservedLinear, module as ObservedLinear];
      assertEquals(await qparamsOf(b.actObs), await qparamsOf(a.actObs), name);
      const [weights, others] = await Promise.all(
        [a, b].map(async ({ weightObs }) => (await weightObs.calculateQParams())[0].data()),
      );
      assertEquals(others, weights, name);
    }
    const observers = merged.namedModules().map(([, module]) => module);
    assertEquals(observers.find((each) => each instanceof RangeObserver)!.batchCount, 6);
  });
}

Deno.test("a worker that fails says why", async () => {
  const broken = new Float32Array(784 * 2 + 1);
  await assertRejects(() => calibrateInWorkers([broken], "min-max", device), Error, "shape");
});
