/** The configs beside the static one: what the layers hold, print, compute and refuse. */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  AffineQuantizedTensor,
  type AOBaseConfig,
  backendFor,
  bfloat16,
  computeError,
  deepcopy,
  type DType,
  float16,
  float32,
  FqnToConfig,
  init,
  insertObservers_,
  Int4WeightOnlyConfig,
  int8,
  Int8DynamicActivationInt8WeightConfig,
  Int8StaticActivationInt4WeightConfig,
  Int8StaticActivationInt8WeightConfig,
  Int8WeightOnlyConfig,
  isObservedLinear,
  Linear,
  LinearActivationQuantizedTensor,
  MappingType,
  PerAxis,
  PerGroup,
  PerTensor,
  quantize_,
  QuantizedLinear,
  randn,
  ReLU,
  Sequential,
  StaticQuantConfig,
  type Tensor,
  tensor,
  toAffineQuantizedIntxStatic,
  toAffineQuantizedPerToken,
  uint4,
  uint8,
} from "../../../mod.ts";
import { eachBackend, few } from "../../backends.ts";
import { rint, ulp } from "../../oracles.ts";
import { minMax, single } from "../flow.ts";

const layer = (m: Sequential): Linear => m.namedChildren()[0][1] as Linear;

/** A weight's integers less their zero points, times their scales. */
async function dequantized(w: AffineQuantizedTensor): Promise<number[]> {
  using integers = w.intData();
  const [q, s, z] = await Promise.all([integers.data(), w.scale.data(), w.zeroPoint?.data()]);
  const k = w.blockSize[1];
  return Array.from(q, (v, i) => (v - (z?.[Math.floor(i / k)] ?? 0)) * s[Math.floor(i / k)]);
}

/** Asserts that `y` is `x·wᵀ + b` but for float32's rounding. */
async function assertProduct(
  y: Tensor,
  xs: ArrayLike<number>,
  ws: ArrayLike<number>,
  bias: Tensor | null,
  what: string,
): Promise<void> {
  const n = y.shape.at(-1)!;
  const k = ws.length / n;
  const [ys, bs] = await Promise.all([y.data(), bias?.data()]);
  for (let i = 0; i < ys.length; i++) {
    const [row, column] = [Math.floor(i / n), i % n];
    let expected = bs?.[column] ?? 0;
    let size = Math.abs(expected);
    for (let t = 0; t < k; t++) {
      const term = xs[row * k + t] * ws[column * k + t];
      expected += term;
      size += Math.abs(term);
    }
    const tolerance = size * 2 ** -22 + ulp(y.dtype, expected) * 0.501;
    assert(Math.abs(ys[i] - expected) <= tolerance, `${what} ${i}: ${ys[i]}, not ${expected}`);
  }
}

const SHAPES = [[1, 1], [17, 63], [65, 100], [3, 17]];

eachBackend("weight-only layers multiply by what their integers stand for", async () => {
  const cases: [AOBaseConfig, number[][]][] = [
    [new Int8WeightOnlyConfig(), SHAPES],
    [new Int8WeightOnlyConfig({ groupSize: 16 }), [[17, 48]]],
    [new Int4WeightOnlyConfig({ groupSize: 32 }), [[3, 32], [63, 160]]],
    [new Int4WeightOnlyConfig({ groupSize: 64 }), [[17, 192]]],
    [new Int4WeightOnlyConfig(), [[5, 256]]],
    [new Int4WeightOnlyConfig({ groupSize: 256 }), [[5, 512]]],
  ];
  for (const [config, shapes] of cases) {
    for (const [n, k] of few(shapes, 2)) {
      for (const dtype of few([float32, float16, bfloat16], 2)) {
        const m = single(k, n, { dtype, bias: n !== 3 });
        const float = deepcopy(m);
        assertEquals(await quantize_(m, config), ["fc"]);
        const { weight, bias } = layer(m);
        assert(weight instanceof AffineQuantizedTensor);
        const what = `${config.constructor.name} ${dtype.name} (${n}, ${k})`;
        using x = randn([2, 3, k], { dtype });
        using y = m.forward(x);
        assertEquals([y.shape, y.dtype], [[2, 3, n], dtype]);
        await assertProduct(y, await x.data(), await dequantized(weight), bias, what);
        // Half a step, and what rounding in a narrow dtype adds.
        const [exact, scale] = await Promise.all([
          (layer(float).weight as Tensor).data(),
          weight.scale.data(),
        ]);
        const rounding = 2 * ulp(dtype, 1);
        (await dequantized(weight)).forEach((w, i) => {
          const step = scale[Math.floor(i / weight.blockSize[1])];
          const most = 0.501 * step + rounding * Math.abs(exact[i]);
          assert(Math.abs(w - exact[i]) <= most, `${what}: ${w} for ${exact[i]}`);
        });
      }
    }
  }
});

