import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import {
  calibrateOnnx,
  CALIBRATION_METHODS,
  type CalibrationMethod,
  init,
  mergeCalibrations,
  OnnxCalibration,
  OnnxError,
  type OnnxFeeds,
  quantizeStatic,
} from "../../../mod.ts";
import {
  parseSafetensors,
  SafetensorsError,
  serializeSafetensors,
} from "../../../lib/files/safetensors.ts";
import { checksumOf } from "../../../lib/files/safetensors_checksum.ts";
import { floats, node, noise, smallModel } from "../small_models.ts";

await init({ device: "cpu" });

/** y = relu(conv(x)), of any width. */
function model(channels = 4) {
  return smallModel({
    opset: 17,
    nodes: [
      node("Conv", ["x", "w", "b"], ["h"]),
      node("Relu", ["h"], ["r"]),
      node("Conv", ["r", "w2"], ["y"]),
    ],
    constants: [
      floats("w", [channels, 2, 3], [...noise(channels, 2, 3).data as Float32Array]),
      floats("b", [channels], Array(channels).fill(0.25)),
      floats("w2", [3, channels, 1], [...noise(3, channels, 1).data as Float32Array]),
    ],
    inputs: { x: ["float32", "n", 2, "width"] },
    outputs: ["y"],
  });
}

const samples: OnnxFeeds[] = Array.from({ length: 19 }, (_, k) => {
  const [n, width] = [1 + k % 2, 4 + k % 3];
  const data = Float32Array.from(
    { length: n * 2 * width },
    (_, i) => Math.sin(i * 0.7 + k) * (1 + k % 5),
  );
  return { x: { data, dims: [n, 2, width] } };
});

const LEARN = ["channelMaxima", "channelSums", "covariance"] as const;

/** What the processes of a list in shards save. */
async function partsOf(of: number, calibrationMethod: CalibrationMethod, list = samples) {
  return await Promise.all(Array.from({ length: of }, async (_, index) => {
    const options = { calibrationMethod, learn: LEARN, shard: { index, of } };
    return await (await calibrateOnnx(model(), list, options)).save();
  }));
}

for (const method of CALIBRATION_METHODS) {
  Deno.test(`${method}: 1 process, 4 shards, 16 shards, in any order, with retries: the same model`, async () => {
    const options = { calibrationMethod: method, learn: LEARN };
    const one = await calibrateOnnx(model(), samples, options);
    const expected = (await quantizeStatic(model(), one)).model.toBytes();
    const learnt = one.learned("covariance").get("r")!.matrix();
    for (const  of of[1, 4, 16]) {
      const parts = await partsOf(of, method);
      const again = parts.toReversed().flatMap((part, i) => i % 3 === 0 ? [part, part] : [part]);
      const all = await mergeCalibrations(again);
      assertEquals(await mergeCalibrations(parts), all);
      const calibration = await OnnxCalibration.from(model(), all);
      assertEquals(calibration.samples, samples.length);
      assertEquals(calibration.firstSample, one.firstSample);
      assertEquals(await calibration.ranges(), await one.ranges());
      assertEquals((await quantizeStatic(model(), calibration)).model.toBytes(), expected);
      assertEquals(calibration.learned("covariance").get("r")!.matrix(), learnt);
      assertEquals(await calibration.save(), all);
    }
  });
}

Deno.test("parts merged in groups and any order give the bytes of all at once", async () => {
  const parts = await partsOf(7, "percentile");
  const all = await mergeCalibrations(parts);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(3), { minLength: 7, maxLength: 7 }),
      fc.array(fc.nat(), { minLength: 7, maxLength: 7 }),
      async (groups, keys) => {
        const order = parts.map((part, i) => ({ part, group: groups[i], key: keys[i] }))
          .sort((a, b) => a.key - b.key);
        const merged = await Promise.all(
          [0, 1, 2, 3].map((group) => order.filter((one) => one.group === group))
            .filter((list) => list.length > 0)
            .map((list) => mergeCalibrations(list.map(({ part }) => part), { partial: true })),
        );
        assertEquals(await mergeCalibrations(merged), all);
      },
    ),
    { seed: 1, numRuns: 20 },
  );
});

