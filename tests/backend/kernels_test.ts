/** The texts of kernels and their keys, which need no device, and what a person sees of them. */
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  type Argument,
  type FunctionName,
  FUNCTIONS,
  kindsOf,
  type Step,
} from "../../lib/backend/expression.ts";
import { broadcastWalk } from "../../lib/backend/strides.ts";
import { castKernel } from "../../lib/backend/webgpu/kernels/cast.ts";
import { dequantizeKernel } from "../../lib/backend/webgpu/kernels/dequantize.ts";
import { histogramKernel, regridKernel } from "../../lib/backend/webgpu/kernels/histogram.ts";
import { type Kernel, kernel } from "../../lib/backend/webgpu/kernels/kernel.ts";
import { layOut } from "../../lib/backend/webgpu/kernels/lay_out.ts";
import { linearKernel } from "../../lib/backend/webgpu/kernels/linear.ts";
import { minmaxKernel } from "../../lib/backend/webgpu/kernels/minmax.ts";
import { movingAverageKernel } from "../../lib/backend/webgpu/kernels/moving_average.ts";
import { catKernel, gatherKernel, padKernel } from "../../lib/backend/webgpu/kernels/movement.ts";
import { nibbleLinearKernel } from "../../lib/backend/webgpu/kernels/nibble_linear.ts";
import {
  groupSumsKernel,
  packNibblesKernel,
} from "../../lib/backend/webgpu/kernels/pack_nibbles.ts";
import {
  packRowsKernel,
  quantizeRowsDynamicKernel,
  quantizeRowsKernel,
  rowTeam,
} from "../../lib/backend/webgpu/kernels/pack_rows.ts";
import { writeShader } from "../../lib/backend/webgpu/kernels/shader.ts";
import { packedLinearKernel } from "../../lib/backend/webgpu/kernels/packed_linear.ts";
import { normalizeKernel } from "../../lib/backend/webgpu/kernels/normalize.ts";
import {
  packedConvKernel,
  type PackedConvSpec,
} from "../../lib/backend/webgpu/kernels/packed_conv.ts";
import { packedDepthwiseKernel } from "../../lib/backend/webgpu/kernels/packed_depthwise.ts";
import { quantizePixelsKernel } from "../../lib/backend/webgpu/kernels/quantize_pixels.ts";
import { padRowsKernel } from "../../lib/backend/webgpu/kernels/pad_rows.ts";
import { pointwiseKernel } from "../../lib/backend/webgpu/kernels/pointwise.ts";
import { poolKernel } from "../../lib/backend/webgpu/kernels/pool.ts";
import { quantizationLossKernel } from "../../lib/backend/webgpu/kernels/quantization_loss.ts";
import { quantizeKernel } from "../../lib/backend/webgpu/kernels/quantize.ts";
import { reciprocalKernel } from "../../lib/backend/webgpu/kernels/reciprocal.ts";
import { reduceKernel } from "../../lib/backend/webgpu/kernels/reduce.ts";
import { cumsumKernel, softmaxKernel } from "../../lib/backend/webgpu/kernels/softmax.ts";
import { teamOf } from "../../lib/backend/webgpu/kernels/team.ts";
import { resampleKernel } from "../../lib/backend/webgpu/kernels/resample.ts";
import { reluKernel } from "../../lib/backend/webgpu/kernels/relu.ts";
import { alone, sharingRows, splitK, staged } from "../../lib/backend/webgpu/kernels/tile.ts";
import { convKernel } from "../../lib/backend/webgpu/kernels/conv.ts";
import { convWeightKernel } from "../../lib/backend/webgpu/kernels/conv_weight.ts";
import { depthwiseKernel } from "../../lib/backend/webgpu/kernels/depthwise.ts";
import {
  fromNarrowRowsKernel,
  fromRowsKernel,
  toRowsKernel,
} from "../../lib/backend/webgpu/kernels/transpose.ts";
import { unpackRowsKernel } from "../../lib/backend/webgpu/kernels/unpack_rows.ts";
import { weightOnlyKernel } from "../../lib/backend/webgpu/kernels/weight_only.ts";
import {
  bfloat16,
  bool,
  float16,
  float32,
  float8_e4m3fn,
  float8_e5m2,
  init,
  int16,
  int32,
  int8,
  relu,
  tensor,
  uint8,
} from "../../mod.ts";

