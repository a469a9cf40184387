import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  bfloat16,
  type DType,
  finfo,
  float16,
  float32,
  insertObservers_,
  int8,
  Linear,
  linear,
  manualSeed,
  randn,
  relu,
  Sequential,
  type Tensor,
  tensor,
  uint8,
  zeros,
} from "../../mod.ts";
import { AffineQuantizedMinMaxObserver, init, MappingType, PerTensor } from "../../mod.ts";
import { eachBackend } from "../backends.ts";
import { ulp, uniform } from "../oracles.ts";

/**
 * Compares with the float64 product. Adding K + 1 terms in float32, in any order, is off by at most
 * (K + 2)·2⁻²⁴ of the sum of magnitudes; the result is then rounded once to its dtype.
 */
async function checkProduct(y: Tensor, x: Tensor, w: Tensor, b: Tensor | null): Promise<void> {
  const [n, k] = w.shape;
  const [ys, xs, ws] = await Promise.all([y.data(), x.data(), w.data()]);
  const bs = b && await b.data();
  assertEquals(ys.length, xs.length / k * n);
  for (let i = 0; i < ys.length; i++) {
    const [row, column] = [Math.floor(i / n), i % n];
    let sum = bs ? bs[column] : 0;
    let magnitude = Math.abs(sum);
    for (let t = 0; t < k; t++) {
      const product = xs[row * k + t] * ws[column * k + t];
      sum += product;
      magnitude += Math.abs(product);
    }
    const accumulated = (k + 2) * 2 ** -24 * magnitude;
    const tolerance = accumulated + ulp(y.dtype, Math.abs(sum) + accumulated) / 2;
    assertAlmostEquals(ys[i], sum, tolerance, `element ${i} of ${y.shape} for k = ${k}`);
  }
}

const sizes = [
  [1, 1, 1],
  [1, 3, 17],
  [3, 17, 1],
  [17, 1, 63],
  [1, 64, 64],
  [65, 63, 3],
  [5, 65, 65],
  [63, 65, 16],
  [2, 17, 8],
];

function layer(n: number, k: number, bias: boolean, dtype: DType, seed: number): Linear {
  const l = new Linear(k, n, { bias, dtype });
  l.weight = tensor(uniform(seed, n * k), { shape: [n, k], dtype });
  if (bias) l.bias = tensor(uniform(seed + 1, n, -3, 3), { dtype });
  return l;
}

for (const dtype of [float32, float16, bfloat16]) {
  eachBackend(`Linear multiplies ${dtype.name} of every size`, async () => {
    for (const [i, [m, n, k]] of sizes.entries()) {
      for (const bias of [true, false]) {
        const l = layer(n, k, bias, dtype, i);
        using x = tensor(uniform(i + 50, m * k, -4, 4), { shape: [m, k], dtype });
        using y = l.forward(x);
        assertStrictEquals(y.dtype, dtype);
        assertEquals([...y.shape], [m, n]);
        await checkProduct(y, x, l.weight as Tensor, l.bias);
      }
    }
  });
}

eachBackend("leading dimensions are kept, none and none-sized ones too", async () => {
  const l = layer(3, 5, true, float32, 7);
  for (const leading of [[], [4], [2, 3], [2, 1, 3], [0], [2, 0]]) {
    using x = randn([...leading, 5]);
    using y = l.forward(x);
    assertEquals([...y.shape], [...leading, 3]);
    await checkProduct(y, x, l.weight as Tensor, l.bias);
  }
});

eachBackend("a bias may be of another float dtype than the weight", async () => {
  using x = tensor(uniform(1, 6), { shape: [2, 3], dtype: bfloat16 });
  using w = tensor(uniform(2, 12), { shape: [4, 3], dtype: bfloat16 });
  using b = tensor(uniform(3, 4));
  using y = linear(x, w, b);
  await checkProduct(y, x, w, b);
});

eachBackend("infinities and NaN go through as IEEE has it", async () => {
  for (const dtype of [float32, float16, bfloat16]) {
    using x = tensor([[Infinity, 1], [NaN, 1], [dtype.max, dtype.max]], { dtype });
    using w = tensor([[1, 1], [-1, 1]], { dtype });
    using y = linear(x, w);
    const [a, b, c, d, e, f] = await y.data();
    assertEquals([a, b, c, d, e, f], [Infinity, -Infinity, NaN, NaN, Infinity, 0], dtype.name);
  }
});

