/**
 * Ranges that suit the model's output.
 *
 * @module
 */
import { floatNumbers, isFloatType } from "../accuracy/float_output.ts";
import { OnnxError } from "../file/onnx_error.ts";
import type { TensorOverride } from "../qdq/activation_params.ts";
import { quantParams } from "../qdq/params.ts";
import {
  descendRanges,
  type Ends,
  type MovableRange,
} from "../../quantization/improve/descend_ranges.ts";
import { Noise } from "../../quantization/analysis/noise.ts";
import { type OnnxOutput, OnnxRuntime } from "../run/runtime.ts";
import type { Remedied, Remedy } from "./remedy.ts";
import { type SimulatedParams, Simulation } from "./simulation.ts";
import { type ImprovedModel, type ImproveTools, quantizedState } from "./state.ts";

/** The share of the time that all may take from which on no range more is moved. */
const MOST_TIME = 1 / 6;

/** How often all ranges are gone through: what is narrower makes what others cost count for more. */
const MOST_ROUNDS = 3;

function endsOf({ type, scale, zeroPoint }: SimulatedParams): Ends {
  const [low, high] = type === "uint8" ? [0, 255] : [-128, 127];
  return { min: (low - zeroPoint) * scale, max: (high - zeroPoint) * scale };
}

/** How far outputs are from those of the float model, as a share of their squares: the worst output's. */
class NoiseMeter {
  private constructor(
    private readonly tools: ImproveTools,
    private readonly reference: readonly Record<string, OnnxOutput>[],
  ) {}

  static async open({ calibration }: ImprovedModel, tools: ImproveTools): Promise<NoiseMeter> {
    await using runtime = await OnnxRuntime.open("tuneOnnx", tools.reference ?? calibration.model);
    const reference = [];
    for (const feeds of tools.forRanges) reference.push(await runtime.run(feeds));
    return new NoiseMeter(tools, reference);
  }

  /** Numbers of floats that outputs have in all, those of the output that has fewest. */
  get count(): number {
    const counts = new Map<string, number>();
    for (const outputs of this.reference) {
      for (const [name, { type, data }] of Object.entries(outputs)) {
        if (isFloatType(type)) counts.set(name, (counts.get(name) ?? 0) + data.length);
      }
    }
    return Math.min(...counts.values());
  }

  async noise(simulation: Simulation): Promise<number> {
    const noises = new Map<string, Noise>();
    for (const [i, feeds] of this.tools.forRanges.entries()) {
      this.tools.check();
      const outputs = await simulation.run(feeds);
      for (const [name, float] of Object.entries(this.reference[i])) {
        if (!isFloatType(float.type)) continue;
        const noise = noises.get(name) ?? new Noise();
        noises.set(name, noise);
        noise.add(floatNumbers(float), floatNumbers(outputs[name]));
      }
    }
    return 10 ** (-Math.min(...[...noises.values()].map(({ sqnr }) => sqnr)) / 10);
  }
}

/** The range of some params, which moving it changes. */
function movable(params: SimulatedParams, symmetric: boolean): MovableRange {
  return {
    ends: () => endsOf(params),
    move: (range) => {
      const kept = { ...params };
      Object.assign(params, quantParams(range, { type: params.type, symmetric }));
      return () => Object.assign(params, kept);
    },
  };
}

/** A better set of scales, if a recipe has one. */
function checked(found: unknown): Record<string, TensorOverride> {
  const fits = typeof found === "object" && found !== null &&
    Object.values(found).every((each) =>
      typeof each?.scale === "number" && Number.isInteger(each.zeroPoint)
    );
  if (!fits) throw new OnnxError("the recipe has something else than scales and zero points");
  return found as Record<string, TensorOverride>;
}

async function search(
  state: ImprovedModel,
  tools: ImproveTools,
): Promise<Remedied | undefined> {
  const { model, activations } = await quantizedState(state);
  if (activations.length === 0) return undefined;
  const meter = await NoiseMeter.open(state, tools);
  await using simulation = await Simulation.open("tuneOnnx", model);
  const keyOf = ({ scale, zeroPoint }: { scale: number; zeroPoint: number }) =>
    `${Math.fround(scale)} ${zeroPoint}`;
  const first = simulation.params.map(keyOf);
  const end = performance.now() + 1000 * tools.seconds * MOST_TIME;
  const symmetric = state.options.activationSymmetric ?? false;
  const isOver = () => performance.now() > end || tools.isOver;
  const noise = async () => {
    try {
      return await meter.noise(simulation);
    } catch (error) {
      // Once time is over, what was moved until then is what there is.
      if (!tools.isOver) throw error;
      return Infinity;
    }
  };
  const { before, after } = await descendRanges(
    simulation.params.map((params) => movable(params, symmetric)),
    noise,
    symmetric,
    { count: meter.count, rounds: MOST_ROUNDS, isOver },
  );
  const changed = new Map(
    simulation.params.flatMap((params, i) =>
      keyOf(params) === first[i] ? [] : [[first[i], params] as const]
    ),
  );
  if (changed.size === 0) return undefined;
  const overrides = Object.fromEntries(activations.flatMap((activation) => {
    const params = changed.get(keyOf(activation));
    if (!params) return [];
    return [[activation.name, { scale: params.scale, zeroPoint: params.zeroPoint }]];
  }));
  const tensorOverrides = { ...state.options.tensorOverrides, ...overrides };
  return {
    state: { ...state, options: { ...state.options, tensorOverrides } },
    found: overrides,
    summary:
      `${changed.size} of ${first.length} ranges were moved, by which the output of the samples ` +
      `gained ${(10 * Math.log10(before / after)).toFixed(1)} dB`,
  };
}

/**
 * Ranges by what they cost at the model's output: each end of each is moved in and out as long as that pays on a few of
 * the calibration samples, from the first activation to the last, so that those behind make up for those before.
 */
export const tuneRanges: Remedy = {
  name: "ranges",
  purpose: "moves the ends of ranges where the output gains by it",
  rewrites: false,
  async apply(state, tools, found) {
    if (found === undefined) return await search(state, tools);
    const overrides = checked(found);
    const tensorOverrides = { ...state.options.tensorOverrides, ...overrides };
    return {
      state: { ...state, options: { ...state.options, tensorOverrides } },
      found,
      summary: `${Object.keys(overrides).length} ranges are those of the recipe`,
    };
  },
};
