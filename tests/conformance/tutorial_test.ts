import { assert, assertEquals, assertLess } from "@std/assert";
import {
  AffineQuantizedMinMaxObserver,
  computeError,
  type Device,
  finfo,
  float32,
  insertObservers_,
  isObservedLinear,
  Linear,
  MappingType,
  PerAxis,
  PerTensor,
  quantize_,
  quantizeAffine,
  QuantizedLinear,
  Sequential,
  StaticQuantConfig,
  type Tensor,
  uint8,
} from "../../mod.ts";
import { eachBackend } from "../backends.ts";
import { dtypeOf, reference } from "./reference.ts";

interface Case {
  name: string;
  m: number;
  k: number;
  n: number;
  bias: boolean;
  dtype: string;
  calibrationBatches: number;
  sqnr: number;
}

const recorded = reference<Case>("torchao-tutorial");

/** ‖actual − expected‖ / ‖expected‖. */
async function relativeError(actual: Tensor, name: string, device: Device): Promise<number> {
  using expected = recorded.load(name, device);
  return 10 ** (-await computeError(expected, actual) / 20);
}

function floatModel(c: Case, device: Device): Sequential {
  const options = { bias: c.bias, dtype: dtypeOf(c.dtype), device };
  const model = new Sequential({
    linear1: new Linear(c.m, c.k, options),
    linear2: new Linear(c.k, c.n, options),
  });
  const names = Object.keys(model.stateDict());
  model.loadStateDict(
    Object.fromEntries(names.map((name) => [name, recorded.load(`${c.name}.${name}`, device)])),
  );
  return model;
}

eachBackend("the tutorial's flow agrees with torchao's", async (device) => {
  assertEquals(recorded.cases.length, 4);
  for (const c of recorded.cases) {
    const model = floatModel(c, device);
    const tolerance = c.dtype === "float32" ? 1e-5 : 1e-2;
    using input = recorded.load(`${c.name}.input`, device);
    using floatOutput = model.forward(input);
    assertLess(await relativeError(floatOutput, `${c.name}.float_output`, device), tolerance);

    const common = { eps: finfo(float32).eps, scaleDtype: float32, zeroPointDtype: float32 };
    const observer = (granularity: PerTensor | PerAxis) =>
      new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, { granularity, ...common });
    insertObservers_(model, observer(new PerTensor()), observer(new PerAxis(0)));
    for (let i = 0; i < c.calibrationBatches; i++) {
      model.forward(recorded.load(`${c.name}.calibration${i}`, device));
    }
    const swapped = await quantize_(
      model,
      new StaticQuantConfig({ targetDtype: uint8 }),
      isObservedLinear,
    );
    assertEquals(swapped, ["linear1", "linear2"]);

    for (const [name, layer] of model.namedChildren()) {
      const at = `${c.name}.${name}`;
      assert(layer instanceof QuantizedLinear);
      await recorded.same(layer.qweight.scale, `${at}.weight_scale`);
      await recorded.same(layer.qweight.zeroPoint!, `${at}.weight_zero_point`);
      using qweight = layer.qweight.intData();
      await recorded.same(qweight, `${at}.qweight`);

      // What the second layer observed are float outputs of the first, equal but for rounding.
      const first = name === "linear1";
      using actScale = recorded.load(`${at}.act_scale`, device);
      using actZeroPoint = recorded.load(`${at}.act_zero_point`, device);
      if (first) {
        await recorded.same(layer.actScale, `${at}.act_scale`);
        await recorded.same(layer.actZeroPoint, `${at}.act_zero_point`);
      } else {
        assertLess(await relativeError(layer.actScale, `${at}.act_scale`, device), tolerance);
      }

      // Each layer is judged on the reference's input and range, so that no difference counts twice.
      const judged = new QuantizedLinear({ ...layer, actScale, actZeroPoint });
      using x = first ? input.clone() : recorded.load(`${c.name}.linear1.output`, device);
      using q = quantizeAffine(x, x.shape, actScale, actZeroPoint, uint8);
      await recorded.same(q, `${at}.qinput`);
      using y = judged.forward(x);
      assertLess(await relativeError(y, `${at}.output`, device), tolerance, `${at}.output`);
    }
    using output = model.forward(input);
    assertLess(
      await relativeError(output, `${c.name}.quantized_output`, device),
      c.dtype === "float32" ? 1e-3 : 2e-2,
    );
    const sqnr = await computeError(floatOutput, output);
    const difference = Math.abs(sqnr - c.sqnr);
    assertLess(difference, c.dtype === "float32" ? 1e-3 : 0.5, `${c.name}: SQNR in dB`);
  }
});