eachBackend("weights start uniform on ±1/√inFeatures, the same for the same seed", async () => {
  manualSeed(11);
  const a = new Linear(100, 200);
  manualSeed(11);
  const b = new Linear(100, 200);
  const values = [...await (a.weight as Tensor).data()];
  assertEquals([...await (b.weight as Tensor).data()], values);
  assert(values.every((v) => Math.abs(v) <= 0.1));
  const variance = values.reduce((sum, v) => sum + v * v, 0) / values.length;
  assertAlmostEquals(variance, 0.01 / 3, 0.0001);
  assert((await a.bias!.data()).every((v) => Math.abs(v) <= 0.1));
});

eachBackend("relu zeroes what is negative and keeps NaN", async () => {
  for (const dtype of [float32, float16, bfloat16]) {
    using x = tensor([-1, -0, 0, 2.5, -Infinity, Infinity, NaN, finfo(dtype).tiny, -1e-30], {
      dtype,
    });
    using y = relu(x);
    const expected = [0, 0, 0, 2.5, 0, Infinity, NaN, finfo(dtype).tiny, 0];
    const actual = [...await y.data()];
    expected.forEach((v, i) => assertStrictEquals(actual[i], v, `${dtype.name} ${i}`));
  }
});

eachBackend("a wrong inFeatures names the layer and both shapes", () => {
  const m = new Sequential({ fc: new Linear(4, 3) });
  assertThrows(
    () => m.forward(zeros([2, 5])),
    RangeError,
    "Linear: the input's last dimension must be inFeatures = 4, got an input of shape (2, 5) for a " +
      "weight of shape (3, 4)",
  );
  const observer = () =>
    new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, {
      granularity: new PerTensor(),
    });
  insertObservers_(m, observer(), observer());
  assertThrows(() => m.forward(zeros([2, 5])), RangeError, "fc (ObservedLinear): the input's last");
  assertThrows(() => m.forward(tensor(3)), RangeError, "inFeatures = 4");
});

eachBackend("mixed dtypes are refused, with the conversion to make", () => {
  const l = new Linear(4, 3, { dtype: bfloat16 });
  assertThrows(
    () => l.forward(zeros([2, 4])),
    TypeError,
    "Linear: the input is float32 and the weight bfloat16; both must be the same float dtype: " +
      "convert one with .to(bfloat16)",
  );
  assertThrows(() => linear(zeros([1, 1], { dtype: uint8 }), zeros([1, 1])), TypeError, "uint8");
  assertThrows(
    () => relu(zeros([1], { dtype: uint8 })),
    TypeError,
    "relu: expected a float tensor",
  );
});

eachBackend("a bias that does not fit is refused", () => {
  const [x, w] = [zeros([2, 4]), zeros([3, 4])];
  assertThrows(
    () => linear(x, w, zeros([4])),
    RangeError,
    "the bias must have shape (3,), got (4,)",
  );
  assertThrows(() => linear(x, w, zeros([1, 3])), RangeError, "got (1, 3)");
});

Deno.test("tensors on different devices are refused", async () => {
  await init({ device: "webgpu" });
  const l = new Linear(2, 2);
  assertThrows(
    () => l.forward(zeros([1, 2], { device: "cpu" })),
    Error,
    'Linear: tensors live on different devices (cpu and webgpu); bring them together with `await x.to("cpu")`',
  );
});

eachBackend(
  "a layer without inputs has a bias of zeros, one without outputs gives nothing",
  async (device) => {
    const none = new Linear(0, 4, { device });
    assertEquals([...await (none.bias as Tensor).data()], [0, 0, 0, 0]);
    assertEquals((none.weight as Tensor).shape, [4, 0]);
    using y = none.forward(zeros([3, 0], { device }));
    assertEquals([...await y.data()], Array(12).fill(0));
    using z = new Linear(4, 0, { device }).forward(zeros([3, 4], { device }));
    assertEquals(z.shape, [3, 0]);
  },
);

Deno.test("sizes and options that are none are refused", () => {
  const make = (...args: unknown[]) => () => new Linear(...args as [number, number]);
  assertThrows(
    make(4.5, 2),
    RangeError,
    "Linear: inFeatures must be a non-negative integer, got 4.5",
  );
  assertThrows(make(4), RangeError, "outFeatures must be a non-negative integer, got undefined");
  assertThrows(make("4", 2), RangeError, `got the text "4"`);
  assertThrows(make(4, -2), RangeError, "outFeatures");
  assertThrows(
    make(4, 2, false),
    TypeError,
    "must be an object { bias, dtype, device, weight }, got false",
  );
  assertThrows(make(4, 2, { biass: false }), TypeError, "did you mean bias?");
  assertThrows(make(4, 2, { dtype: "float16" }), TypeError, "give the value float16");
  assertThrows(make(4, 2, { dtype: int8 }), TypeError, "drawn as floats");
});
