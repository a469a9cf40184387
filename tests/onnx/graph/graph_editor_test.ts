import { assert, assertEquals } from "@std/assert";
import { captures } from "../../../lib/onnx/file/subgraphs.ts";
import { readTensor } from "../../../lib/onnx/file/tensor_data.ts";
import type { NodeProto } from "../../../lib/onnx/file/proto.ts";
import { GraphEditor } from "../../../lib/onnx/graph/graph_editor.ts";
import { GraphView } from "../../../lib/onnx/graph/graph_view.ts";
import { UniqueNames } from "../../../lib/onnx/graph/unique_names.ts";
import {
  removeUnusedInitializers,
  removeUnusedNodes,
  removeUnusedValueInfos,
} from "../../../lib/onnx/graph/unused.ts";
import { graphProto, messages, tensorProto, variedGraph } from "../files.ts";

/** A node named after its output. */
function node(output: string, ...input: string[]): NodeProto {
  return messages.node({ opType: "Sum", name: output, input, output: [output] });
}

function names(nodes: readonly { readonly name: string }[]): string[] {
  return nodes.map(({ name }) => name);
}

function value(name: string) {
  return messages.valueInfo(name, "float32");
}

Deno.test("UniqueNames: values and nodes are taken, those inside of nodes too", () => {
  const names = new UniqueNames(variedGraph());
  assertEquals(names.name("new"), "new");
  assertEquals(names.name("new"), "new_1");
  for (const taken of ["x", "add", "s", "raw", "sparse", "then.y", "if"]) {
    assertEquals(names.name(taken), `${taken}_1`);
  }
});

Deno.test("UniqueNames: a number that is taken by another wish is passed over", () => {
  const names = new UniqueNames(graphProto({}));
  const wishes = ["a", "a_1", "a", "a", "a_1", "a_2", "a", "a_1_1"];
  assertEquals(wishes.map((wish) => names.name(wish)), [
    "a",
    "a_1",
    "a_2",
    "a_3",
    "a_1_1",
    "a_2_1",
    "a_4",
    "a_1_1_1",
  ]);
});

Deno.test("GraphEditor: puts nodes in and takes them out, all at once", () => {
  const [a, b, c] = [node("a"), node("b"), node("c")];
  const graph = graphProto({ node: [a, b, c] });
  const editor = new GraphEditor(graph, messages);
  editor.append(node("last"));
  editor.prepend(node("first"));
  editor.replace(b, node("-b"));
  editor.replace(c, node("c1"), node("c2"));
  editor.insertAfter(a, node("+a"));
  editor.insertAfter(a, node("++a"));
  assertEquals(names(graph.node), ["a", "b", "c"]);
  assert(editor.isRemoved(b) && !editor.isRemoved(a));
  assert(editor.apply());
  assertEquals(names(graph.node), ["first", "a", "+a", "++a", "-b", "c1", "c2", "last"]);
  assert(!editor.apply());
  editor.remove([a, graph.node[0]]);
  assert(editor.apply());
  assertEquals(names(graph.node), ["+a", "++a", "-b", "c1", "c2", "last"]);
});

Deno.test("GraphEditor: inputs and captures are renamed; outputs and namesakes stay", () => {
  const graph = variedGraph();
  const [, add] = graph.node;
  const shadow = graphProto({ name: "shadow", input: [value("s")], node: [node("z", "s")] });
  graph.node.push(
    node("n", "s", "x", "s"),
    messages.node({
      opType: "Loop",
      input: [],
      output: ["o"],
      attributes: { body: { g: shadow } },
    }),
  );
  graph.output.push(value("s"));
  const editor = new GraphEditor(graph, messages);
  editor.replaceUses("s", "t");
  assertEquals(editor.view.uses("t"), []);
  editor.apply();
  assertEquals(add.output, ["s"]);
  assertEquals(graph.node[3].input, ["t", "x", "t"]);
  assertEquals(captures(graph.node[2]), ["t", "k"]);
  assertEquals(shadow.node[0].input, ["s"]);
  assertEquals(graph.output.map(({ name }) => name), ["y", "k", "s"]);
  assertEquals(editor.view.consumers("t"), [graph.node[2], graph.node[3]]);
});

Deno.test("GraphEditor: values that replace each other end at the last, in whatever order", () => {
  const length = 50_000;
  const chain = Array.from({ length }, (_, i) => node(`${i + 1}`, `${i}`));
  const graph = graphProto({ node: [...chain, node("y", `${length}`, "other")] });
  const editor = new GraphEditor(graph, messages);
  const key = ({ name }: NodeProto) => (Number(name) * 7919) % 997;
  const shuffled = chain.toSorted((a, b) => key(a) - key(b));
  for (const { input, output } of shuffled) editor.replaceUses(output[0], input[0]);
  editor.replaceUses("other", "other");
  editor.remove(chain);
  editor.apply();
  assertEquals(graph.node.map(({ input }) => input), [["0", "other"]]);
});