eachBackend("dynamic layers multiply what each token is quantized to", async () => {
  for (const [n, k] of few(SHAPES, 2)) {
    for (const dtype of few([float32, float16, bfloat16], 2)) {
      const m = single(k, n, { dtype });
      await quantize_(m, new Int8DynamicActivationInt8WeightConfig());
      const { weight, bias } = layer(m);
      assert(weight instanceof LinearActivationQuantizedTensor);
      const w = await dequantized(weight.originalWeight);
      for (const rows of [1, 5, 40]) {
        using x = randn([rows, k], { dtype });
        using q = toAffineQuantizedPerToken(x);
        using y = m.forward(x);
        await assertProduct(
          y,
          await dequantized(q),
          w,
          bias,
          `${dtype.name} (${rows}, ${n}, ${k})`,
        );
      }
      using many = randn([2, 3, k], { dtype });
      assertEquals(m.forward(many).shape, [2, 3, n]);
      using none = m.forward(randn([0, k], { dtype }));
      assertEquals(none.shape, [0, n]);
    }
  }
});

eachBackend("static layers take a scale, or the one that was observed", async () => {
  const [n, k] = [17, 64];
  for (
    const config of [
      (actQuantScale?: number | Tensor) =>
        new Int8StaticActivationInt8WeightConfig({ actQuantScale }),
      (actQuantScale?: number | Tensor) =>
        new Int8StaticActivationInt4WeightConfig({ actQuantScale, groupSize: 32 }),
    ]
  ) {
    const float = single(k, n);
    using x = randn([5, k]);
    const observed = deepcopy(float);
    const { SYMMETRIC } = MappingType;
    insertObservers_(observed, minMax(SYMMETRIC, int8), minMax(SYMMETRIC, int8));
    observed.forward(x).dispose();
    await quantize_(observed, config(), isObservedLinear);
    const seen = observed.namedChildren()[0][1];
    assert(seen instanceof QuantizedLinear);
    const scale = await seen.actScale.item();
    const xs = Array.from(
      await x.data(),
      (v) => Math.min(Math.max(rint(Math.fround(v * Math.fround(1 / scale))), -128), 127) * scale,
    );
    using expected = observed.forward(x);
    await assertProduct(expected, xs, await dequantized(seen.qweight), seen.bias, "observed");
    for (const given of [scale, tensor(scale)]) {
      const m = deepcopy(float);
      await quantize_(m, config(given));
      assertEquals(await m.forward(x).data(), await expected.data());
    }
    assert(await computeError(float.forward(x), expected) > 15);
    await assertRejects(
      () => quantize_(deepcopy(float), config()),
      TypeError,
      "fc (Linear) no observer",
    );
  }
});

eachBackend("the layers print what they hold", async () => {
  const print = async (config: AOBaseConfig) => {
    const m = single(128, 8);
    await quantize_(m, config);
    return String(m);
  };
  const start = "(fc): Linear(in_features=128, out_features=8, bias=True, weight=";
  const int8Weight =
    "AffineQuantizedTensor(shape=[8, 128], block_size=[1, 128], target_dtype=int8, dtype=float32,";
  assertStringIncludes(await print(new Int8WeightOnlyConfig()), start + int8Weight);
  assertStringIncludes(await print(new Int4WeightOnlyConfig()), "target_dtype=uint4");
  assertStringIncludes(
    await print(new Int8DynamicActivationInt8WeightConfig()),
    `${start}LinearActivationQuantizedTensor(activation=int8SymmPerTokenQuant, ` +
      `weight=${int8Weight}`,
  );
  assertStringIncludes(
    await print(new Int8StaticActivationInt8WeightConfig({ actQuantScale: 0.1 })),
    "(fc): QuantizedLinear(",
  );
});

eachBackend("nbytes is what is held: 4-bit weights take half a byte", async (device) => {
  const m = single(256, 64, { bias: false });
  await quantize_(m, new Int4WeightOnlyConfig({ groupSize: 32 }));
  const weight = layer(m).weight as AffineQuantizedTensor;
  assertEquals(weight.nbytes, 64 * (128 + 8 * (4 + 1)));
  using x = randn([3, 256], { device });
  using y = m.forward(x);
  const copy = deepcopy(m);
  const copied = layer(copy).weight as AffineQuantizedTensor;
  assertEquals(copied.nbytes, weight.nbytes, "a copy stays packed");
  assert(copied.scale !== weight.scale);
  weight.dispose();
  weight.scale.dispose();
  using z = copy.forward(x);
  assertEquals(await z.data(), await y.data());
  assertThrows(() => m.forward(x), Error, "was disposed");
});

