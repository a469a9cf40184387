/** Layers beside PyTorch's recorded answers, on both backends and in every float dtype. */
import { assert, assertEquals } from "@std/assert";
import * as library from "../../mod.ts";
import {
  bfloat16,
  type Device,
  type DType,
  float16,
  float32,
  type GRU,
  LayerNorm,
  type LSTM,
  type Module,
  type MultiheadAttention,
  scaledDotProductAttention,
  type Tensor,
  TransformerEncoder,
  TransformerEncoderLayer,
} from "../../mod.ts";
import { eachBackend, few } from "../backends.ts";
import { reference } from "./reference.ts";

interface Case {
  name: string;
  layer: string;
  args: unknown[];
  options: Record<string, unknown>;
  printed: string;
  inputs: number;
  call: Record<string, unknown>;
}

type Recorded = ReturnType<typeof reference<Case>>;
type Options = Record<string, unknown>;
type Tensors = Record<string, Tensor>;

const FAMILIES = [
  "activations",
  "attention",
  "convolutions",
  "norms",
  "pooling",
  "recurrent",
  "shapes",
];

/** Half of the distance between 1 and the next number: what rounding once may change. */
const ROUNDING = new Map<DType, number>([[float32, 0], [float16, 2 ** -11], [bfloat16, 2 ** -8]]);

/** How often what a layer gives was rounded on the way: sums of such roundings, in the length of a vector. */
const ROUNDED: Readonly<Record<string, number>> = {
  scaledDotProductAttention: 3,
  MultiheadAttention: 4,
  TransformerEncoderLayer: 6,
  TransformerEncoder: 10,
};

/** The tensors of a case under a prefix, by the rest of their names; floats in `dtype`. */
function tensors(recorded: Recorded, prefix: string, device: Device, dtype?: DType): Tensors {
  const found: Tensors = {};
  for (const full of recorded.names) {
    if (!full.startsWith(prefix)) continue;
    const t = recorded.load(full, device);
    found[full.slice(prefix.length)] = dtype && t.dtype.isFloat ? t.to(dtype) : t;
  }
  return found;
}

/** The layer of a case, as one would write it. */
function make({ layer, args, options }: Case, more: Options): Module {
  const classes = library as unknown as Record<string, new (...args: unknown[]) => Module>;
  if (layer === "TransformerEncoder") {
    const [[size, heads], count, norm] = args as [[number, number], number, boolean];
    const one = new TransformerEncoderLayer(size, heads, { ...options, ...more });
    return new TransformerEncoder(one, count, { norm: norm ? new LayerNorm(size, more) : null });
  }
  const parameters = WITHOUT_PARAMETERS.has(layer) ? {} : more;
  const all = { ...options, ...parameters };
  return new classes[layer](...args, ...Object.keys(all).length ? [all] : []);
}

/** Layers that take no dtype. */
const WITHOUT_PARAMETERS = new Set(
  ("Sigmoid Tanh SiLU Hardswish Hardsigmoid ReLU6 GELU LeakyReLU ELU Softmax LogSoftmax MaxPool1d MaxPool2d " +
    "AvgPool1d AvgPool2d AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveMaxPool2d Flatten Unflatten Identity " +
    "Dropout Upsample").split(" "),
);

/** What a case's layer gives, by the names under which PyTorch's answers are recorded. */
function run(
  { layer, call }: Case,
  module: Module | undefined,
  inputs: Tensor[],
  given: Tensors,
): Tensors {
  const [x, second, third] = inputs;
  switch (layer) {
    case "scaledDotProductAttention":
      return { out: scaledDotProductAttention(x, second, third, { ...call, ...given }) };
    case "MultiheadAttention": {
      const { keyPaddingMask, attnMask } = given;
      const attention = module as MultiheadAttention;
      return { out: attention.forward(x, second, third, keyPaddingMask, attnMask) };
    }
    case "TransformerEncoderLayer":
    case "TransformerEncoder": {
      const { mask, srcMask = mask, srcKeyPaddingMask } = given;
      const encoder = module as TransformerEncoderLayer | TransformerEncoder;
      return { out: encoder.forward(x, srcMask, srcKeyPaddingMask) };
    }
    case "LSTM": {
      const [out, [h, c]] = (module as LSTM).forwardWithState(x, second && [second, third]);
      return { out, h, c };
    }
    case "GRU": {
      const [out, h] = (module as GRU).forwardWithState(x, second);
      return { out, h };
    }
    default:
      return { out: module!.forward(x) };
  }
}

/**
 * Fails unless a tensor is what was recorded, but for a share of its length, and what numbers below float16's least
 * normal one may be off by.
 */
async function near(actual: Tensor, expected: Tensor, share: number, name: string): Promise<void> {
  assertEquals(actual.shape, expected.shape, name);
  const [a, e] = [await actual.data(), await expected.data()];
  const [off, length] = [0, 0].map((_, which) =>
    Math.hypot(...Array.from(e, (v, i) => which ? v : a[i] - v))
  );
  const least = actual.dtype === float16 ? 2 ** -25 * Math.sqrt(e.length) : 0;
  assert(off <= share * length + least, `${name}: off by ${off / length} of its length`);
}

async function check(recorded: Recorded, one: Case, device: Device, dtype: DType): Promise<void> {
  const { name, layer, printed } = one;
  const what = `${name} in ${dtype.name}`;
  const module = layer[0] === layer[0].toUpperCase() ? make(one, { dtype, device }) : undefined;
  const state = tensors(recorded, `${name}.state.`, device);
  if (module) {
    const words = printed.replaceAll("NonDynamicallyQuantizableLinear", "Linear");
    assertEquals(String(module), words, what);
    assertEquals(Object.keys(module.stateDict()).sort(), Object.keys(state).sort(), what);
    module.loadStateDict(state);
  }
  const inputs = Object.values(tensors(recorded, `${name}.in`, device, dtype));
  assertEquals(inputs.length, one.inputs, what);
  const given = tensors(recorded, `${name}.call.`, device, dtype);
  const share = 1e-5 + (ROUNDED[layer] ?? 1.01) * ROUNDING.get(dtype)!;
  for (const [part, actual] of Object.entries(run(one, module, inputs, given))) {
    assertEquals(actual.dtype.name, dtype.name, what);
    await near(actual, recorded.load(`${name}.${part}`, device), share, `${what}: ${part}`);
  }
}

for (const family of FAMILIES) {
  const recorded = reference<Case>(`torch-layers-${family}`);
  for (const layer of new Set(recorded.cases.map((one) => one.layer))) {
    const cases = recorded.cases.filter((one) => one.layer === layer);
    eachBackend(`${layer} gives what PyTorch's gives`, async (device) => {
      assert(cases.length >= 20);
      for (const [i, one] of few([...cases.entries()], 3)) {
        for (const dtype of [float32, i % 2 ? float16 : bfloat16]) {
          await check(recorded, one, device, dtype);
        }
      }
    });
  }
}
