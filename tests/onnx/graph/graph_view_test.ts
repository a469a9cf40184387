import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  floatOf,
  intOf,
  intsOf,
  setAttribute,
  stringOf,
} from "../../../lib/onnx/file/attributes.ts";
import { GraphView } from "../../../lib/onnx/graph/graph_view.ts";
import { OnnxError } from "../../../lib/onnx/file/onnx_error.ts";
import type { NodeProto } from "../../../lib/onnx/file/proto.ts";
import { captures, freeValues, walkGraphs } from "../../../lib/onnx/file/subgraphs.ts";
import {
  isTopologicallySorted,
  topologicalOrder,
} from "../../../lib/onnx/file/topological_order.ts";
import { branch, graphProto, messages, variedGraph } from "../files.ts";

/** A node named after its output. */
function node(output: string, ...input: string[]): NodeProto {
  return messages.node({ opType: "Sum", name: output, input, output: [output] });
}

function names(nodes: readonly NodeProto[]): string[] {
  return nodes.map(({ name }) => name);
}

function value(name: string) {
  return messages.valueInfo(name, "float32");
}

Deno.test("GraphView: who makes and who reads a value, from inside of branches too", () => {
  const graph = variedGraph();
  const view = new GraphView(graph);
  const [constant, add, choice] = graph.node;
  assertEquals(view.producer("s"), add);
  assertEquals(view.producer("x"), undefined);
  assertEquals(view.uses("s"), [{ kind: "capture", node: choice }]);
  assertEquals(view.uses("raw"), [{ kind: "input", node: add, index: 1 }]);
  assertEquals(view.uses("k"), [{ kind: "capture", node: choice }, { kind: "output", index: 1 }]);
  assertEquals(view.consumers("k"), [choice]);
  assertEquals([view.onlyReader("raw"), view.onlyReader("s"), view.onlyReader("k")], [
    add,
    undefined,
    undefined,
  ]);
  assertEquals(view.producer("k"), constant);
  assertEquals(view.uses("nothing"), []);
});

Deno.test("GraphView: a node that reads a value twice is one consumer with two uses", () => {
  const twice = node("y", "x", "", "x");
  const view = new GraphView(graphProto({ node: [twice], input: [value("x")] }));
  assertEquals(view.uses("x").map((use) => use.kind === "input" && use.index), [0, 2]);
  assertEquals(view.consumers("x"), [twice]);
  assertEquals(view.uses(""), []);
  assertEquals(view.onlyReader("x"), undefined);
});

Deno.test("GraphView: inputs, outputs, constants and what the file says of types", () => {
  const graph = variedGraph();
  graph.input.push(messages.valueInfo("floats", "float32", [2, 1]));
  const view = new GraphView(graph);
  assertEquals(view.inputs.map(({ name }) => name), ["x", "c"]);
  assert(view.isInput("c") && !view.isInput("floats") && !view.isInput("y"));
  assert(view.isOutput("y") && view.isOutput("k") && !view.isOutput("s"));
  // A constant that is an input as well can be replaced by whoever runs the model.
  assert(view.isConstant("raw") && !view.isConstant("floats") && !view.isConstant("x"));
  assertEquals(view.initializer("raw"), graph.initializer[0]);
  assertEquals(view.type("x"), { dtype: "float32", dims: ["batch", undefined, 2] });
  assertEquals(view.type("c"), { dtype: "bool", dims: [] });
  assertEquals(view.type("y"), { dtype: "float32", dims: undefined });
  assertEquals(view.type("s"), { dtype: "float32", dims: ["batch", 4, 2] });
  assertEquals(view.type("nibbles"), { dtype: "int4", dims: [3] });
  assertEquals(view.type("nothing"), undefined);
});

Deno.test("captures: what a graph defines itself is not captured, at any depth", () => {
  const deep = branch("deep", "outside");
  const middle = graphProto({
    input: [value("own")],
    node: [
      messages.node({
        opType: "If",
        input: ["own"],
        output: ["m"],
        attributes: { then_branch: { g: deep }, else_branch: { g: branch("b", "own") } },
      }),
    ],
    output: [value("m"), value("passed")],
  });
  const outer = messages.node({
    opType: "Loop",
    input: ["n"],
    output: ["l"],
    attributes: { body: { g: middle } },
  });
  assertEquals(captures(outer), ["outside", "passed"]);
  assertEquals(captures(node("y", "x")), []);
  const graph = graphProto({ node: [outer], input: [value("n"), value("outside")] });
  assertEquals(freeValues(graph), new Set(["passed"]));
  assertEquals([...walkGraphs(graph)], [graph, middle, deep, subgraphNamed(middle, "b")]);
});