const FLOATS = [float32, bfloat16, float16, float8_e4m3fn, float8_e5m2];
const WIDE = [float32, bfloat16, float16];
const INTEGERS = [int8, uint8, int16, int32];
const BYTES = [int8, uint8];
const BOTH = [false, true];
const TILES = [alone(1, 4), sharingRows(8, 4, 8), splitK(1, 4, 1), splitK(2, 4, 8), staged(2, 4)];
const DENO = { enableSubgroups: false };
const BROWSER = { enableSubgroups: true };

/** Every list with one of each choice. */
function all<const C extends readonly (readonly unknown[])[]>(
  ...choices: C
): { [K in keyof C]: C[K][number] }[] {
  return choices.reduce<unknown[][]>(
    (lists, choice) => lists.flatMap((list) => choice.map((one) => [...list, one])),
    [[]],
  ) as { [K in keyof C]: C[K][number] }[];
}

const quantizations = all(WIDE, [[0, 255], [-128, 127]], [0, 128])
  .map(([productDtype, [quantMin, quantMax], offset]) => ({
    productDtype,
    quantMin,
    quantMax,
    offset,
  }));

/** Kernels of every kind with every field at more than one value. */
function* kernels(): Generator<Kernel> {
  const dtypes = [...FLOATS, ...INTEGERS];
  for (const [from, to] of all(dtypes, dtypes)) yield castKernel(from, to);
  for (const [q, output, rank, product] of all([int8, float8_e5m2], WIDE, [1, 3], WIDE)) {
    yield dequantizeKernel(q, output, rank, product);
  }
  yield regridKernel;
  yield movingAverageKernel;
  for (const [x, rank, flag, wide] of all(WIDE, [1, 3], BOTH, BOTH)) {
    yield minmaxKernel(x, rank, flag, wide);
    yield histogramKernel(x, rank, wide);
  }
  for (const q of INTEGERS) yield packNibblesKernel(q);
  for (const bits of [4, 8] as const) yield groupSumsKernel(bits);
  yield fromRowsKernel();
  for (const x of [...dtypes, uint8]) {
    yield fromNarrowRowsKernel(x);
    for (const signed of BOTH) yield toRowsKernel(x, { signed });
  }
  for (const x of WIDE) {
    yield* [padRowsKernel(x, x), padRowsKernel(x), reciprocalKernel(x), reluKernel(x)];
  }
  for (const [output, bits, offset] of all(BYTES, [4, 8], [0, 7])) {
    yield unpackRowsKernel(output, bits, offset);
  }
  for (const [x, output, product, max] of all(WIDE, [...BYTES, float8_e5m2], WIDE, [127, 7])) {
    yield quantizeKernel(x, output, 1, product, -max, max);
    yield quantizationLossKernel(x, 2, product, -max, max, output);
  }
  for (const [rows, subgroup, whole, offset] of all([1, 64], [1, 8], BOTH, [0, 128])) {
    const team = rowTeam(rows, subgroup);
    for (const x of BYTES) yield packRowsKernel(x, offset, team, whole);
    for (const [x, product, quantMax] of all(WIDE, WIDE, [127, 7])) {
      const spec = { x, product, quantMin: -quantMax - 1, quantMax };
      yield quantizeRowsKernel(spec, offset, team, whole);
      for (const eps of [1e-5, 1e-7]) {
        yield quantizeRowsDynamicKernel(spec, x, eps, team, whole);
      }
    }
  }
  yield* expressions();
  yield* reductions();
  for (const [x, rank] of all([float32, float16, uint8], [1, 3])) {
    for (const mode of ["constant", "reflect", "edge", "wrap"] as const) {
      yield padKernel(x, rank, mode);
    }
    for (const [unit, index] of all(["u32", "vec4<u32>", uint8], [int32, uint8])) {
      yield* [catKernel(unit, rank + 1, rank % 2 === 1), gatherKernel(unit, index, rank)];
    }
  }
  yield* products();
  yield* convolutions();
}

