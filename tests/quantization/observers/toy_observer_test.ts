/** An observer that no file of the library knows: one class, and nothing to register. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  AffineQuantizedMinMaxObserver,
  insertObservers_,
  isObservedLinear,
  Linear,
  PerAxis,
  PerTensor,
  quantize_,
  type QuantizedLinear,
  Sequential,
  StaticQuantConfig,
  tensor,
  uint8,
} from "../../../mod.ts";
import { eachBackend } from "../../backends.ts";

/** Keeps nine tenths of the range that was seen. */
class TrimmedMinMaxObserver extends AffineQuantizedMinMaxObserver {
  protected override chooseRanges(words: Uint32Array) {
    const { min, max } = super.chooseRanges(words);
    return { min: min.map((x) => 0.9 * x), max: max.map((x) => 0.9 * x) };
  }
}

const observer = () =>
  new TrimmedMinMaxObserver("ASYMMETRIC", uint8, { granularity: new PerTensor() });

eachBackend(
  "a toy observer is inserted, saved, merged, shown, and its range used",
  async (device) => {
    const model = new Sequential({ fc: new Linear(2, 2, { device }) });
    const weights = new AffineQuantizedMinMaxObserver("ASYMMETRIC", uint8, {
      granularity: new PerAxis(0),
    });
    insertObservers_(model, observer(), weights);
    model.forward(tensor([[-1, 4]], { device }));
    const { actObs } = model.namedChildren()[0][1] as unknown as { actObs: TrimmedMinMaxObserver };

    const resumed = observer();
    await resumed.loadStateDict(actObs.stateDict());
    const other = observer();
    other.forward(tensor([[0, 8]], { device }));
    await resumed.merge(other);
    const [min, max] = await resumed.minMax();
    assertEquals(
      [await min.item(), await max.item()].map(Math.fround),
      [-0.9, 7.2].map(Math.fround),
    );
    assertStringIncludes(Deno.inspect(resumed), "TrimmedMinMaxObserver");

    await quantize_(model, new StaticQuantConfig(uint8), isObservedLinear);
    const { actScale } = model.namedChildren()[0][1] as QuantizedLinear;
    assert(Math.abs(await actScale.item() - 0.9 * 5 / 255) < 1e-6);
  },
);
