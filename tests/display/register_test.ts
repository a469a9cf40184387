import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  AffineQuantizedFixedQParamObserver,
  AffineQuantizedMinMaxObserver,
  type AffineQuantizedTensor,
  compile,
  Conv2d,
  type Device,
  type DisplayBundle,
  insertObservers_,
  isObserved,
  isObservedLinear,
  Linear,
  LinearActivationQuantizedTensor,
  MappingType,
  Module,
  PerAxis,
  PerTensor,
  quantize_,
  QuantizedLinear,
  randn,
  ReLU,
  Sequential,
  StaticQuantConfig,
  StaticQuantTensorConfig,
  Tensor,
  tensor,
  toAffineQuantizedIntxStatic,
  uint8,
} from "../../mod.ts";
import { eachBackend } from "../backends.ts";

/** What a notebook would show of a value. */
async function display(value: unknown): Promise<DisplayBundle> {
  // deno-lint-ignore no-explicit-any -- a symbol that the types do not know
  const bundle = await (value as any)[Symbol.for("Jupyter.display")]();
  assertEquals(Object.keys(bundle), ["text/html", "text/plain"]);
  return bundle;
}

/** The texts of an HTML table's cells, row by row. */
function cells(html: string): string[][] {
  return [...html.matchAll(/<tr>(.*?)<\/tr>/g)].map(([, row]) =>
    [...row.matchAll(/<t[hd][^>]*>(.*?)<\/t[hd]>/g)].map(([, cell]) => cell)
  );
}

const observer = (granularity: PerTensor | PerAxis) =>
  new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, { granularity });

function observedModel(device: Device): Sequential {
  const model = new Sequential({ fc: new Linear(8, 4, { device }), relu: new ReLU() });
  insertObservers_(model, observer(new PerTensor()), observer(new PerAxis(0)));
  return model;
}

eachBackend("a tensor shows shape, dtype, device and elements", async (device) => {
  using t = tensor([[1, 2], [3, 4]], { dtype: uint8 });
  const { "text/html": html, "text/plain": text } = await display(t);
  assertStringIncludes(html, `Tensor 2 × 2 · uint8 · ${device} · 4 B`);
  assertEquals(cells(html), [["1", "2"], ["3", "4"]]);
  assertStringIncludes(text, "tensor([[1, 2],\n        [3, 4]]");
  assertStringIncludes(text, `shape=[2, 2], dtype=uint8, device=${device}`);
});

Deno.test("a large tensor shows six rows and columns", async () => {
  using t = randn([100, 50], { device: "cpu" });
  const rows = cells((await display(t))["text/html"]);
  assertEquals(rows.map((row) => row.length), Array(7).fill(7));
});

Deno.test("tensors of any rank and no elements show themselves", async () => {
  for (const shape of [[], [0], [3], [2, 0], [2, 3, 4], [1, 2, 3, 4]]) {
    using t = randn(shape, { device: "cpu" });
    await display(t);
  }
});

Deno.test("a disposed tensor shows that it is gone", async () => {
  const t = tensor([1, 2], { device: "cpu" });
  t.dispose();
  assertStringIncludes((await display(t))["text/html"], "disposed");
  assertStringIncludes(Deno.inspect(t), "disposed");
});

Deno.test("the console shows kinds, without elements and without waiting", () => {
  using t = tensor([1, 2], { device: "cpu" });
  assertEquals(Deno.inspect(t), "Tensor(shape=[2], dtype=float32, device=cpu)");
  assertEquals(
    Deno.inspect(observer(new PerTensor())),
    "AffineQuantizedMinMaxObserver(ASYMMETRIC, uint8, PerTensor(), 0 batches)",
  );
  const model = new Sequential({ relu: new ReLU() });
  assertEquals(Deno.inspect(model), "Sequential(\n  (relu): ReLU()\n)");
  Deno.inspect(Tensor.prototype);
  Deno.inspect(Module.prototype);
});

eachBackend("an observer shows what it saw", async () => {
  const seen = observer(new PerTensor());
  assertStringIncludes((await display(seen))["text/html"], "before any data");
  seen.forward(tensor([-1, 0, 1.55]));
  seen.forward(tensor([0.5, 0.25, 0]));
  const { "text/html": html } = await display(seen);
  assertStringIncludes(html, "2 batches");
  assertEquals(cells(html), [
    ["from", "to", "scale", "zero point"],
    ["−1", "1.55", "0.01", "100"],
  ]);
  seen.forward(tensor([NaN]));
  assertStringIncludes((await display(seen))["text/html"], "NaN");
});

Deno.test("an observer for each row shows a few of them", async () => {
  const seen = observer(new PerAxis(0));
  seen.forward(randn([20, 3], { device: "cpu" }));
  const rows = cells((await display(seen))["text/html"]);
  assertEquals(rows.map(([block]) => block), ["block", "0", "1", "2", "…", "17", "18", "19"]);
});

Deno.test("an observer of fixed parameters shows them", async () => {
  const fixed = new AffineQuantizedFixedQParamObserver(MappingType.ASYMMETRIC, uint8, {
    granularity: new PerTensor(),
    scale: tensor([0.5], { device: "cpu" }),
  });
  assertEquals(cells((await display(fixed))["text/html"]), [["scale", "zero point"], ["0.5", "0"]]);
});

