import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import {
  AffineQuantizedMSEObserver,
  AffineQuantizedPercentileObserver,
  calibrateOnnx,
  init,
  MappingType,
  OnnxCalibration,
  OnnxError,
  type OnnxFeeds,
  PerAxis,
  PerTensor,
  quantizeStatic,
  tensor,
  uint8,
} from "../../../mod.ts";
import {
  parseSafetensors,
  type SafetensorsEntry,
  serializeSafetensors,
} from "../../../lib/files/safetensors.ts";
import { floats, node, noise, smallModel } from "../small_models.ts";

await init({ device: "cpu" });

/** y = relu(conv(x)), of any width. */
function convModel(batch: string | number = "n") {
  const conv = node("Conv", ["x", "w", "b"], ["h"]);
  const next = node("Conv", ["r", "w2"], ["y"]);
  conv.name = "first";
  return smallModel({
    opset: 17,
    nodes: [conv, node("Relu", ["h"], ["r"]), next],
    constants: [
      floats("w", [4, 2, 3], [...noise(4, 2, 3).data as Float32Array]),
      floats("b", [4], [1, -1, 0.5, 0]),
      floats("w2", [3, 4, 1], [...noise(3, 4, 1).data as Float32Array]),
    ],
    inputs: { x: ["float32", batch, 2, "width"] },
    outputs: ["y"],
  });
}

/** A sample of this batch size and width, and its numbers. */
function sample(batch: number, width: number, seed = 0) {
  const data = Float32Array.from(
    { length: batch * 2 * width },
    (_, i) => Math.sin(i * 0.7 + seed) * (1 + seed),
  );
  return { x: { data, dims: [batch, 2, width] } };
}

const samples = [sample(1, 5, 0), sample(3, 9, 1), sample(2, 4, 2)];

/** The ranges that observers may choose from, by plain comparison. */
function least(feeds: readonly ReturnType<typeof sample>[]) {
  const all = feeds.flatMap(({ x }) => [...x.data]);
  return { min: Math.min(...all), max: Math.max(...all) };
}

Deno.test("calibrateOnnx: min-max over samples of any batch size and shape", async () => {
  const calibration = await calibrateOnnx(convModel(), samples);
  assertEquals(calibration.samples, 3);
  const ranges = await calibration.ranges();
  assertEquals(ranges.get("x"), least(samples));
  // What a Relu cuts off needs no range of its own.
  assertEquals([...calibration.tensors], ["x", "r", "y"]);
  assertEquals(ranges.get("r")!.min >= 0, true);
});

Deno.test("calibrateOnnx: a batch that the file gives as −1 is of any size", async () => {
  const calibration = await calibrateOnnx(convModel(-1), samples);
  assertEquals(
    await calibration.ranges(),
    await (await calibrateOnnx(convModel(), samples)).ranges(),
  );
  await assertRejects(
    () => calibration.add([{ x: { data: new Float32Array(8), dims: [1, 4, 2] } }]),
    RangeError,
    `"x": float32 [?, 2, width]`,
  );
});

Deno.test("calibrateOnnx: samples may be tensors of this library", async () => {
  const own = samples.map(({ x }) => ({ x: tensor(x.data, { shape: x.dims }) }));
  const [a, b] = [await calibrateOnnx(convModel(), own), await calibrateOnnx(convModel(), samples)];
  assertEquals(await a.ranges(), await b.ranges());
});

Deno.test("calibrateOnnx: every method gives ranges within what was seen", async () => {
  const seen = await (await calibrateOnnx(convModel(), samples)).ranges();
  const methods = ["movingAverage", "percentile", "entropy", "mse"] as const;
  for (const calibrationMethod of methods) {
    const ranges = await (await calibrateOnnx(convModel(), samples, { calibrationMethod }))
      .ranges();
    for (const [name, { min, max }] of ranges) {
      assert(
        min >= seen.get(name)!.min && max <= seen.get(name)!.max,
        `${calibrationMethod} ${name}`,
      );
      assert(max > min, `${calibrationMethod} ${name}`);
    }
  }
});