Deno.test("GraphEditor: small equal constants are made once, others if they have one name", () => {
  const graph = graphProto({});
  const editor = new GraphEditor(graph, messages);
  const large = new Float32Array(4096).fill(1);
  assertEquals(editor.constant("a", "float32", [], [0]), "a");
  assertEquals(editor.constant("b", "float32", [], [0]), "a");
  assertEquals(editor.constant("a", "float32", [], [-0]), "a_1");
  assertEquals(editor.constant("a", "float32", [1], [0]), "a_2");
  assertEquals(editor.constant("a", "int32", [], [0]), "a_3");
  assertEquals(editor.constant("w", "float32", [4096], large), "w");
  assertEquals(editor.constant("w", "float32", [4096], large), "w");
  assertEquals(editor.constant("v", "float32", [4096], large), "v");
  assertEquals(editor.constant("w", "float32", [4096], large.map((x) => -x)), "w_1");
  assertEquals(editor.constant("text", "string", [1], ["é"]), "text");
  assertEquals(editor.constant("text", "string", [1], ["è"]), "text_1");
  assertEquals(names(graph.initializer).length, 9);
  assertEquals([...readTensor(editor.constantTensor("w_1")!).data].slice(0, 2), [-1, -1]);
});

Deno.test("GraphEditor: other numbers for one reader never reach another", () => {
  const graph = graphProto({
    initializer: [
      messages.tensor("own", "float32", [1], [1]),
      messages.tensor("both", "float32", [1], [2]),
    ],
    node: [node("a", "x", "own", "both"), node("b", "a", "both")],
    input: [value("x")],
    output: [value("b")],
  });
  const editor = new GraphEditor(graph, messages);
  const [a, b] = graph.node;
  const read = (name: string) => [...readTensor(editor.constantTensor(name)!).data];
  editor.replaceConstant(a, 1, "float32", [2], [3, 4]);
  assertEquals([a.input[1], read("own")], ["own", [3, 4]]);
  editor.replaceConstant(a, 2, "float32", [1], [5]);
  assertEquals([a.input[2], read("both_1"), read("both")], ["both_1", [5], [2]]);
  // One that was made here has its only reader, until another asks for an equal one.
  editor.replaceConstant(a, 2, "float32", [1], [6]);
  assertEquals([a.input[2], read("both_1")], ["both_1", [6]]);
  assertEquals(editor.constant("five", "float32", [1], [5]), "five");
  b.input[1] = editor.constant("seven", "float32", [1], [7]);
  a.input[2] = editor.constant("seven", "float32", [1], [7]);
  editor.replaceConstant(a, 2, "float32", [1], [8]);
  assertEquals([a.input[2], b.input[1], read("seven"), read("seven_1")], [
    "seven_1",
    "seven",
    [7],
    [8],
  ]);
});

Deno.test("GraphEditor: what it adds has names of its own and bare numbers for integers", () => {
  const graph = graphProto({ input: [value("x")] });
  const editor = new GraphEditor(graph, messages);
  const first = editor.add("fc", "Gemm", ["x", "w"], { transB: 1, alpha: { f: 0.5 } });
  const second = editor.add("fc", "Gemm", [first, "w"]);
  assertEquals([first, second], ["fc/Gemm", "fc/Gemm_1"]);
  editor.apply();
  const [gemm, next] = graph.node;
  assertEquals([gemm.name, gemm.output, next.input], [first, [first], [first, "w"]]);
  assertEquals(gemm.attribute.map(({ name, i, f }) => [name, i, f]), [
    ["transB", 1n, 0],
    ["alpha", 0n, 0.5],
  ]);
  assertEquals(new GraphView(graph).producer(second), next);
});

Deno.test("removeUnused…: what nothing depends on goes, with its input and its shape", () => {
  const graph = graphProto({
    input: [value("x"), value("w1")],
    output: [value("y")],
    valueInfo: [value("h"), value("dead")],
    initializer: ["w0", "w1", "w2"].map((name) => tensorProto(name, "FLOAT", [0], {})),
    node: [node("h", "x", "w0"), node("dead", "h", "w1"), node("y", "h"), node("w", "dead")],
  });
  assertEquals(removeUnusedNodes(graph), 2);
  assertEquals(names(graph.node), ["h", "y"]);
  assertEquals(removeUnusedInitializers(graph), 2);
  assertEquals(names(graph.initializer as never), ["w0"]);
  assertEquals(graph.input.map(({ name }) => name), ["x"]);
  assertEquals(removeUnusedValueInfos(graph), 1);
  assertEquals(graph.valueInfo.map(({ name }) => name), ["h"]);
});
