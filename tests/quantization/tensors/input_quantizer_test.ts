import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import {
  deepcopy,
  dynamicInputQuantizer,
  init,
  int8,
  Linear,
  randn,
  staticInputQuantizer,
  type Tensor,
  tensor,
  toAffineQuantizedIntxStatic,
  toAffineQuantizedPerToken,
  toLinearActivationQuantized,
  uint8,
} from "../../../mod.ts";
import { eachBackend } from "../../backends.ts";

const quantize = (x: Tensor, scale: number) =>
  toAffineQuantizedIntxStatic(x, tensor([scale]), tensor([128]), x.shape, uint8);

/** A layer whose weight is quantized. */
function layer(input: Parameters<typeof toLinearActivationQuantized>[1]) {
  const linear = new Linear(32, 8);
  const weight = toLinearActivationQuantized(quantize(linear.weight as Tensor, 0.003), input);
  linear.weight = weight;
  return { linear, weight };
}

eachBackend("an input quantizer as data computes what the function does", async () => {
  const x = randn([3, 32]);
  const pairs = [
    [staticInputQuantizer(tensor([0.03]), tensor([128]), uint8), (t: Tensor) => quantize(t, 0.03)],
    [dynamicInputQuantizer(), (t: Tensor) => toAffineQuantizedPerToken(t)],
    [
      dynamicInputQuantizer({ quantMin: -32, quantMax: 31 }),
      (t: Tensor) => toAffineQuantizedPerToken(t, { quantMin: -32, quantMax: 31 }),
    ],
  ] as const;
  for (const [data, custom] of pairs) {
    const { linear, weight } = layer(data);
    const { originalWeight, inputQuantFunc } = weight;
    const expected = await linear.forward(x).data();
    for (const input of [custom, inputQuantFunc]) {
      linear.weight = toLinearActivationQuantized(originalWeight, input);
      assertEquals(await linear.forward(x).data(), expected);
    }
  }
});

eachBackend("a copy has an input scale of its own", async () => {
  const { linear } = layer(staticInputQuantizer(tensor([0.03]), tensor([128]), uint8));
  const x = randn([3, 32]);
  const expected = await linear.forward(x).data();
  const copy = deepcopy(linear);
  assertEquals(Object.keys(linear.stateDict()).filter((key) => key.includes("input")), [
    "weight.inputScale",
    "weight.inputZeroPoint",
  ]);
  for (const t of Object.values(linear.stateDict())) t.dispose();
  assertEquals(await copy.forward(x).data(), expected);
});

Deno.test("a weight whose input goes through a function stays where it is, and says why", async () => {
  await init({ device: "webgpu" });
  const { linear, weight } = layer((x) => quantize(x, 0.03));
  const { message } = await assertRejects(() => linear.to("cpu"), Error);
  assertStringIncludes(message, "cannot move to cpu");
  assertStringIncludes(message, "staticInputQuantizer");
  assertEquals(linear.weight, weight);
  assertEquals((linear.bias as Tensor).device, "webgpu");
});

eachBackend("what is no input quantizer is refused with a sentence", () => {
  const one = tensor([1]);
  assertThrows(
    () => staticInputQuantizer(tensor([1, 2]), null, int8),
    RangeError,
    "staticInputQuantizer: scale must be one number, got 2 of them",
  );
  assertThrows(
    () => staticInputQuantizer(one, null, uint8, { quantMin: -1 }),
    RangeError,
    "quantMin -1",
  );
  assertThrows(
    () => dynamicInputQuantizer({ quantMin: 0 }),
    RangeError,
    "dynamicInputQuantizer: quantMin 0 and quantMax 127 are not symmetric about zero",
  );
  assertThrows(() => dynamicInputQuantizer({ eps: 0 }), RangeError, "eps must be above 0");
  for (const wrong of [undefined, "static", { kind: "statc" }]) {
    assertThrows(
      () => layer(wrong as never),
      TypeError,
      "LinearActivationQuantizedTensor: the input quantizer must come from staticInputQuantizer",
    );
  }
});
