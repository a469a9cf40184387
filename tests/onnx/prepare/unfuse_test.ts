import { assert, assertEquals } from "@std/assert";
import { prepareOnnx } from "../../../mod.ts";
import type { AttributeValue } from "../../../lib/onnx/file/messages.ts";
import {
  difference,
  floats,
  node,
  noise,
  operators,
  runModel,
  smallModel,
} from "../small_models.ts";

const weight = (name: string, ...dims: number[]) =>
  floats(name, dims, Array.from(noise(...dims).data as Float32Array));
const fused = (opType: string, input: string[], attributes: Record<string, AttributeValue> = {}) =>
  node(opType, input, ["y"], attributes, "com.microsoft");
const image = ["float32", 1, 3, 6, 6] as const;
const rows = ["float32", "n", 6] as const;

const CASES: [
  string,
  Record<string, number>,
  ReturnType<typeof node>,
  readonly [number, ...number[]],
][] = [
  [
    "a convolution with Relu",
    { Conv: 1, Relu: 1 },
    fused("FusedConv", ["x", "w", "b"], {
      activation: { s: "Relu" },
      pads: { ints: [1, 1, 1, 1] },
    }),
    [1, 3, 6, 6],
  ],
  [
    "a convolution with a sum and LeakyRelu",
    { Conv: 1, Add: 1, LeakyRelu: 1 },
    fused(
      "FusedConv",
      ["x", "v", "", "x"],
      { activation: { s: "LeakyRelu" }, activation_params: { floats: [0.3] } },
    ),
    [1, 3, 6, 6],
  ],
  [
    "a convolution with Clip",
    { Conv: 1, Clip: 1 },
    fused("FusedConv", ["x", "w"], {
      activation: { s: "Clip" },
      activation_params: { floats: [-0.5, 2] },
    }),
    [1, 3, 6, 6],
  ],
  [
    "a convolution with HardSigmoid",
    { Conv: 1, HardSigmoid: 1 },
    fused("FusedConv", ["x", "w"], {
      activation: { s: "HardSigmoid" },
      activation_params: { floats: [0.1, 0.4] },
    }),
    [1, 3, 6, 6],
  ],
  [
    "a Gemm with Tanh",
    { Gemm: 1, Tanh: 1 },
    fused("FusedGemm", ["x", "m", "c"], {
      activation: { s: "Tanh" },
      transB: { i: 1 },
    }),
    [2, 6],
  ],
  [
    "a Gemm with LeakyRelu",
    { Gemm: 1, LeakyRelu: 1 },
    fused("FusedGemm", ["x", "m", "c"], {
      activation: { s: "LeakyRelu" },
      activation_alpha: { f: 0.2 },
      transB: { i: 1 },
    }),
    [2, 6],
  ],
  [
    "a product that turns and scales",
    { MatMul: 1 },
    fused("FusedMatMul", ["x", "m"], {
      transB: { i: 1 },
      alpha: { f: 0.25 },
    }),
    [2, 6],
  ],
  ["a product that scales", { MatMul: 1 }, fused("FusedMatMul", ["x", "n"], { alpha: { f: -3 } }), [
    2,
    6,
  ]],
  [
    "a product of two activations stays",
    { FusedMatMul: 1 },
    fused("FusedMatMul", ["x", "x"], {
      transB: { i: 1 },
    }),
    [2, 6],
  ],
];

for (const [what, expected, made, shape] of CASES) {
  Deno.test(`prepareOnnx() takes apart ${what}`, async () => {
    const model = smallModel({
      opset: 17,
      nodes: [made],
      constants: [
        weight("w", 4, 3, 3, 3),
        weight("v", 3, 3, 1, 1),
        weight("b", 4),
        weight("m", 5, 6),
        weight("n", 6, 5),
        weight("c", 5),
      ].filter(({ name }) => made.input.includes(name)),
      inputs: { x: shape.length === 4 ? [...image] : [...rows] },
      outputs: ["y"],
      domains: { "com.microsoft": 1 },
    });
    const prepared = await prepareOnnx(model);
    assertEquals(operators(prepared), expected);
    const feeds = { x: noise(...shape) };
    const off = difference(await runModel(model, feeds), await runModel(prepared, feeds));
    assert(off < 1e-5, `${off}`);
  });
}