/** The same for convolutions of bytes. */
function* packedConvolutions(
  places: readonly PackedConvSpec["places"][],
): Generator<Kernel> {
  const sums = all([0, 128], [0, 128], BOTH, ["one", "row"]);
  const sides = [1, 3].map((size) => ({ down: size, across: 2 }));
  const clip = { min: 0, max: 6 };
  for (const [xOffset, wOffset, zero, wParams] of sums) {
    const plain = { xOffset, wOffset, xPerRow: false, wParams, xSums: false } as const;
    const zeroPoints = { xZeroPoint: zero, wZeroPoint: !zero };
    const [requantize] = quantizations;
    const rescale = { quantMin: 0, quantMax: 255, offset: 128 };
    for (
      const result of [
        { output: int32, bias: undefined },
        { output: float32, bias: bfloat16, clip },
        { output: float16, bias: undefined, requantize },
        { output: float32, bias: int32, rescale },
      ]
    ) {
      const spec = { ...plain, ...zeroPoints, ...result };
      for (const [at, lastBytes, tile] of all(places, [3, 16], [TILES[1], TILES[4]])) {
        const few = at?.merged && !at.transposed && lastBytes === 3 ? 3 : undefined;
        const partial = at?.transposed;
        yield packedConvKernel({ ...spec, partial, places: at, few, lastBytes }, tile);
      }
      for (const [kernel, stride] of all(sides, sides)) {
        for (const fours of [1, 4] as const) {
          yield packedDepthwiseKernel({
            ...spec,
            kernel,
            stride,
            dilation: stride,
            block: kernel,
            fours,
          });
        }
      }
    }
  }
}

/** The same for convolutions. */
function* convolutions(): Generator<Kernel> {
  const biases = [undefined, bfloat16];
  const clips = [undefined, { min: 0, max: Infinity }, { min: 0, max: 6 }, { min: -1, max: 1 }];
  const places = [
    undefined,
    ...all([1, 2], BOTH, BOTH).map(([rank, transposed, merged]) => ({ rank, transposed, merged })),
  ];
  for (const [dtype, bias, clip, at] of all(WIDE, biases, clips, places)) {
    for (const tile of TILES) yield convKernel({ dtype, bias, clip, places: at }, tile);
  }
  const zeros = ["none", "one", "row"] as const;
  for (const [w, transposed, zeroPoints] of all([...WIDE, ...BYTES], BOTH, zeros)) {
    yield convWeightKernel(w, { transposed, zeroPoints });
  }
  for (const [x, last, { productDtype: product, ...range }] of all(WIDE, BOTH, quantizations)) {
    yield quantizePixelsKernel({ x, last, product, ...range });
  }
  yield* packedConvolutions(places);
  for (const [dtype, kind] of all([...WIDE, ...BYTES], ["max", "average"])) {
    const mean = kind === "average" && !dtype.isFloat;
    const rescale = mean ? { quantMin: 0, quantMax: 255, offset: 128 } : undefined;
    for (const [adaptive, countPadding, team] of all(BOTH, BOTH, BOTH)) {
      yield poolKernel({ dtype, kind, adaptive, countPadding, team, rescale });
    }
  }
  const sizes = [1, 3].map((size) => ({ down: size, across: 2 }));
  for (const [dtype, bias, clip] of all(WIDE, biases, clips)) {
    for (const [kernel, stride, dilation, block] of all(sizes, sizes, sizes, sizes)) {
      yield depthwiseKernel({ dtype, bias, clip, kernel, stride, dilation, block, fours: 1 });
    }
  }
}