Deno.test("calibrateOnnx: values by percentile are those of the observer on the same numbers", async () => {
  const make = () =>
    new AffineQuantizedPercentileObserver(MappingType.ASYMMETRIC, uint8, {
      granularity: new PerTensor(),
      percentile: 80,
    });
  const alone = make();
  for (const { x } of samples) alone.forward(tensor(x.data));
  const [min, max] = await alone.minMax();
  for (
    const options of [{ calibrationMethod: "percentile", percentile: 80 } as const, {
      calibrationMethod: make(),
    }]
  ) {
    const ranges = await (await calibrateOnnx(convModel(), samples, options)).ranges();
    assertEquals(ranges.get("x"), { min: await min.item(), max: await max.item() });
  }
});

Deno.test("calibrateOnnx: an observer that gives no range but a scale and a zero point", async () => {
  const observer = new AffineQuantizedMSEObserver(MappingType.SYMMETRIC, uint8, {
    granularity: new PerTensor(),
  });
  const same = [samples[0], samples[0]];
  const calibration = await calibrateOnnx(convModel(), same, { calibrationMethod: observer });
  const { min, max } = (await calibration.ranges()).get("x")!;
  assert(max > 0.5 && min < -0.5);
  await assertRejects(() => calibration.save(), TypeError, "MSEObserver cannot be saved");
  await assertRejects(
    () => calibration.merge(calibration),
    TypeError,
    "cannot be loaded or merged",
  );
});

Deno.test("calibrateOnnx: a sample is asked for when the one before is done", async () => {
  let open = 0;
  async function* stream() {
    for (const each of samples) {
      await Promise.resolve();
      assertEquals(++open, 1);
      yield each;
      open--;
    }
  }
  const heard: unknown[] = [];
  await calibrateOnnx(convModel(), stream(), { total: 3, onProgress: (now) => heard.push(now) });
  assertEquals(heard, [1, 2, 3].map((done) => ({ samples: done, total: 3 })));
});

Deno.test("OnnxCalibration: cancelled, saved and resumed it has seen the same as in one go", async () => {
  for (const calibrationMethod of ["minmax", "movingAverage", "percentile"] as const) {
    const options = { calibrationMethod };
    const whole = await calibrateOnnx(convModel(), samples, options);
    const first = await OnnxCalibration.open(convModel(), options);
    const controller = new AbortController();
    const onProgress = ({ samples }: { samples: number }) => samples === 2 && controller.abort();
    await assertRejects(
      () => first.add(samples, { signal: controller.signal, onProgress }),
      DOMException,
      "abort",
    );
    assertEquals(first.samples, 2);
    const second = await OnnxCalibration.open(convModel(), options);
    await second.load(await first.save());
    await second.add(samples, { skip: second.samples });
    assertEquals(second.samples, 3);
    assertEquals(await second.save(), await whole.save());
  }
});

Deno.test("OnnxCalibration: parts that are merged have seen what one would have", async () => {
  for (const calibrationMethod of ["minmax", "percentile", "mse"] as const) {
    const options = { calibrationMethod };
    const parts = await Promise.all(
      [samples.slice(0, 1), samples.slice(1)].map((part) =>
        calibrateOnnx(convModel(), part, options)
      ),
    );
    const whole = await calibrateOnnx(convModel(), samples, options);
    await parts[0].merge(parts[1]);
    assertEquals(parts[0].samples, 3);
    assertEquals(await parts[0].ranges(), await whole.ranges());
  }
});

Deno.test("OnnxCalibration: a state of something else is refused and changes nothing", async () => {
  const calibration = await calibrateOnnx(convModel(), samples);
  const before = await calibration.save();
  const other = smallModel({
    opset: 17,
    nodes: [node("MatMul", ["x", "w"], ["y"])],
    constants: [floats("w", [2, 2], [1, 2, 3, 4])],
    inputs: { x: ["float32", "n", 2] },
    outputs: ["y"],
  });
  const feeds = [{ x: { data: Float32Array.of(1, 2), dims: [1, 2] } }];
  const foreign = await calibrateOnnx(other, feeds);
  const percentile = await calibrateOnnx(convModel(), samples, { calibrationMethod: "percentile" });
  await assertRejects(
    async () => calibration.load(await foreign.save()),
    OnnxError,
    "another model",
  );
  await assertRejects(async () => calibration.load(await percentile.save()), Error, "observer is");
  await assertRejects(() => calibration.load(new Uint8Array(9)), Error);
  await assertRejects(() => calibration.merge(foreign), OnnxError, "another model");
  await assertRejects(() => calibration.merge(percentile), Error, "observer is");
  assertEquals(await calibration.save(), before);
});

