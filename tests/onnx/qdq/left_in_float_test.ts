import { assert, assertEquals } from "@std/assert";
import { init, type OnnxFeeds, OnnxRuntime, quantizeStatic } from "../../../mod.ts";
import { TemporaryFile } from "../../../lib/files/temporary_file.ts";
import { isQuantized } from "../../../lib/onnx/qdq/already_quantized.ts";
import { graphIn } from "../../../lib/onnx/verify/what_ran.ts";
import { floats, ints, node, noise, smallModel } from "../small_models.ts";

await init({ device: "cpu" });

function weight(name: string, ...dims: number[]) {
  return floats(name, dims, Array.from(noise(...dims).data as Float32Array));
}

/** A node with its operator as the beginning of its name. */
function named(opType: string, ...rest: [string[], string[], Parameters<typeof node>[3]?]) {
  return Object.assign(node(opType, ...rest), { name: `${opType}/${rest[1][0]}` });
}

/** Names of what onnxruntime has integer kernels for, of convolutions and nodes between them. */
async function integersOf(
  nodes: ReturnType<typeof node>[],
  nodesToExclude: readonly string[],
): Promise<string[]> {
  const float = smallModel({
    opset: 17,
    nodes: [
      named("Conv", ["x", "w1"], ["a"]),
      ...nodes.some(({ input }) => input.includes("b")) ? [named("Conv", ["x", "w2"], ["b"])] : [],
      ...nodes,
      named("Conv", ["z", "w2"], ["y"]),
    ],
    constants: [
      weight("w1", 4, 4, 1, 1),
      weight("w2", 4, 4, 1, 1),
      weight("k", 4, 1, 1),
      ints("flat", [1, 4, 64]),
      ints("square", [1, 4, 8, 8]),
    ],
    inputs: { x: ["float32", 1, 4, 8, 8] },
    outputs: ["y"],
  });
  const x = noise(1, 4, 8, 8) as OnnxFeeds[string];
  const { model } = await quantizeStatic(float, [{ x }], {
    ...{ nodesToExclude, verify: false, prepare: false },
  });
  await using file = (await TemporaryFile.create())!;
  const options = { optimization: "extended", optimizedModelPath: file.path } as const;
  await using _ = await OnnxRuntime.open("test", model, options);
  const kernels = (await graphIn(model, file)).node.filter(isQuantized);
  assert(kernels.some(({ opType }) => opType === "QLinearConv"));
  return kernels.map(({ name }) => name);
}

Deno.test("a node that is left out stays float in onnxruntime too", async () => {
  const pool = { kernel_shape: { ints: [1, 1] } };
  const turned = { perm: { ints: [0, 1, 3, 2] } };
  const cases: [string, ReturnType<typeof node>[], string[]][] = [
    ["right between bytes", [named("LeakyRelu", ["a"], ["z"])], ["LeakyRelu/z"]],
    [
      "in front of nodes that hand on",
      [
        named("AveragePool", ["a"], ["p"], pool),
        named("Reshape", ["p", "flat"], ["f"]),
        named("Reshape", ["f", "square"], ["z"]),
      ],
      ["AveragePool/p", "Reshape/z"],
    ],
    [
      "behind nodes that hand on",
      [
        named("Transpose", ["a"], ["t"], turned),
        named("Add", ["t", "b"], ["z"]),
      ],
      ["Add/z", "Transpose/t"],
    ],
    [
      "in front of a clip that quantizing does too",
      [named("Add", ["a", "b"], ["s"]), named("Relu", ["s"], ["z"])],
      ["Add/s"],
    ],
    ["with a weight", [named("Conv", ["a", "w1"], ["z"])], ["Conv/z"]],
    [
      "with a weight, and a constant to be fused with",
      [named("Conv", ["a", "w1"], ["c"]), named("Add", ["c", "k"], ["z"])],
      ["Conv/c", "Add/z"],
    ],
    [
      "with two outputs and two readers",
      [
        named("Concat", ["a", "b"], ["c"], { axis: { i: 1 } }),
        named("Split", ["c"], ["d", "e"], { axis: { i: 1 } }),
        named("Sigmoid", ["d"], ["s"]),
        named("Mul", ["s", "d"], ["m"]),
        named("Add", ["m", "e"], ["z"]),
      ],
      ["Concat/c", "Split/d", "Sigmoid/s"],
    ],
  ];
  for (const [what, nodes, excluded] of cases) {
    const left = await integersOf(nodes, excluded);
    assertEquals(left.filter((name) => excluded.includes(name)), [], what);
    // They compute with integers if they may.
    const all = await integersOf(nodes, []);
    assert(excluded.some((name) => all.includes(name)), what);
  }
});

Deno.test("a Relu that is left out needs nothing before bytes that end as it does", async () => {
  const float = smallModel({
    opset: 17,
    nodes: [
      ...[named("Conv", ["x", "w"], ["a"]), named("Relu", ["a"], ["z"])],
      ...[named("Conv", ["z", "v"], ["b"]), named("Conv", ["b", "u"], ["y"])],
    ],
    constants: [weight("w", 4, 4, 1, 1), weight("v", 4, 4, 1, 1), weight("u", 4, 4, 1, 1)],
    inputs: { x: ["float32", 1, 4, 8, 8] },
    outputs: ["y"],
  });
  const x = noise(1, 4, 8, 8) as OnnxFeeds[string];
  const { model, nodes } = await quantizeStatic(float, [{ x }], {
    ...{ nodesToExclude: ["Conv/a", "Relu/z"], prepare: false },
  });
  assertEquals(nodes.map(({ quantized }) => quantized), [false, false, true, true]);
  assert(model.graph.node.every(({ opType }) => opType !== "Max"));
});