/** What looks along rows, taken by teams of both kinds or by an invocation. */
function* reductions(): Generator<Kernel> {
  const teams = [undefined, teamOf(1), teamOf(8)];
  for (const [x, team] of all([float32, bfloat16, int32, uint8], teams)) {
    for (const found of ["sum", "prod", "max", "min", "argmax", "argmin"] as const) {
      yield reduceKernel(x, found, false, team);
    }
    if (!x.isFloat) continue;
    yield reduceKernel(x, "sum", true, team);
    for (const log of BOTH) {
      yield softmaxKernel(x, log, team, false);
      if (team) yield softmaxKernel(float32, log, team, true);
    }
  }
  for (const [x, exclusive, reverse] of all([float16, int32], BOTH, BOTH)) {
    yield cumsumKernel(x, exclusive, reverse);
  }
  for (const [x, output, taps] of all(WIDE, WIDE, [2, 4])) yield resampleKernel(x, output, taps);
  const factors = [undefined, float32, float16];
  const choices = all(WIDE, BOTH, factors, factors, BOTH, [teamOf(1), teamOf(8)]);
  for (const [x, center, weight, bias, spread, team] of choices) {
    yield normalizeKernel({ x, center, weight, bias, spread, team });
  }
}

/** Each function of each kind, and inputs that lie in every way. */
function* expressions(): Generator<Kernel> {
  const walks = [[[2, 3], [1, 1]], [[2, 3], [2, 3]], [[2, 3], [3]], [[2, 3], [2, 1]], [[3, 2], [
    3,
    1,
  ]]]
    .map(([a, b]) => broadcastWalk([a, b], a));
  const steps: Step[] = [["int", "x0"]];
  for (const [last, stride, offset] of all([4, 5], [0, 1, 2, -1], [0, 3, 8])) {
    const walk = { sizes: [3, last], strides: [[20, stride]], offsets: [offset] };
    for (const x of INTEGERS) yield pointwiseKernel({ steps, constants: [] }, [x], walk, x);
  }
  for (const [walk, output] of all(walks, [...FLOATS, ...INTEGERS, bool])) {
    const x = output.isFloat ? output : int32;
    for (const argument of ["x1", output.isFloat ? "f0" : "i0"] as const) {
      const steps: Step[] = [["add", "x0", argument]];
      yield pointwiseKernel({ steps, constants: [2] }, [x, x], walk, output);
    }
  }
  for (const name of Object.keys(FUNCTIONS) as FunctionName[]) {
    for (const x of [float32, int32]) {
      const args = ["x0", "x1", "x0"].slice(0, FUNCTIONS[name].args) as Argument[];
      const expression = { steps: [[name, ...args] as Step], constants: [] };
      const float = kindsOf(expression, [x, x])[0] === "float";
      yield pointwiseKernel(expression, [x, x], walks[1], float ? float32 : int32);
    }
  }
}

/** The same for products. */
function* products(): Generator<Kernel> {
  const biases = [undefined, bfloat16];
  for (const [dtype, k, bias, relu, tile] of all(WIDE, [16, 17], biases, BOTH, TILES)) {
    yield linearKernel({ dtype, k, bias, output: dtype, relu }, tile);
    for (const batch of [0, 2]) yield linearKernel({ dtype, k, bias, output: dtype, batch }, tile);
  }
  for (const tile of TILES) {
    const offsets = all([0, 128], [0, 128]);
    for (const [[xOffset, wOffset], xPerRow, wParams] of all(offsets, BOTH, ["one", "row"])) {
      for (const [xZeroPoint, xSums] of all(BOTH, BOTH)) {
        const wZeroPoint = !xZeroPoint;
        const bias = xSums ? bfloat16 : undefined;
        const spec = { xOffset, wOffset, xPerRow, wParams, xZeroPoint, wZeroPoint, bias, xSums };
        for (const output of [float32, bfloat16, int32]) {
          yield packedLinearKernel({ ...spec, output }, tile);
          yield nibbleLinearKernel({ ...spec, output }, tile, xSums);
        }
        yield packedLinearKernel(
          { ...spec, output: float32, clip: { min: 0, max: Infinity } },
          tile,
        );
      }
    }
    const plain = {
      xOffset: 128,
      wOffset: 0,
      xPerRow: false,
      wParams: "one",
      xZeroPoint: true,
      wZeroPoint: true,
      bias: undefined,
      output: float32,
      xSums: true,
    } as const;
    for (const requantize of quantizations) {
      yield packedLinearKernel({ ...plain, requantize }, tile);
      const quantize = { ...requantize, dtype: float16 };
      yield packedLinearKernel({ ...plain, quantize }, tile);
    }
    const scales = all(WIDE, [undefined, int8], biases);
    for (
      const [bits, offset, params, [scale, zeroPoint, bias]] of all([4, 8], [0, -8], [
        "one",
        "row",
        "group",
      ], scales)
    ) {
      const spec = { bits, offset, params, scale, zeroPoint, bias, output: float32 };
      yield weightOnlyKernel(spec, tile);
    }
  }
}

