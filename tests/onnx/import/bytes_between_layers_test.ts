/** A float graph that is observed and quantized here, with bytes from layer to layer: PP-OCRv4's recognizer. */
import { assert, assertEquals } from "@std/assert";
import * as ort from "onnxruntime-node";
import {
  AffineQuantizedMinMaxObserver,
  compile,
  computeError,
  deepcopy,
  type Device,
  type Granularity,
  importOnnx,
  insertObservers_,
  int8,
  isObserved,
  loadQuantizedModel_,
  MappingType,
  type Module,
  PerAxis,
  PerTensor,
  quantize_,
  saveQuantizedModel,
  StaticQuantConfig,
  tensor,
  uint8,
} from "../../../mod.ts";
import { eachBackend } from "../../backends.ts";
import { floats, node, smallModel } from "../small_models.ts";
import { assertSame, noise } from "./against_onnxruntime.ts";
import { image, recognition } from "../ocr_models.ts";

const observer = (granularity: Granularity, dtype = uint8) =>
  new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, dtype, { granularity });

const line = (seed: number, device: Device) => {
  const { data, dims } = image([1, 3, 48, 32], seed);
  return tensor(data as Float32Array, { shape: [...dims], device });
};

/** How many layers of each class a model has. */
function classes(model: Module): Map<string, number> {
  const counts = new Map<string, number>();
  for (const [, { constructor: { name } }] of model.namedModules()) {
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

eachBackend("a recognizer hands bytes from layer to layer", async (device) => {
  const float = await importOnnx(recognition, { device });
  const model = deepcopy(float);
  // The CPU backend is for reference, and slow.
  const lines = (device === "cpu" ? [0] : [0, 1]).map((seed) => line(seed, device));
  const weights = observer(new PerAxis(0), int8);
  const activationPostProcess = observer(new PerTensor());
  insertObservers_(model, observer(new PerTensor()), weights, undefined, { activationPostProcess });
  for (const x of lines) model.forward(x).dispose();
  const config = new StaticQuantConfig({ targetDtype: uint8, weightDtype: int8 });
  await quantize_(model, config, isObserved);
  const counts = classes(model);
  const kinds = ["Conv2d", "Linear", "Table", "Pool", "Mul"].map((kind) =>
    counts.get(`Quantized${kind}`)
  );
  assertEquals(kinds, [38, 9, 54, 3, 2]);

  // Between the convolutions there are no floats: all of them but the first get bytes that they take.
  let taken = 0;
  for (const [, module] of model.namedModules()) {
    if (module.constructor.name !== "QuantizedConv2d") continue;
    const forward = module.forward.bind(module);
    Object.defineProperty(module, "forward", {
      configurable: true,
      value: (x: ReturnType<typeof line>) => {
        if (x.isQuantized) taken++;
        return forward(x);
      },
    });
  }
  using y = model.forward(lines[0]);
  for (const [, module] of model.namedModules()) delete (module as Partial<Module>).forward;
  assert(taken >= 33, `${taken} of 38 convolutions get bytes`);
  assert(!y.isQuantized, "the caller gets floats");
  using exact = float.forward(lines[0]);
  assert(await computeError(exact, y).then(Number) > 5);

  const loaded = await importOnnx(recognition, { device });
  loadQuantizedModel_(loaded, await saveQuantizedModel(model));
  using again = loaded.forward(lines[0]);
  assertEquals(await again.bytes(), await y.bytes());
  if (device === "cpu") return;
  using compiled = compile(model);
  for (const x of lines) {
    using expected = model.forward(x);
    using z = compiled.forward(x);
    assertEquals(await z.bytes(), await expected.bytes());
  }
});

Deno.test("sums, products and concatenations of computed floats are layers, those of integers are not", async () => {
  const model = smallModel({
    opset: 17,
    inputs: { a: ["float32", 2, 4], b: ["float32", 2, 4], n: ["int64", 2, 4] },
    outputs: ["y", "m"],
    constants: [
      floats("one", [], [1]),
      floats("two", [1, 1], [2]),
      floats("row", [4], [1, 2, 3, 4]),
    ],
    nodes: [
      node("Add", ["a", "b"], ["sum"]),
      node("Tanh", ["sum"], ["t"]),
      node("Mul", ["t", "b"], ["product"]),
      node("Add", ["one", "product"], ["more"]),
      node("Sigmoid", ["more"], ["s"]),
      node("Mul", ["s", "two"], ["twice"]),
      node("Tanh", ["twice"], ["u"]),
      node("Add", ["u", "row"], ["rows"]),
      node("Concat", ["rows", "a"], ["y"], { axis: { i: 0 } }),
      node("Add", ["n", "n"], ["m"]),
    ],
  });
  const feeds = {
    a: noise([2, 4]),
    b: noise([2, 4]),
    n: new ort.Tensor("int64", new BigInt64Array(8), [2, 4]),
  };
  const module = await assertSame(model, feeds, "cpu");
  const children = module.namedChildren().map(([, { constructor }]) => constructor.name);
  assertEquals(children.filter((name) => /Add|Mul|Cat/.test(name)), [
    "Add",
    "Mul",
    "AddScalar",
    "MulScalar",
    "Cat",
  ]);
});