Deno.test("a dynamic layer's forward leaves no memory behind", async () => {
  for (const device of ["cpu", "webgpu"] as const) {
    await init({ device });
    const m = single(65, 17);
    await quantize_(m, new Int8DynamicActivationInt8WeightConfig());
    using x = randn([3, 65]);
    m.forward(x).dispose();
    const before = backendFor(device).memory();
    for (let i = 0; i < 5; i++) m.forward(x).dispose();
    assertEquals(backendFor(device).memory().liveBuffers, before.liveBuffers);
    assertEquals(backendFor(device).memory().liveBytes, before.liveBytes);
  }
});

eachBackend("4-bit weights in groups run in the static flow too", async () => {
  const m = single(64, 9);
  const float = deepcopy(m);
  const { ASYMMETRIC } = MappingType;
  insertObservers_(
    m,
    minMax(ASYMMETRIC, uint4, { granularity: new PerTensor() }),
    minMax(ASYMMETRIC, uint4, { granularity: new PerGroup(32) }),
  );
  using x = randn([40, 64]);
  m.forward(x).dispose();
  await quantize_(m, new StaticQuantConfig({ targetDtype: uint4 }), isObservedLinear);
  const q = m.namedChildren()[0][1] as QuantizedLinear;
  const [s, z] = [await q.actScale.item(), await q.actZeroPoint.item()];
  const xs = Array.from(await x.data(), (v) => {
    const steps = rint(Math.fround(v * Math.fround(1 / s))) + z;
    return (Math.min(Math.max(steps, 0), 15) - z) * s;
  });
  using y = m.forward(x);
  await assertProduct(y, xs, await dequantized(q.qweight), q.bias, "uint4 by uint4");
  assert(await computeError(float.forward(x), y) > 8);
});

eachBackend("a weight packed for floats takes any quantized input too", async (device) => {
  const m = single(64, 9, { bias: false });
  await quantize_(m, new Int4WeightOnlyConfig({ groupSize: 32 }));
  const weight = layer(m).weight as AffineQuantizedTensor;
  const before = weight.nbytes;
  const scale = tensor([0.02]);
  using x = randn([3, 64], { device });
  using q = toAffineQuantizedIntxStatic(x, scale, tensor([110]), [3, 64], uint8);
  const { liveBuffers } = backendFor(device).memory();
  using y = weight.linear(q, null);
  // An input with a zero point needs the sums of the groups, one int32 each.
  assertEquals(weight.nbytes, before + 9 * 2 * 4);
  assertEquals(backendFor(device).memory().liveBuffers, liveBuffers + 2);
  const xs = await q.dequantize().data();
  await assertProduct(y, xs, await dequantized(weight), null, "uint8 by uint4");
  using none = m.forward(randn([0, 64]));
  assertEquals(none.shape, [0, 9]);
});

/** A model whose names are up, act, down.first, down.second, head. */
function named(dtype: DType = float32): Sequential {
  return new Sequential({
    up: new Linear(32, 64, { dtype }),
    act: new ReLU(),
    down: new Sequential({ first: new Linear(64, 32), second: new Linear(32, 48) }),
    head: new Linear(48, 3),
  });
}

const kinds = (m: Sequential) =>
  m.namedModules().filter(([, l]) => l instanceof Linear || l instanceof QuantizedLinear).map((
    [name, l],
  ) =>
    `${name}: ${
      l instanceof QuantizedLinear
        ? "static"
        : (l as Linear).weight instanceof LinearActivationQuantizedTensor
        ? "dynamic"
        : (l as Linear).weight instanceof AffineQuantizedTensor
        ? ((l as Linear).weight as AffineQuantizedTensor).targetDtype.name
        : "float"
    }`
  ).join(", ");

