/** Imported models written back. */
import { assert, assertEquals } from "@std/assert";
import {
  AffineQuantizedMinMaxObserver,
  Conv2d,
  exportOnnx,
  importOnnx,
  insertObservers_,
  int8,
  isObserved,
  Linear,
  loadOnnx,
  MappingType,
  mul,
  PerAxis,
  PerTensor,
  quantize_,
  StaticQuantConfig,
  type Tensor,
  uint8,
} from "../../../mod.ts";
import { eachBackend } from "../../backends.ts";
import { assertAgree, noise, runFile, runModule } from "./against_onnxruntime.ts";

const nets = new URL("../../testdata/nets/", import.meta.url);

eachBackend(
  "an imported model is written back as its graph, with the weights that it has now",
  async (device) => {
    for (const name of ["resnet_13", "vit_20", "unet_20", "gru_20"]) {
      const module = await importOnnx(new URL(`${name}.onnx`, nets), { device });
      const [info] = module.inputs;
      const x = noise(info.shape!.map((size) => typeof size === "number" ? size : 2));
      const layers = module.namedModules().map(([, layer]) => layer);
      const layer = layers.find((each) => each instanceof Linear || each instanceof Conv2d)!;
      layer.weight = mul(layer.weight as Tensor, 0.5).keep();
      const bytes = await exportOnnx(module);
      await assertAgree(runModule(module, { x }, device), await runFile(bytes, { x }), 2e-6);
      const again = await importOnnx(bytes, { device });
      assertEquals(again.namedModules().length, module.namedModules().length);
    }
  },
);

eachBackend(
  "layers that were quantized are written as QuantizeLinear and DequantizeLinear",
  async (device) => {
    const observer = (type: typeof uint8, granularity: PerTensor | PerAxis) =>
      new AffineQuantizedMinMaxObserver(
        type === uint8 ? MappingType.ASYMMETRIC : MappingType.SYMMETRIC,
        type,
        { granularity },
      );
    for (const name of ["vit_20", "resnet_13"]) {
      const module = await importOnnx(new URL(`${name}.onnx`, nets), { device });
      const [info] = module.inputs;
      const x = noise(info.shape!.map((size) => typeof size === "number" ? size : 2));
      insertObservers_(module, observer(uint8, new PerTensor()), observer(int8, new PerAxis(0)));
      runModule(module, { x }, device);
      const config = new StaticQuantConfig({ targetDtype: uint8, weightDtype: int8 });
      const names = await quantize_(module, config, isObserved);
      assert(names.length >= 5);
      const bytes = await exportOnnx(module);
      const { graph } = await loadOnnx(bytes);
      assertEquals(
        graph.node.filter(({ opType }) => opType === "QuantizeLinear").length,
        names.length,
      );
      await assertAgree(runModule(module, { x }, device), await runFile(bytes, { x }), 0.02);
    }
  },
);

eachBackend(
  "what layers hand on as bytes is written as bytes, and read back the same",
  async (device) => {
    const observer = (granularity: PerTensor | PerAxis) =>
      new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, { granularity });
    for (const name of ["mobilenet_20", "resnet_13"]) {
      const module = await importOnnx(new URL(`${name}.onnx`, nets), { device });
      const [info] = module.inputs;
      const x = noise(info.shape!.map((size) => typeof size === "number" ? size : 2));
      insertObservers_(module, observer(new PerTensor()), observer(new PerAxis(0)), undefined, {
        activationPostProcess: observer(new PerTensor()),
      });
      runModule(module, { x }, device);
      await quantize_(module, new StaticQuantConfig(uint8), isObserved);
      const handing = module.namedModules().filter(([, layer]) =>
        "output" in layer && layer.output
      );
      assert(handing.length >= 5, String(module));
      const bytes = await exportOnnx(module);
      const { graph } = await loadOnnx(bytes);
      const steps = graph.node.filter(({ opType }) => opType === "QuantizeLinear").length;
      assert(steps >= handing.length, `${steps} of ${handing.length}`);
      await assertAgree(runModule(module, { x }, device), await runFile(bytes, { x }), 0.03);
    }
  },
);