Deno.test("calibrateOnnx: what does not fit the model is refused with both sides in the message", async () => {
  const refuse = (feeds: Record<string, unknown>, kind: typeof Error, ...parts: string[]) =>
    assertRejects(() => calibrateOnnx(convModel(), [feeds as OnnxFeeds]), kind).then((error) => {
      for (const part of parts) assert(error.message.includes(part), `${part} in ${error.message}`);
    });
  const data = new Float32Array(8);
  const declared = `"x": float32 [n, 2, width]`;
  await refuse({}, TypeError, "missing", declared);
  await refuse({ image: { data, dims: [1, 2, 4] } }, TypeError, `no input "image"`, declared);
  await refuse(
    { x: { data: new Int32Array(8), dims: [1, 2, 4] } },
    TypeError,
    "Int32Array",
    declared,
  );
  await refuse({ x: { data, dims: [1, 2, 4], type: "float64" } }, TypeError, "float64", declared);
  await refuse({ x: { data, dims: [2, 4] } }, RangeError, "[2, 4]", declared);
  await refuse({ x: { data, dims: [1, 4, 2] } }, RangeError, "[1, 4, 2]", declared, "sample 0");
  await refuse({ x: { data, dims: [1, 2, 5] } }, RangeError, "8 elements", "[1, 2, 5]");
});

Deno.test("calibrateOnnx: no samples", async () => {
  await assertRejects(() => calibrateOnnx(convModel(), []), OnnxError, "no samples");
  const calibration = await OnnxCalibration.open(convModel());
  await assertRejects(() => calibration.ranges(), OnnxError, "no sample");
});

Deno.test("calibrateOnnx: a NaN or an infinity names the node and the sample, which does not count", async () => {
  for (const calibrationMethod of ["minmax", "percentile"] as const) {
    for (const bad of [NaN, Infinity, -Infinity]) {
      const spoilt = sample(2, 6);
      spoilt.x.data[3] = bad;
      const calibration = await OnnxCalibration.open(convModel(), { calibrationMethod });
      await assertRejects(
        () => calibration.add([samples[0], spoilt]),
        OnnxError,
        `the input "x" holds a NaN or an infinity in sample 1`,
      );
      assertEquals(calibration.samples, 1);
      const alone = await calibrateOnnx(convModel(), [samples[0]], { calibrationMethod });
      assertEquals(await calibration.save(), await alone.save());
    }
  }
  // The root of a negative number, in the middle of the graph.
  const root = node("Sqrt", ["h"], ["s"]);
  root.name = "root";
  const model = smallModel({
    opset: 17,
    nodes: [node("MatMul", ["x", "w"], ["h"]), root, node("MatMul", ["s", "w"], ["y"])],
    constants: [floats("w", [2, 2], [1, 0, 0, 1])],
    inputs: { x: ["float32", "n", 2] },
    outputs: ["y"],
  });
  const feeds = [1, -1].map((sign) => ({ x: { data: Float32Array.of(sign, 1), dims: [1, 2] } }));
  await assertRejects(
    () => calibrateOnnx(model, feeds),
    OnnxError,
    `"s", which Sqrt node "root" makes, holds a NaN or an infinity in sample 1`,
  );
});

Deno.test("calibrateOnnx: an empty activation has no part in a range", async () => {
  const empty = { x: { data: new Float32Array(0), dims: [0, 2, 5] } };
  for (const calibrationMethod of ["minmax", "percentile"] as const) {
    const options = { calibrationMethod };
    const some = await calibrateOnnx(convModel(), [empty, ...samples], options);
    assertEquals(
      await some.ranges(),
      await (await calibrateOnnx(convModel(), samples, options)).ranges(),
    );
    const none = await calibrateOnnx(convModel(), [empty], options);
    assertEquals((await none.ranges()).get("x"), { min: 0, max: 0 });
  }
});