eachBackend("FqnToConfig gives each module its own config", async () => {
  const int4 = new Int4WeightOnlyConfig({ groupSize: 32 });
  const weightOnly = new Int8WeightOnlyConfig();
  const dynamic = new Int8DynamicActivationInt8WeightConfig();
  let m = named();
  const names = await quantize_(
    m,
    new FqnToConfig({
      "re:down\\..*": dynamic,
      "down.first": int4,
      head: null,
      _default: weightOnly,
    }),
  );
  assertEquals(names, ["up", "down.first", "down.second"]);
  assertEquals(kinds(m), "up: int8, down.first: uint4, down.second: dynamic, head: float");
  assertEquals(m.forward(randn([2, 32])).shape, [2, 3]);

  m = named();
  await quantize_(m, new FqnToConfig(new Map([[/first|up/g, int4], [/./g, null]])));
  assertEquals(kinds(m), "up: uint4, down.first: uint4, down.second: float, head: float");

  m = named();
  insertObservers_(
    m,
    minMax("SYMMETRIC", int8),
    minMax("SYMMETRIC", int8),
    (_, name) => name === "up",
  );
  m.forward(randn([2, 32]));
  await quantize_(
    m,
    new FqnToConfig({ up: new Int8StaticActivationInt8WeightConfig(), "re:.*first": weightOnly }),
  );
  assertEquals(kinds(m), "up: static, down.first: int8, down.second: float, head: float");
});

eachBackend("a config that cannot be carried out changes nothing, and says why", async () => {
  const refused = async (config: AOBaseConfig, message: string) => {
    const m = named();
    const before = m.namedModules();
    const error = await assertRejects(() => quantize_(m, config), Error);
    assertStringIncludes(error.message, message);
    const after = m.namedModules();
    assertEquals(after.length, before.length);
    after.forEach(([, module], i) => assert(module === before[i][1]));
    assertEquals(kinds(m), "up: float, down.first: float, down.second: float, head: float");
  };
  await refused(
    new Int4WeightOnlyConfig({ groupSize: 32 }),
    "Int4WeightOnlyConfig has groupSize 32, which does not divide inFeatures = 48 of head (Linear)",
  );
});

eachBackend("a key that names nothing is passed over with a warning", async () => {
  const config = new Int8WeightOnlyConfig();
  const said: string[] = [];
  const { warn } = console;
  console.warn = (message: string) => said.push(message);
  try {
    const m = named();
    const keys = { tail: config, "re:x.*": null, _default: config };
    assertEquals(await quantize_(m, new FqnToConfig(keys)), [
      "up",
      "down.first",
      "down.second",
      "head",
    ]);
    await quantize_(named(), new FqnToConfig(new Map([[/^second/, config]])));
    for (const key of ["act", "re:down", "constructor", "re:layers\\..*"]) {
      assertEquals(await quantize_(named(), new FqnToConfig({ [key]: config })), []);
    }
  } finally {
    console.warn = warn;
  }
  const unused = said.filter((message) => message.startsWith("FqnToConfig"));
  assertEquals(
    unused[0],
    "FqnToConfig: tail, re:x.* match none of the modules that quantize_ may swap, which are: up, " +
      "down.first, down.second, head",
  );
  const keys = ["/^second/", "act", "re:down", "constructor", "re:layers\\..*"];
  keys.forEach((key, i) => assertStringIncludes(unused[i + 1], `FqnToConfig: ${key} matches none`));
});

