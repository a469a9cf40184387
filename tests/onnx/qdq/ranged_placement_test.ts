import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  init,
  type OnnxFeeds,
  OnnxRuntime,
  quantizeStatic,
  type QuantizeStaticOptions,
} from "../../../mod.ts";
import type { OnnxModel } from "../../../lib/onnx/file/model.ts";
import { optimized } from "../model.ts";
import { floats, ints, node, noise, type SmallModel, smallModel } from "../small_models.ts";

await init({ device: "cpu" });

/** A float32 constant that looks random, its elements from −2 to 2. */
function weight(name: string, ...dims: number[]) {
  return floats(name, dims, Array.from(noise(...dims).data as Float32Array));
}

/** Samples of x, of 4 by 8, and others like it; `scale` says how large the elements of a column are. */
function samples(scale: (column: number) => number, ...names: string[]): OnnxFeeds[] {
  return Array.from(
    { length: 4 },
    (_, s) =>
      Object.fromEntries(["x", ...names].map((name, n) => [name, {
        data: Float32Array.from(
          { length: 32 },
          (_, i) => Math.sin(1.7 * i + s + 5 * n) * scale(i % 8),
        ),
        dims: [4, 8],
      }])),
  );
}

async function run(model: OnnxModel, feeds: OnnxFeeds): Promise<Float32Array[]> {
  await using runtime = await OnnxRuntime.open("test", model);
  return Object.values(await runtime.run(feeds)).map(({ data }) => data as Float32Array);
}

/** Quantizes, and asserts that each output is right to `atLeast` dB. */
async function quantized(
  parts: Omit<SmallModel, "opset">,
  data: OnnxFeeds[],
  atLeast: number,
  options: QuantizeStaticOptions = {},
) {
  const float = smallModel({ opset: 17, ...parts });
  const result = await quantizeStatic(float, data, options);
  const [x, y] = [await run(float, data[1]), await run(result.model, data[1])];
  x.forEach((output, o) => {
    const noise = output.reduce((sum, v, i) => sum + (v - y[o][i]) ** 2, 0);
    const sqnr = 10 * Math.log10(output.reduce((sum, v) => sum + v * v, 0) / noise);
    assert(sqnr > atLeast, `${sqnr} dB`);
  });
  const reasons = Object.fromEntries(result.nodes.map(({ opType, reason }) => [opType, reason]));
  return { ...result, reasons, kernels: await optimized(result.model.toBytes()) };
}

const x = { x: ["float32", 4, 8] } satisfies SmallModel["inputs"];
const ends = [ints("one", [1]), ints("end", [8]), weight("w", 7, 8), weight("v", 8, 4)];

Deno.test("a narrow part of a wide input has a scale of its own", async () => {
  const data = samples((column) => column === 0 ? 1e4 : 1);
  const slice = () => node("Slice", ["x", "one", "end", "one"], ["s"]);
  const product = () => node("MatMul", ["s", "w"], ["y"]);
  // With no other reader the bytes need not reach beyond the part.
  const alone = { nodes: [slice(), product()], constants: ends, inputs: x, outputs: ["y"] };
  const { reasons } = await quantized(alone, data, 35);
  assertEquals(reasons.Slice, undefined);
  const nodes = [slice(), product(), node("MatMul", ["x", "v"], ["z"])];
  const beside = await quantized({ ...alone, nodes, outputs: ["y", "z"] }, data, 35);
  assertStringIncludes(beside.reasons.Slice!, "times narrower than the whole");
});

Deno.test("a product gives floats where its parts differ too much", async () => {
  const scale = (column: number) => column < 4 ? 300 : 1;
  const product = await quantized(
    {
      nodes: [
        node("MatMul", ["x", "u"], ["h"]),
        node("Split", ["h"], ["a", "b"], { axis: { i: 1 } }),
        node("MatMul", ["a", "m"], ["y"]),
        node("MatMul", ["b", "m"], ["z"]),
      ],
      constants: [
        floats("u", [8, 8], Array.from({ length: 64 }, (_, i) => Math.sin(i) * scale(i % 8))),
        weight("m", 4, 4),
      ],
      inputs: x,
      outputs: ["y", "z"],
    },
    samples(() => 1),
    35,
  );
  assertStringIncludes(product.reasons.Split!, "times narrower than the whole");
  assertEquals(product.reasons.MatMul, undefined);
});

Deno.test("a mask is no part of a range where a greatest element is picked", async () => {
  const masked = [
    node("MatMul", ["x", "u"], ["h"]),
    node("Where", ["mask", "h", "far"], ["m"]),
    node("ReduceMax", ["m"], ["p"], { axes: { ints: [0] } }),
    node("MatMul", ["p", "v"], ["y"]),
  ];
  const data = samples(() => 1).map((feeds) => ({
    ...feeds,
    mask: {
      data: Uint8Array.from({ length: 4 }, (_, i) => +(i < 3)),
      dims: [4, 1],
      dtype: "bool" as const,
    },
  }));
  const parts = {
    nodes: masked,
    inputs: { ...x, mask: ["bool", 4, 1] as ["bool", number, number] },
  };
  for (const far of [-1e9, -1e4]) {
    const constants = [weight("u", 8, 8), weight("v", 8, 4), floats("far", [], [far])];
    await quantized({ ...parts, constants, outputs: ["y"] }, data, 35);
  }
});