Deno.test("a function gives the samples of a shard, so that no other is read", async () => {
  const shard = { index: 1, of: 4 };
  const read: number[] = [];
  const calibration = await calibrateOnnx(model(), function* (wanted) {
    assertEquals(wanted, shard);
    for (let i = 1; i < samples.length; i += 4) {
      read.push(i);
      yield samples[i];
    }
  }, { shard, calibrationMethod: "movingAverage" });
  assertEquals(read, [1, 5, 9, 13, 17]);
  const plain = await calibrateOnnx(model(), samples, {
    shard,
    calibrationMethod: "movingAverage",
  });
  assertEquals(await calibration.save(), await plain.save());
});

Deno.test("lists of one's own are merged too, unless they overlap or order matters", async () => {
  const save = async (list: OnnxFeeds[], calibrationMethod: CalibrationMethod = "minmax") =>
    await (await calibrateOnnx(model(), list, { calibrationMethod })).save();
  const [a, b, c] = [
    await save(samples.slice(0, 5)),
    await save(samples.slice(5, 12)),
    await save(samples.slice(12)),
  ];
  const all = await mergeCalibrations([a, b, c, b]);
  assertEquals(await mergeCalibrations([await mergeCalibrations([c, a]), b]), all);
  const calibration = await OnnxCalibration.from(model(), all);
  const one = await calibrateOnnx(model(), samples);
  assertEquals(await calibration.ranges(), await one.ranges());
  const overlapping = await save(samples.slice(4, 6));
  await assertRejects(() => mergeCalibrations([a, overlapping]), OnnxError, "part 1 overlaps");
  await assertRejects(() => mergeCalibrations([all, overlapping]), OnnxError, "part 1 overlaps");
  const averages = [samples.slice(0, 5), samples.slice(5)].map((list) =>
    save(list, "movingAverage")
  );
  await assertRejects(
    async () => mergeCalibrations(await Promise.all(averages)),
    OnnxError,
    "share the list out by shards",
  );
});

Deno.test("what cannot be merged is refused, and named", async () => {
  const parts = await partsOf(4, "minmax");
  const refused = async (list: Uint8Array[], ...expected: string[]) => {
    const error = await assertRejects(() => mergeCalibrations(list)) as Error;
    assert(error instanceof OnnxError || error instanceof SafetensorsError, String(error));
    for (const part of expected) assert(error.message.includes(part), `${part}: ${error.message}`);
  };
  await refused([], "there is no part");
  await refused([parts[0], parts[3]], "of 4 shards 2 are missing: 1, 2;");
  await refused([parts[0]], "3 are missing: 1, 2, 3;");
  // Shards of other numbers, and one that saw something else.
  const [ofTwo] = await partsOf(2, "minmax");
  await refused([parts[0], ofTwo], "part 1 is of a list in 2 shards");
  const other = (await partsOf(4, "minmax", samples.toReversed()))[1];
  await refused([parts[1], parts[0], other], "part 2 is shard 1/4, but that was given already");
  const some = await mergeCalibrations([parts[0], parts[1]], { partial: true });
  const more = await mergeCalibrations([parts[1], parts[2]], { partial: true });
  await refused([some, more], "part 1 has samples that were merged already", "shard 1/4");
  // Another model, method, version.
  const shard = { index: 1, of: 4 };
  const save = async (calibration: Promise<OnnxCalibration>) => await (await calibration).save();
  await refused(
    [parts[0], await save(calibrateOnnx(model(5), samples, { shard, learn: LEARN }))],
    "part 1 is of another model",
  );
  await refused(
    [
      parts[0],
      await save(
        calibrateOnnx(model(), samples, { shard, learn: LEARN, calibrationMethod: "mse" }),
      ),
    ],
    `part 1 was made with other options: the observer is that of "mse" there and of "minmax" here`,
  );
  await refused(
    [parts[0], await save(calibrateOnnx(model(), samples, { shard }))],
    "part 1 was made with other options: learn is",
  );
  const { tensors, metadata } = parseSafetensors(parts[1]);
  const changed: Record<string, string> = { ...metadata, library: "0.0.1" };
  changed.checksum = checksumOf(changed, tensors);
  await refused([parts[0], serializeSafetensors(tensors, changed)], "version 0.0.1");
});

