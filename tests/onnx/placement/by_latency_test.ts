import { assert, assertEquals, assertGreater } from "@std/assert";
import { calibrateOnnx, init, quantizeStatic } from "../../../mod.ts";
import type { OnnxModel } from "../../../lib/onnx/file/model.ts";
import { placeByLatency, type RaceModel } from "../../../lib/onnx/placement/by_latency.ts";
import { quantizeCalibrated } from "../../../lib/onnx/quantize_static.ts";
import { Race } from "../../../lib/onnx/run/race.ts";
import { floats, node, noise, smallModel } from "../small_models.ts";

await init({ device: "cpu" });

const PADS = { pads: { ints: [1, 1, 1, 1] } };

function weight(name: string, ...dims: number[]) {
  return floats(name, dims, Array.from(noise(...dims).data as Float32Array));
}

/** Convolutions one after the other, every other one of groups; nodes are named after what they make. */
function chain(): OnnxModel {
  const length = 8;
  const names = Array.from({ length: length + 1 }, (_, i) => i === 0 ? "x" : `c${i}`);
  return smallModel({
    opset: 17,
    nodes: names.slice(1).map((name, i) =>
      Object.assign(
        node("Conv", [names[i], `w${i}`], [name], { ...PADS, group: { i: i % 2 ? 8 : 1 } }),
        { name },
      )
    ),
    constants: names.slice(1).map((_, i) => weight(`w${i}`, 8, i % 2 ? 1 : 8, 3, 3)),
    inputs: { x: ["float32", 1, 8, 8, 8] },
    outputs: [names[length]],
  });
}

const samples = [{ x: noise(1, 8, 8, 8) }];

/** Nanoseconds of a node with floats and with bytes, and of turning one into the other. */
interface Costs {
  readonly of: (name: string) => readonly [float: number, bytes: number];
  readonly crossing: number;
}

/** What a model takes by such costs: where QuantizeLinear and DequantizeLinear of activations stand is read off it. */
function time(model: OnnxModel, { of, crossing }: Costs): number {
  const constants = new Set(model.graph.initializer.map(({ name }) => name));
  const integers = new Set(
    model.graph.node.filter(({ opType, input }) =>
      opType === "DequantizeLinear" && constants.has(input[0])
    ).map(({ output }) => output[0]),
  );
  let sum = 0;
  let before = false;
  for (const { opType, name, input } of model.graph.node) {
    if (opType !== "Conv") continue;
    const bytes = integers.has(input[1]);
    sum += of(name)[bytes ? 1 : 0] + (bytes !== before ? crossing : 0);
    before = bytes;
  }
  return sum + (before ? crossing : 0);
}

/** Places the chain by costs; counts what was raced, and has `hear` say what the race tells. */
async function place(
  costs: Costs,
  { seconds, tick = 0, hear = (share) => share }: {
    seconds?: number;
    tick?: number;
    hear?: (share: number, worth: number) => number;
  } = {},
) {
  const calibration = await calibrateOnnx(chain(), samples);
  let [now, races] = [0, 0];
  const found = await placeByLatency({
    graph: calibration.model.graph.node,
    channels: () => undefined,
    quantize: (left) =>
      quantizeCalibrated(
        calibration,
        { verify: false },
        new Map([...left].map((name) => [name, "slow"])),
      ),
    race: (first) => {
      let best = time(first, costs);
      const run: RaceModel = (model, worth) => {
        races++;
        now += tick;
        const own = time(model, costs);
        const share = hear(own / best, worth);
        if (share < worth) best = own;
        return Promise.resolve(share);
      };
      return Promise.resolve(run);
    },
    clock: () => now,
    seconds,
  });
  return { ...found, races };
}

const odd = (name: string) => Number(name.slice(1)) % 2 === 1;

Deno.test("placeByLatency: a kind that is slower in bytes stays float, if turning costs less", async () => {
  const of = (name: string) => odd(name) ? [10, 4] as const : [3, 9] as const;
  const { left, share } = await place({ of, crossing: 1 });
  assertEquals(left, ["c2", "c4", "c6", "c8"], "the ones of groups");
  assert(Math.abs(share - 36 / 54) < 1e-9, `${share}`);
  assertEquals((await place({ of, crossing: 20 })).left, [], "bytes all the way are better then");
});

Deno.test("placeByLatency: a stretch of the graph stays float where that is faster, and only that", async () => {
  const first = new Set(["c1", "c2", "c3", "c4"]);
  const of = (name: string) => first.has(name) ? [2, 6] as const : [8, 3] as const;
  const { left } = await place({ of, crossing: 1 });
  assertEquals(left, [...first]);
});

Deno.test("placeByLatency: not all stay float, and less than noise is no reason", async () => {
  const { left } = await place({ of: () => [1, 9], crossing: 1 });
  assertGreater(left.length, 0);
  assert(left.length < 8, left.join());
  assertEquals((await place({ of: () => [99, 100], crossing: 0 })).left, []);
});

Deno.test("placeByLatency: what won by chance and does not once more is given up", async () => {
  const costs = { of: () => [8, 8] as const, crossing: 0 };
  // All that is tried seems to win, and beside the winner the plain model takes as long.
  const hear = (share: number, worth: number) => worth > 0 ? 0.9 : share;
  const { left, share, races } = await place(costs, { hear });
  assertEquals([left, share], [[], 1]);
  assertGreater(races, 5);
});

Deno.test("placeByLatency: ends when the time is over", async () => {
  const of = () => [8, 3] as const;
  const { races } = await place({ of, crossing: 1 });
  assertGreater(races, 5);
  assertEquals((await place({ of, crossing: 1 }, { seconds: 3, tick: 1 })).races, 4);
});

Deno.test("Race: the median of shares and that of the fastest runs agree, or the larger counts", async () => {
  const model = chain();
  /** The share by a clock on which the runs of both take so many milliseconds, in turns. */
  const share = async (turns: readonly (readonly [own: number, other: number])[], worth = 0.98) => {
    let [now, ticks] = [0, 0];
    const clock = () => {
      const [turn, second] = [Math.floor(ticks / 4), ticks++ % 4];
      const [own, other] = turns[turn % turns.length];
      return now += [0, own, 0, other][second];
    };
    await using race = await Race.open("test", model, samples[0], clock);
    [now, ticks] = [0, 0]; // its sessions were timed beside each other
    return { share: await race.run(model, worth), rounds: ticks / 4 };
  };
  assertEquals(await share([[10, 20]]), { share: 0.5, rounds: 11 });
  const disturbed = [[10, 20], [10, 20], [90, 20]] as const;
  assertEquals((await share(disturbed)).share, 0.5, "what happens to one run is of no account");
  const lucky = [[10, 20], [10, 20], [10, 9]] as const;
  assertEquals((await share(lucky)).share, 10 / 9, "the other can do better");
  assertEquals((await share([[30, 20]])).rounds, 3, "what is clearly slower is given up");
});

Deno.test("quantizeStatic: what is faster in float is listed, and the list gives the same file", async () => {
  const { model, nodes, fasterInFloat } = await quantizeStatic(chain(), samples, {
    optimize: "latency",
  });
  assert(fasterInFloat);
  const float = nodes.filter(({ quantized }) => !quantized).map(({ name }) => name);
  assertEquals(float, [...fasterInFloat]);
  assert(nodes.every(({ quantized, reason }) => quantized || reason!.includes("faster in float")));
  const again = await quantizeStatic(chain(), samples, { nodesToExclude: fasterInFloat });
  assertEquals(again.model.toBytes(), model.toBytes());
  assertEquals(again.fasterInFloat, undefined);
});