Deno.test("what reads a mask in bytes stays float", async () => {
  const data = samples(() => 1).map((feeds) => ({
    ...feeds,
    mask: { data: Float32Array.of(0, 0, 0, -1e4, 0, 0, -1e4, 0), dims: [1, 8] },
  }));
  const { reasons } = await quantized(
    {
      nodes: [
        node("MatMul", ["x", "u"], ["h"]),
        node("Add", ["h", "mask"], ["a"]),
        node("Softmax", ["a"], ["s"]),
        node("MatMul", ["s", "v"], ["y"]),
      ],
      constants: [weight("u", 8, 8), weight("v", 8, 4)],
      inputs: { ...x, mask: ["float32", 1, 8] },
      outputs: ["y"],
    },
    data,
    30,
    { opTypesToQuantize: ["MatMul", "Add", "Softmax"] },
  );
  assertStringIncludes(reasons.Softmax!, "to mark what is to be ignored");
});

Deno.test("a factor whose elements are far apart in size is no byte", async () => {
  const { reasons } = await quantized(
    {
      nodes: [
        node("MatMul", ["x", "u"], ["h"]),
        node("LeakyRelu", ["h"], ["r"]),
        node("Mul", ["r", "f"], ["m"]),
        node("Slice", ["m", "one", "end", "one"], ["s"]),
        node("MatMul", ["s", "w"], ["y"]),
      ],
      constants: [
        ...ends,
        weight("u", 8, 8),
        floats("f", [4, 8], Array.from({ length: 32 }, (_, i) => i % 8 === 0 ? 5e3 : 1 + i / 32)),
      ],
      inputs: x,
      outputs: ["y"],
    },
    samples(() => 1),
    35,
    { opTypesToQuantize: ["MatMul", "LeakyRelu", "Mul", "Slice"] },
  );
  assertStringIncludes(reasons.Mul!, "too far apart in size");
});

Deno.test("a node that is left out stays float between integer nodes", async () => {
  const parts = {
    nodes: [
      node("MatMul", ["x", "u"], ["h"]),
      node("Relu", ["h"], ["r"]),
      node("Sigmoid", ["r"], ["s"]),
      node("MatMul", ["s", "v"], ["y"]),
    ],
    constants: [weight("u", 8, 8), weight("v", 8, 4)],
    inputs: x,
    outputs: ["y"],
  };
  const all = await quantized(parts, samples(() => 1), 30);
  assert(all.kernels.includes("QLinearSigmoid"));
  const { nodes } = all;
  const { name } = nodes.find(({ opType }) => opType === "Sigmoid")!;
  const { kernels } = await quantized(parts, samples(() => 1), 30, { nodesToExclude: [name] });
  assert(kernels.includes("Sigmoid") && !kernels.includes("QLinearSigmoid"), kernels.join());
});

Deno.test("a product of what dips below 0 by less than two steps stays float", async () => {
  const dip = (largest: number, options: QuantizeStaticOptions = {}, atLeast = 30) =>
    quantized(
      {
        nodes: [
          node("Sigmoid", ["x"], ["s"]),
          node("Mul", ["x", "s"], ["g"]),
          node("MatMul", ["g", "u"], ["h"]),
          node("LayerNormalization", ["h", "one", "zero"], ["n"], { axis: { i: -1 } }),
          node("MatMul", ["n", "v"], ["y"]),
        ],
        constants: [
          ...[weight("u", 8, 8), weight("v", 8, 4)],
          ...[floats("one", [8], new Array(8).fill(1)), floats("zero", [8], new Array(8).fill(0))],
        ],
        inputs: x,
        outputs: ["y"],
      },
      samples((column) => column === 0 ? largest : 2),
      atLeast,
      options,
    );
  const products = ({ nodes }: Awaited<ReturnType<typeof dip>>) =>
    nodes.filter(({ opType }) => opType === "MatMul");
  const [first, second] = products(await dip(80));
  assertStringIncludes(first.reason!, "less than 2 steps of a range up to 73");
  assert(second.quantized);
  assert(products(await dip(8)).every(({ quantized }) => quantized));
  const chosen = { tensorOverrides: { g: { min: -0.5, max: 8 } } };
  assert(products(await dip(80, chosen, 0)).every(({ quantized }) => quantized));
  assert(products(await dip(80, { optimize: "size" }, 0)).every(({ quantized }) => quantized));
});