function subgraphNamed(graph: ReturnType<typeof graphProto>, name: string) {
  return [...walkGraphs(graph)].find((g) => g.name === name)!;
}

Deno.test("topologicalOrder: keeps an order that is right, and finds one where it is not", () => {
  const nodes = [node("b", "a"), node("d", "c", "b"), node("a", "x"), node("c", "b"), node("e")];
  const graph = graphProto({ node: nodes });
  assert(!isTopologicallySorted(graph));
  assertEquals(names(topologicalOrder(graph)), ["a", "b", "c", "d", "e"]);
  graph.node = topologicalOrder(graph);
  assert(isTopologicallySorted(graph));
  assertEquals(topologicalOrder(graph), graph.node);
});

Deno.test("topologicalOrder: a branch waits for what it captures", () => {
  const choice = messages.node({
    opType: "If",
    input: ["c"],
    output: ["y"],
    attributes: { then_branch: { g: branch("t", "late") } },
  });
  const graph = graphProto({ node: [choice, node("late", "x")] });
  assert(!isTopologicallySorted(graph));
  assertEquals(topologicalOrder(graph), [graph.node[1], choice]);
});

Deno.test("topologicalOrder: any graph without a cycle, in any order", () => {
  const shuffled = fc.integer({ min: 1, max: 12 }).chain((count) =>
    fc.tuple(
      fc.shuffledSubarray([...Array(count).keys()], { minLength: count }),
      fc.array(fc.array(fc.nat(count - 1), { maxLength: 3 }), {
        minLength: count,
        maxLength: count,
      }),
    )
  );
  fc.assert(
    fc.property(shuffled, ([order, reads]) => {
      // Each node reads only those of lower numbers.
      const nodes = order.map((i) =>
        node(`${i}`, ...reads[i].filter((j) => j < i).map((j) => `${j}`))
      );
      const sorted = topologicalOrder(graphProto({ node: nodes }));
      assertEquals(new Set(sorted), new Set(nodes));
      assert(isTopologicallySorted(graphProto({ node: sorted })));
    }),
    { seed: 2, numRuns: 200 },
  );
});

Deno.test("topologicalOrder: nodes that wait for each other are named", () => {
  const graph = graphProto({
    node: [node("x"), node("a", "x", "c"), node("b", "a"), node("c", "b")],
  });
  assertThrows(
    () => topologicalOrder(graph),
    OnnxError,
    'cyclic: Sum "a" reads Sum "c" reads Sum "b" reads Sum "a"',
  );
  assertThrows(() => topologicalOrder(graphProto({ node: [node("a", "a")] })), OnnxError, "cyclic");
});

Deno.test("topologicalOrder: a long chain in reverse takes no stack and no square time", () => {
  const length = 50_000;
  const chain = Array.from({ length }, (_, i) => node(`${i}`, `${i - 1}`)).reverse();
  assertEquals(topologicalOrder(graphProto({ node: chain }))[0].name, "0");
});

Deno.test("attributes: read with a fallback, set, replaced in place and removed", () => {
  const each = messages.node({
    opType: "X",
    input: [],
    output: [],
    attributes: { axis: { i: -1 }, alpha: { f: 0.5 }, mode: { s: "é" }, perm: { ints: [1, 0] } },
  });
  assertEquals(
    [
      intOf(each, "axis", 0),
      floatOf(each, "alpha", 0),
      stringOf(each, "mode", ""),
      intsOf(each, "perm"),
    ],
    [-1, 0.5, "é", [1, 0]],
  );
  assertEquals(
    [intOf(each, "no", 7), floatOf(each, "no", 7), stringOf(each, "no", "7"), intsOf(each, "no")],
    [7, 7, "7", undefined],
  );
  setAttribute(messages, each, "axis", { i: 2n });
  setAttribute(messages, each, "alpha", undefined);
  setAttribute(messages, each, "new", { floats: [1] });
  setAttribute(messages, each, "absent", undefined);
  assertEquals(each.attribute.map(({ name }) => name), ["axis", "mode", "perm", "new"]);
  assertEquals(intOf(each, "axis", 0), 2);
});
