import { assert, assertEquals } from "@std/assert";
import { GraphFacts } from "../../../lib/onnx/qdq/graph_facts.ts";
import { checkSelection, type NodeSelection } from "../../../lib/onnx/qdq/selection.ts";
import { notWorthBytes } from "../../../lib/onnx/qdq/worth_bytes.ts";
import { floats, node, noise, type SmallModel, smallModel } from "../small_models.ts";

function weight(name: string, ...dims: number[]) {
  return floats(name, dims, Array.from(noise(...dims).data as Float32Array));
}

/** A graph, its nodes named after what they make. */
function factsOf(parts: Omit<SmallModel, "opset">): GraphFacts {
  const { graph } = smallModel({ opset: 17, ...parts });
  for (const each of graph.node) each.name = each.output[0];
  return new GraphFacts(graph);
}

/** The names of the nodes that are not worth bytes. */
function notWorth(parts: Omit<SmallModel, "opset">): string[] {
  return [...notWorthBytes(factsOf(parts)).keys()].map(({ name }) => name);
}

/** A transformer's layer of so many rows. */
function transformer(rows: number | string): Omit<SmallModel, "opset"> {
  return {
    nodes: [
      ...["q", "k", "v"].map((name) => node("MatMul", ["x", `w${name}`], [name])),
      node("Add", ["q", "b"], ["qb"]),
      node("Transpose", ["k"], ["kt"], { perm: { ints: [0, 2, 1] } }),
      node("MatMul", ["qb", "kt"], ["scores"]),
      node("Softmax", ["scores"], ["shares"]),
      node("MatMul", ["shares", "v"], ["mixed"]),
      node("MatMul", ["mixed", "wo"], ["o"]),
      node("Add", ["o", "x"], ["sum"]),
      node("LayerNormalization", ["sum", "b", "b"], ["n"]),
      node("MatMul", ["n", "wq"], ["h"]),
      node("Erf", ["h"], ["e"]),
      node("Mul", ["h", "e"], ["g"]),
      node("MatMul", ["g", "wk"], ["y"]),
    ],
    constants: [
      ...["q", "k", "v", "o"].map((name) => weight(`w${name}`, 64, 64)),
      weight("b", 64),
    ],
    inputs: { x: ["float32", 1, rows, 64] },
    outputs: ["y"],
  };
}

Deno.test("between the layers of a transformer nothing but products is worth bytes", () => {
  assertEquals(notWorth(transformer("rows")), ["qb", "scores", "mixed", "sum", "g"]);
  assertEquals(notWorth(transformer(300)), ["qb", "sum", "g"], "long rows pay");
});

Deno.test("what follows convolutions is worth bytes, and a gate of few numbers is no reason", () => {
  const image: SmallModel["inputs"] = { x: ["float32", 1, 16, 8, 8] };
  const constants = [weight("w", 16, 16, 1, 1), weight("u", 16, 16)];
  const flat = { axes: { ints: [2, 3] }, keepdims: { i: 1 } };
  const residual = [
    node("Conv", ["x", "w"], ["a"]),
    node("HardSigmoid", ["a"], ["h"]),
    node("Mul", ["a", "h"], ["m"]),
    node("Add", ["m", "x"], ["s"]),
    node("Conv", ["s", "w"], ["y"]),
  ];
  assertEquals(notWorth({ nodes: residual, constants, inputs: image, outputs: ["y"] }), []);
  const gated = (gate: string, gates: SmallModel["nodes"]) =>
    notWorth({
      nodes: [
        node("Conv", ["x", "w"], ["a"]),
        ...gates,
        node("Mul", ["a", gate], ["m"]),
        node("Conv", ["m", "w"], ["y"]),
      ],
      constants,
      inputs: image,
      outputs: ["y"],
    });
  const small = [
    node("ReduceMean", ["a"], ["r"], flat),
    node("Transpose", ["r"], ["t"], { perm: { ints: [0, 2, 3, 1] } }),
    node("MatMul", ["t", "u"], ["p"]),
    node("Transpose", ["p"], ["g"], { perm: { ints: [0, 3, 1, 2] } }),
  ];
  assertEquals(gated("g", small), []);
  assertEquals(
    gated(
      "g",
      small.filter(({ opType }) => opType !== "ReduceMean").map((each) =>
        each.output[0] === "t"
          ? node("Transpose", ["a"], ["t"], { perm: { ints: [0, 2, 3, 1] } })
          : each
      ),
    ),
    ["m"],
    "a product as large as what it is multiplied with",
  );
});

Deno.test("what is asked for by operator or name is quantized wherever it stands", () => {
  const facts = factsOf(transformer("rows"));
  const sum = facts.graph.node.find(({ name }) => name === "sum")!;
  const why = (selection: NodeSelection) => checkSelection("test", facts, selection)(sum);
  assert(why({})?.includes("comes as floats"));
  assertEquals(why({ opTypesToQuantize: ["Add"] }), undefined);
  assertEquals(why({ nodesToQuantize: ["sum"] }), undefined);
});