Deno.test("calibrateOnnx: an observer of axes and an unknown method are refused", async () => {
  const observer = new AffineQuantizedPercentileObserver(MappingType.ASYMMETRIC, uint8, {
    granularity: new PerAxis(0),
  });
  await assertRejects(
    () => calibrateOnnx(convModel(), samples, { calibrationMethod: observer }),
    TypeError,
    "PerTensor()",
  );
  const calibrationMethod = "max" as "minmax";
  await assertRejects(
    () => calibrateOnnx(convModel(), samples, { calibrationMethod }),
    TypeError,
    `"max"`,
  );
});

Deno.test("OnnxCalibration: one serves several quantizations", async () => {
  const calibration = await calibrateOnnx(convModel(), samples);
  const a = await quantizeStatic(calibration.model, calibration);
  const b = await quantizeStatic(calibration.model, calibration, { activationType: "int8" });
  const again = await quantizeStatic(calibration.model, calibration);
  assertEquals(again.model.toBytes(), a.model.toBytes());
  const x = ({ activations }: typeof a) => activations.find(({ name }) => name === "x")!;
  assertEquals([x(a).type, x(b).type], ["uint8", "int8"]);
  assertAlmostEquals(x(a).scale, x(b).scale, 1e-9);
  assertEquals(x(a).zeroPoint - x(b).zeroPoint, 128);
});

Deno.test("OnnxCalibration: a saved state is checked before anything is taken over", async () => {
  const saved = await calibrateOnnx(convModel(), samples);
  const file = await saved.save();
  const { tensors, metadata } = parseSafetensors(file);
  const calibration = await calibrateOnnx(convModel(), samples.slice(0, 1));
  const before = await calibration.ranges();
  const refused = async (bytes: Uint8Array, message: string, kind = OnnxError) => {
    await assertRejects(() => calibration.load(bytes), kind, message);
    assertEquals([calibration.samples, await calibration.ranges()], [1, before]);
  };
  for (const count of ["9007199254740991", "0x3", "", "3e0", " 3", "3.0", "-3", "Infinity", "٣"]) {
    await refused(serializeSafetensors(tensors, { ...metadata, samples: count }), "no saved");
  }
  const { samples: _, ...without } = metadata;
  await refused(serializeSafetensors(tensors, without), "no saved");
  for (const count of ["2", "4", "1000000"]) {
    await refused(serializeSafetensors(tensors, { ...metadata, samples: count }), "seen in 3");
  }
  const state = tensors.get("r/state")!;
  const words = new Int32Array(state.bytes.slice().buffer);
  [words[0], words[1]] = [words[1], words[0]];
  const turned = { ...state, bytes: new Uint8Array(words.buffer) };
  await refused(
    serializeSafetensors(
      [...tensors].map(([name, t]) => [name, name === "r/state" ? turned : t]),
      metadata,
    ),
    '"r": AffineQuantizedMinMaxObserver',
  );
  const more = (name: string) => serializeSafetensors([...tensors, [name, state]], metadata);
  for (const name of ["state", "x/other", "other/state", "x/state/state", "__proto__"]) {
    await refused(more(name), "another model");
  }
  // As many names as a file can have take no longer for being alike.
  const many = Array.from({ length: 50_000 }, (_, i): [string, SafetensorsEntry] => {
    return [`x/${i}`, { dtype: "U8", shape: [0], bytes: new Uint8Array() }];
  });
  await refused(serializeSafetensors(many, metadata), "another model");
  await calibration.load(file);
  assertEquals(await calibration.ranges(), await saved.ranges());
});

Deno.test("methods that count tell how many values lie where; min-max does not", async () => {
  const counting = await calibrateOnnx(convModel(), samples, { calibrationMethod: "percentile" });
  const { min, max, counts, start, width } = (await counting.histograms())!.get("x")!;
  const ends = least(samples);
  assertEquals({ min, max }, ends);
  const all = samples.flatMap(({ x }) => [...x.data]);
  const expected = new Float64Array(counts.length);
  for (const x of all) expected[Math.floor((x - start) / width)]++;
  assertEquals(counts, expected);
  assertEquals(await (await calibrateOnnx(convModel(), samples)).histograms(), undefined);
});