Deno.test("a part that is cut off, altered or no part at all is refused, and named", async () => {
  const parts = await partsOf(2, "percentile");
  const refused = async (bytes: Uint8Array) => {
    const error = await assertRejects(() => mergeCalibrations([parts[0], bytes])) as Error;
    assert(error instanceof OnnxError || error instanceof SafetensorsError, String(error));
    assert(error.message.includes("part 1"), error.message);
  };
  const [, part] = parts;
  for (const length of [0, 7, 100, 2000, part.length - 1]) await refused(part.slice(0, length));
  await fc.assert(
    fc.asyncProperty(fc.nat(part.length - 1), fc.integer({ min: 1, max: 255 }), async (at, by) => {
      const altered = part.slice();
      altered[at] ^= by;
      await refused(altered);
    }),
    { seed: 1, numRuns: 150 },
  );
  await refused(serializeSafetensors([], { kind: "something else" }));
  const nothing = await OnnxCalibration.open(model(), {
    learn: LEARN,
    calibrationMethod: "percentile",
  });
  await refused(await nothing.save());
});

Deno.test("a bad part is told of at once, whatever may come behind it, and parts are left as they are", async () => {
  const parts = await partsOf(3, "entropy");
  const before = parts.map((part) => part.slice());
  let given = 0;
  const endless = async function* () {
    for (const part of [parts[0], parts[1].slice(0, 99)]) {
      given++;
      yield part;
    }
    await new Promise(() => {});
  };
  await assertRejects(() => mergeCalibrations(endless()), SafetensorsError, "part 1");
  assertEquals(given, 2);
  await mergeCalibrations(parts);
  assertEquals(parts, before);
  const folder = Deno.makeTempDirSync();
  try {
    const paths = parts.map((part, i) => {
      Deno.writeFileSync(`${folder}/${i}`, part);
      return `${folder}/${i}`;
    });
    assertEquals(await mergeCalibrations(paths), await mergeCalibrations(parts));
    await assertRejects(() => mergeCalibrations([paths[0], folder]), OnnxError, "folder");
    const none = `${folder}/none`;
    await assertRejects(() => mergeCalibrations([...paths, none]), OnnxError, none);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("shards that cannot be are refused", async () => {
  const refused = (index: number, of: number, message: string, list = samples) =>
    assertRejects(() => calibrateOnnx(model(), list, { shard: { index, of } }), Error, message);
  await refused(4, 4, "no shard 4 of 4; they are counted from 0 to 3");
  await refused(-1, 4, "no shard -1");
  await refused(0.5, 4, "no shard 0.5");
  await refused(0, 0, "0 shards");
  await refused(0, NaN, "NaN shards");
  await refused(3, 4, "shard 3/4 holds no sample, for there are 2 in all", samples.slice(0, 2));
  const calibration = await calibrateOnnx(model(), samples, { shard: { index: 0, of: 2 } });
  await assertRejects(
    () => calibration.add(samples, { shard: { index: 1, of: 2 } }),
    OnnxError,
    "shard 0/2",
  );
  assertEquals(calibration.samples, 10);
});

Deno.test("a merged calibration is of its model only, and whole", async () => {
  const all = await mergeCalibrations(await partsOf(2, "minmax"));
  await assertRejects(() => OnnxCalibration.from(model(5), all), OnnxError, "another model");
  const [part] = await partsOf(2, "minmax");
  await assertRejects(() => OnnxCalibration.from(model(), part), OnnxError, "one is missing: 1;");
});

Deno.test("in one process, calibrations are merged as parts are", async () => {
  const of = 3;
  const [a, b, c] = await Promise.all(
    [0, 1, 2].map((index) => calibrateOnnx(model(), samples, { shard: { index, of } })),
  );
  await a.merge(b);
  await a.merge(b);
  assertEquals(a.samples, 13);
  await a.merge(c);
  const one = await calibrateOnnx(model(), samples);
  assertEquals(await a.ranges(), await one.ranges());
  assertEquals(
    await a.save(),
    await mergeCalibrations([
      await c.save(),
      await b.save(),
      await (await calibrateOnnx(model(), samples, { shard: { index: 0, of } })).save(),
    ]),
  );
});