eachBackend("a model shows its layers before and after", async (device) => {
  const model = observedModel(device);
  const before = await display(model);
  assertEquals(before["text/plain"], String(model));
  assertEquals(cells(before["text/html"])[2], [
    "fc",
    "ObservedLinear",
    "weight 4 × 8, bias 4",
    "float32",
    "144 B",
  ]);
  model.forward(randn([3, 8]));
  await quantize_(model, new StaticQuantConfig({ targetDtype: uint8 }), isObservedLinear);
  const row = cells((await display(model))["text/html"])[2];
  assertEquals(row.slice(0, 4), [
    "fc",
    "QuantizedLinear",
    "qweight 4 × 8, bias 4, actScale, actZeroPoint",
    "uint8",
  ]);
});

eachBackend("an integer layer shows scales, zero points and bytes", async (device) => {
  const model = observedModel(device);
  model.forward(tensor([[-1, 0, 0, 0, 0, 0, 0, 1.55]]));
  await quantize_(model, new StaticQuantConfig({ targetDtype: uint8 }), isObservedLinear);
  const [, layer] = model.namedChildren()[0];
  assert(layer instanceof QuantizedLinear);
  const { "text/html": html } = await display(layer);
  assertEquals(cells(html)[1], ["input", "… × 8", "uint8", "1", "0.01", "100"]);
  assertStringIncludes(html, "144 B as float32");
  assertStringIncludes(
    Deno.inspect(layer),
    `8 → 4, input uint8, weight uint8, with bias, ${device}`,
  );
  layer.actScale.dispose();
  assertStringIncludes((await display(layer))["text/html"], "disposed");
});

eachBackend(
  "an integer convolution shows all of its channels and its whole weight",
  async (device) => {
    const model = new Sequential({ conv: new Conv2d(4, 8, 3, { groups: 2, device }) });
    insertObservers_(model, observer(new PerTensor()), observer(new PerAxis(0)));
    model.forward(randn([1, 4, 5, 5], { device }));
    await quantize_(model, new StaticQuantConfig({ targetDtype: uint8 }), isObserved);
    const [, layer] = model.namedChildren()[0];
    const { "text/html": html } = await display(layer);
    assertEquals(cells(html).map(([, shape]) => shape), [
      "shape",
      "… × 4 × … × …",
      "8 × 2 × 3 × 3",
    ]);
    assertStringIncludes(html, "608 B as float32");
    assertStringIncludes(Deno.inspect(layer), "QuantizedConv2d(4 → 8, input uint8");
  },
);

eachBackend("a quantized tensor shows integers, scales and zero points", async () => {
  using q = toAffineQuantizedIntxStatic(
    tensor([[0, 0.5], [1, 2]]),
    tensor([0.5]),
    tensor([3]),
    [2, 2],
    uint8,
  );
  const { "text/html": html, "text/plain": text } = await display(q);
  assertEquals(cells(html), [["3", "4"], ["5", "7"], ["0.5000"], ["3."]]);
  assertStringIncludes(text, "int_data=[[3, 4],");
  q.packedRows();
  assertEquals((await display(q))["text/html"].includes("<td"), true);
  q.dispose();
  assertStringIncludes((await display(q))["text/plain"], "disposed");
});

Deno.test("a weight that quantizes its input shows itself", async () => {
  const model = observedModel("cpu");
  model.forward(randn([3, 8], { device: "cpu" }));
  await quantize_(model, new StaticQuantTensorConfig({ targetDtype: uint8 }), isObservedLinear);
  const layer = model.namedChildren()[0][1] as Linear;
  assertStringIncludes((await display(layer.weight))["text/plain"], "int_data=");
  assertEquals(cells((await display(model))["text/html"])[2][3], "uint8");
});

Deno.test("a layer of one's own shows the dtype of the integers that it holds", async () => {
  class Own extends Module {
    constructor(readonly qweight: AffineQuantizedTensor | LinearActivationQuantizedTensor) {
      super();
    }
    override forward(x: Tensor): Tensor {
      return this.qweight.linear(x, null);
    }
  }
  const model = observedModel("cpu");
  model.forward(randn([3, 8], { device: "cpu" }));
  await quantize_(model, new StaticQuantTensorConfig(uint8), isObservedLinear);
  const { weight } = model.namedChildren()[0][1] as Linear;
  assert(weight instanceof LinearActivationQuantizedTensor);
  for (const held of [weight, weight.originalWeight]) {
    const { "text/html": html } = await display(new Sequential(new Own(held)));
    assertEquals(cells(html)[2].slice(0, 4), ["0", "Own", "qweight 4 × 8", "uint8"]);
  }
});

Deno.test("names of a user's classes are escaped", async () => {
  class Evil extends ReLU {}
  Object.defineProperty(Evil, "name", { value: "<b>Evil</b>" });
  const { "text/html": html } = await display(new Sequential({ "<i>": new Evil() }));
  assert(!html.includes("<b>") && !html.includes("<i>"));
});

Deno.test("only plotting code, at its first use, loads the plot libraries", async () => {
  const folder = new URL("../../lib/plot/", import.meta.url);
  for await (const { name } of Deno.readDir(folder)) {
    const source = await Deno.readTextFile(new URL(name, folder));
    const loads = source.match(/^import (?!type).*"(@observablehq\/plot|linkedom)"/gm);
    assertEquals(loads, null, name);
  }
});

eachBackend("a compiled model shows the one that it was made from", async (device) => {
  const compiled = compile(new Sequential({ fc: new Linear(8, 4, { device }) }));
  const { "text/html": html, "text/plain": text } = await display(compiled);
  assertStringIncludes(html, "OptimizedModule of Sequential");
  assertEquals(text, String(compiled));
  assertStringIncludes(Deno.inspect(compiled), "(_orig_mod): Sequential(");
});