Deno.test("kernels with one key have one text", () => {
  const texts = new Map<string, string>();
  for (const { key, shader } of kernels()) {
    const text = writeShader(shader(), DENO);
    assertEquals(text, texts.get(key) ?? text, key);
    texts.set(key, text);
  }
  assert(texts.size > 1500, `${texts.size} kernels`);
});

Deno.test("every text is laid out, and holds nothing that Deno or a browser refuses", () => {
  const seen = new Set<string>();
  for (const { key, shader } of kernels()) {
    if (seen.has(key)) continue;
    seen.add(key);
    const text = writeShader(shader(), DENO);
    // A constant may be a NaN, which is an error.
    assert(!/bitcast<f32>\(0x|undefined|null|enable /.test(text), key);
    const there = writeShader(shader(), BROWSER);
    assertEquals(there.startsWith("enable subgroups;\n\n"), text.includes("subgroup"), key);
    checkLayout(text, key);
  }
});

/** Each statement has a line of its own, and each line is indented by the braces around it. */
function checkLayout(text: string, key: string): void {
  let depth = 0;
  for (const line of text.split("\n")) {
    const words = line.trimStart();
    if (words === "" || words.startsWith("//")) continue;
    if (words.startsWith("}")) depth--;
    const deeper = (line.length - words.length) / 2 - depth;
    const several = /[;{}]./.test(words.replace(/^} else/, "").replace(/for \(.*\)/, ""));
    if (several || deeper !== 0 && deeper !== 1) throw new Error(`${key}: ${line}`);
    if (words.endsWith("{")) depth++;
  }
  assertEquals(depth, 0, key);
}

Deno.test("a key lists all that a kernel is made from", () => {
  const build = () => ({ arrays: [], fields: [], workgroup: 1, body: "" });
  const spec = { from: int8, relu: true, wide: false, bias: undefined, to: { min: -1, all: true } };
  const tiled = { ...spec, tile: splitK(2, 4, 8) };
  assertEquals(
    kernel("some product", tiled, build).key,
    "some product from=int8 relu wide=false to=(min=-1 all) tile=2x4 k8s",
  );
});

Deno.test("a text is laid out whatever its pieces look like", () => {
  const pieces = `struct Pair { a: u32,
b: u32 }
// A comment; with { braces
fn f(x: u32,
y: u32) -> u32 { if (x > 1u) { return 1u; } else { for (var i = 0u; i < y; i++) { g(x,
i); } }
      let z = x +
y; return z; }`;
  assertEquals(
    layOut(pieces),
    `struct Pair {
  a: u32,
  b: u32
}

// A comment; with { braces
fn f(x: u32,
  y: u32) -> u32 {
  if (x > 1u) {
    return 1u;
  } else {
    for (var i = 0u; i < y; i++) {
      g(x,
        i);
    }
  }
  let z = x +
    y;
  return z;
}
`,
  );
});

Deno.test("init prints each kernel once, with its key, if asked to [webgpu]", async () => {
  const { error } = console;
  const printed: string[] = [];
  console.error = (text: string) => void printed.push(text);
  try {
    await init({ device: "webgpu", debug: "wgsl" });
    for (let i = 0; i < 3; i++) assertEquals([...await relu(tensor([-1, 2])).data()], [0, 2]);
    await assertRejects(() => init({ debug: "WGSL" as "wgsl" }), TypeError, 'did you mean "wgsl"?');
    await init({ device: "webgpu" });
    await relu(tensor([-1, 2]).to(bfloat16)).data();
  } finally {
    console.error = error;
  }
  assertEquals(printed.length, 1);
  assertMatch(printed[0], /^\/\/ relu dtype=float32\n@group/);
  assertStringIncludes(printed[0], "\n  let bits = bitcast<u32>(x);\n");
});
