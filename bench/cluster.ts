/**
 * What calibrating on many machines costs: sizes of parts and the time and memory of merging them, for a real text
 * recognizer, what two shards take beside one process, and a simulation of many shards with failures and stragglers.
 *
 * Run it with `deno task bench:cluster`, or a part of it with `merge`, `shards` or `simulate` behind that.
 *
 * @module
 */
import {
  calibrateOnnx,
  CALIBRATION_METHODS,
  type CalibrationMethod,
  init,
  mergeCalibrations,
} from "@staticquant/staticquant";
import { OCR_MODEL } from "../examples/support/ocr_model.ts";
import {
  parseSafetensors,
  type SafetensorsEntry,
  serializeSafetensors,
} from "../lib/files/safetensors.ts";
import { processorTime } from "../lib/files/processor_time.ts";
import { checksumOf } from "../lib/files/safetensors_checksum.ts";
import { sha256 } from "../lib/files/sha256.ts";
import { type SharedSamples, timeShards } from "./shards.ts";

/** Seconds of processor time that this process has taken. */
const processorSeconds = () => processorTime() / 1000;

/** Numbers that look random, the same each time. */
function* random(seed: number): Generator<number> {
  for (let state = seed;;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 32;
  }
}

/** Images of lines: noise, which costs what text costs. */
function samples(count: number): SharedSamples {
  const numbers = random(7);
  return Array.from({ length: count }, () => {
    const data = Float32Array.from({ length: 3 * 48 * 320 }, () => 2 * numbers.next().value! - 1);
    return { x: { data, dims: [1, 3, 48, 320] } };
  });
}

/** A part as another shard of `of` would have written it. */
async function asShard(part: Uint8Array, index: number, of: number): Promise<Uint8Array> {
  const { tensors, metadata } = parseSafetensors(part);
  const all = new Map<string, SafetensorsEntry>(tensors);
  const digests = tensors.get("part/digests")!.bytes.slice();
  new DataView(digests.buffer).setUint32(0, index);
  const digest = await sha256([digests]);
  const entry = (dtype: string, numbers: Int32Array): SafetensorsEntry => {
    return { dtype, shape: [1], bytes: new Uint8Array(numbers.buffer) };
  };
  all.set("part/index", entry("I32", Int32Array.of(index)));
  all.set("part/digests", { dtype: "U8", shape: [digests.length], bytes: digests });
  all.set("part/digest", { dtype: "U8", shape: [32], bytes: digest });
  const told: Record<string, string> = { ...metadata, shards: String(of) };
  return serializeSafetensors(all, { ...told, checksum: checksumOf(told, all) });
}

const mebibytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(2)} MiB`;

/** Merges parts that are made one after the other, so that only merging holds memory. */
async function merging(
  part: Uint8Array,
  of: number,
): Promise<{ seconds: number; bytes: number; peak: number }> {
  let spent = 0;
  let peak = 0;
  async function* parts() {
    for (let index = 0; index < of; index++) {
      const start = processorSeconds();
      const made = await asShard(part, index, of);
      spent += processorSeconds() - start;
      yield made;
      if (index % 100 === 0) peak = Math.max(peak, Deno.memoryUsage().rss);
    }
  }
  const start = processorSeconds();
  const merged = await mergeCalibrations(parts());
  return { seconds: processorSeconds() - start - spent, bytes: merged.length, peak };
}

/** What a fleet of machines takes for many shards, some of which fail and some of which are slow. */
function simulate(shards: number, machines: number, seconds: number): Record<string, number> {
  const numbers = random(3);
  const free = new Float64Array(machines);
  let [runs, failed] = [0, 0];
  const ready: number[] = [];
  for (let shard = 0; shard < shards; shard++) {
    for (let done = false; !done;) {
      // The machine that is free first takes it.
      let first = 0;
      for (let m = 1; m < machines; m++) if (free[m] < free[first]) first = m;
      const slow = numbers.next().value! < 0.02 ? 10 : 1;
      const spread = 0.8 + 0.4 * numbers.next().value!;
      done = numbers.next().value! >= 0.01;
      const share = done ? 1 : numbers.next().value!;
      free[first] += seconds * spread * slow * share;
      runs++;
      if (done) ready.push(free[first]);
      else failed++;
    }
  }
  ready.sort((a, b) => a - b);
  return {
    runs,
    failed,
    "median ready, s": ready[ready.length >> 1],
    "last ready, s": ready[ready.length - 1],
    "ideal, s": shards * seconds / machines,
  };
}

/** What merging costs: processor seconds a part of histograms. */
async function timeMerging(): Promise<void> {
  const list = samples(4);
  const methods: CalibrationMethod[] = ["minmax", "movingAverage", "percentile"];
  for (const calibrationMethod of methods) {
    const calibration = await calibrateOnnx(OCR_MODEL, list, {
      calibrationMethod,
      shard: { index: 0, of: 2 },
    });
    const part = await calibration.save();
    console.log(
      `${calibrationMethod}: ${calibration.tensors.length} values, a part of ${
        mebibytes(part.length)
      }`,
    );
    for (const count of [100, 1000]) {
      const { seconds, bytes, peak } = await merging(part, count);
      console.log(
        `  ${count} parts merged in ${seconds.toFixed(2)} s of a processor into ${
          mebibytes(bytes)
        }, resident at most ${mebibytes(peak)}`,
      );
    }
  }
}

/** Shards of the simulation, and seconds that each takes. */
const FLEET = { shards: 10_000, seconds: 60 };

/** Many shards whose parts are merged one after the other, and in groups on the machines that made them. */
async function simulateFleets(): Promise<void> {
  const { shards, seconds } = FLEET;
  console.log(
    `${shards} shards of ${seconds} s, 1 % of the runs fail midway, 2 % take ten times as long:`,
  );
  for (const machines of [10, 100, 1000, 10_000]) {
    const result = simulate(shards, machines, seconds);
    const shown = Object.entries(result).map(([name, n]) => `${name} ${n.toFixed(0)}`).join(", ");
    console.log(`  ${machines} machines: ${shown}`);
  }
  const calibration = await calibrateOnnx(OCR_MODEL, samples(2), {
    calibrationMethod: "percentile",
    shard: { index: 0, of: 2 },
  });
  const { seconds: spent, bytes, peak } = await merging(await calibration.save(), shards);
  console.log(
    `  merging ${shards} parts of histograms, one after the other: ${
      spent.toFixed(1)
    } s of a processor, ` +
      `${mebibytes(bytes)}, resident at most ${mebibytes(peak)}`,
  );
}

/** Those that are named behind `shards`; all that count by default, which do the same but for what they look for. */
function sharedMethods(): readonly CalibrationMethod[] {
  const named = CALIBRATION_METHODS.filter((method) => Deno.args.includes(method));
  return named.length > 0 ? named : ["minmax", "percentile", "entropy", "mse"];
}

const PARTS: Readonly<Record<string, () => Promise<void>>> = {
  merge: timeMerging,
  shards: () => timeShards(OCR_MODEL, samples(256), sharedMethods()),
  simulate: simulateFleets,
};

await init({ device: "cpu" });
for (const [name, part] of Object.entries(PARTS)) {
  if (Deno.args.length === 0 || Deno.args.includes(name)) await part();
}