eachBackend(
  "FqnToConfig takes parameters' names and Python's patterns, in torchao's order",
  async () => {
    const a = new Int8WeightOnlyConfig();
    const b = new Int8DynamicActivationInt8WeightConfig();
    const cases: [Record<string, AOBaseConfig | null>, Record<string, string>][] = [
      [{ "up.weight": a }, { up: "int8" }],
      [{ "up.weight": a, up: b }, { up: "int8" }],
      [{ "up.weight": null, up: a }, {}],
      [{ up: b, "re:up\\.weight": a }, { up: "dynamic" }],
      [{ "re:up": b, "re:up\\.weight": a }, { up: "int8" }],
      [{ "re:up\\.weight": null, "re:up": a }, {}],
      [{ "re:down\\.first.*": a, "re:.*first": b }, { "down.first": "int8" }],
      [{ "up.weight": null, _default: a }, {
        "down.first": "int8",
        "down.second": "int8",
        head: "int8",
      }],
      [{ "up.bias": null, "re:up": a }, {}],
      [{ "re:.*\\.bias": null, "re:up": a }, { up: "int8" }],
      [{ "re:(?P<n>up)": a }, { up: "int8" }],
      [{ "re:\\Aup\\Z": a }, { up: "int8" }],
      [{ "re:(?P<first>d)own\\.(?P<x>s)econ(?P=first)": b }, { "down.second": "dynamic" }],
      [{ "re:(?#the first)down\\.f.{,4}": a }, { "down.first": "int8" }],
      [{ "re:(?i)UP": a }, { up: "int8" }],
      [{ "re:(?is:U)p": a }, { up: "int8" }],
      [{ "re:[]u]p": a }, { up: "int8" }],
      [{ "re:[^]u]ead": a }, { head: "int8" }],
      [{ "re:u": a, "re:p": b }, {}],
    ];
    const { warn } = console;
    console.warn = () => {};
    try {
      for (const [keys, expected] of cases) {
        const m = named();
        await quantize_(m, new FqnToConfig(keys));
        const all = { up: "float", "down.first": "float", "down.second": "float", head: "float" };
        const wanted = Object.entries({ ...all, ...expected }).map(([n, kind]) => `${n}: ${kind}`);
        assertEquals(kinds(m), wanted.join(", "), JSON.stringify(Object.keys(keys)));
      }
    } finally {
      console.warn = warn;
    }
    const make = (key: string, value: unknown = a) => () =>
      new FqnToConfig({ [key]: value as null });
    assertThrows(
      make("up.bias"),
      TypeError,
      "names a bias, but configs quantize weights; name up.weight",
    );
    assertThrows(make("re:("), SyntaxError, "FqnToConfig: the pattern");
    assertThrows(make("re:(?x)up"), SyntaxError, "has the flag x");
    assertThrows(make("re:(?>up)"), SyntaxError, "is no regular expression here");
    assertThrows(make("up", Promise.resolve(a)), TypeError, "got a Promise; `await` it first");
    assertThrows(make("up", Int8WeightOnlyConfig), TypeError, "the class Int8WeightOnlyConfig");
    assertThrows(() => new FqnToConfig({ up: undefined as never }), TypeError, "got undefined");
    assertThrows(() => new FqnToConfig(undefined as never), TypeError, "got undefined");
  },
);

Deno.test("options that make no sense are refused when the config is made", () => {
  for (const groupSize of [0, 16, 48, 512, NaN]) {
    const message = `groupSize must be one of 32, 64, 128, 256, got ${groupSize}`;
    assertThrows(() => new Int4WeightOnlyConfig({ groupSize }), RangeError, message);
    assertThrows(
      () => new Int8StaticActivationInt4WeightConfig({ groupSize }),
      RangeError,
      message,
    );
  }
  for (const groupSize of [0, 8, -16, 1.5]) {
    assertThrows(() => new Int8WeightOnlyConfig({ groupSize }), RangeError, "multiple of 16");
  }
  for (const actQuantScale of [0, -1, NaN, Infinity]) {
    assertThrows(
      () => new Int8StaticActivationInt8WeightConfig({ actQuantScale }),
      RangeError,
      `actQuantScale must be one finite number above 0, got ${actQuantScale}`,
    );
  }
  const nested = new FqnToConfig({});
  assertThrows(() => new FqnToConfig({ a: nested }), TypeError, "the value of a must be a config");
  assertThrows(() => new FqnToConfig({ "re:(": null }), SyntaxError);
  const x = tensor([[1]]);
  const perToken = (options: Parameters<typeof toAffineQuantizedPerToken>[1]) => () =>
    toAffineQuantizedPerToken(x, options);
  assertThrows(perToken({ quantMin: -64 }), RangeError, "not symmetric about zero");
  assertThrows(perToken({ eps: 0 }), RangeError, "eps must be above 0");
  assertThrows(() => toAffineQuantizedPerToken(tensor(1)), RangeError, "has no rows");
});

eachBackend("an asymmetric observer is not a symmetric config's", async () => {
  const m = single(8, 2);
  const granularity = new PerAxis(0);
  insertObservers_(m, minMax("ASYMMETRIC", int8), minMax("SYMMETRIC", int8, { granularity }));
  m.forward(randn([2, 8]));
  await assertRejects(
    () => quantize_(m, new Int8StaticActivationInt8WeightConfig(), isObservedLinear),
    TypeError,
    "takes symmetric int8 inputs, but actObs of fc (ObservedLinear) is ASYMMETRIC for int8",
  );
  const other = new Sequential({ act: new ReLU() });
  await assertRejects(
    () => quantize_(other, new Int8WeightOnlyConfig(), (_, name) => name === "act"),
    TypeError,
    "Int8WeightOnlyConfig takes Linear layers, but act (ReLU) is not one; narrow filterFn",
  );
  const twice = single(8, 2);
  await quantize_(twice, new Int8WeightOnlyConfig());
  await assertRejects(
    () => quantize_(twice, new Int8DynamicActivationInt8WeightConfig()),
    TypeError,
    "the weight of fc (Linear) is quantized already",
  );
});
