import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Tensor } from "onnxruntime-node";
import { OnnxError, type OnnxModel, prepareOnnx, quantizeStatic } from "../../../mod.ts";
import { inlineFunctions } from "../../../lib/onnx/prepare/inline_functions.ts";
import { graphProto, messages } from "../files.ts";
import { functionProto, reference } from "../functions.ts";
import {
  difference,
  type Feeds,
  floats,
  node,
  noise,
  operators,
  runModel,
  type SmallModel,
  smallModel,
} from "../small_models.ts";

/** A node that calls a function. */
function call(name: string, input: string[], output: string[], attributes = {}) {
  return node(name, input, output, attributes, "own");
}

function model(
  functions: ReturnType<typeof functionProto>[],
  parts: Omit<SmallModel, "opset" | "domains">,
): OnnxModel {
  const made = smallModel({ opset: 17, domains: { own: 1 }, ...parts });
  made.proto.functions = functions;
  return made;
}

/** Inlines, asserts that the model computes the same, and gives it. */
async function inlined(before: OnnxModel, feeds: Feeds): Promise<OnnxModel> {
  const after = before.clone();
  inlineFunctions("test", after);
  assertEquals(after.proto.functions, []);
  assertEquals(after.proto.opsetImport.map(({ domain }) => domain), [""]);
  after.check();
  assertEquals(difference(await runModel(before, feeds), await runModel(after, feeds)), 0);
  return after;
}

const weight = (name: string, ...dims: number[]) =>
  floats(name, dims, Array.from(noise(...dims).data as Float32Array));

Deno.test("inlineFunctions: attributes by reference, their defaults, and functions in functions", async () => {
  const leaky = node("LeakyRelu", ["h"], ["c"]);
  leaky.attribute.push(reference("alpha", "slope", "FLOAT"));
  const conv = node("Conv", ["a", "w", "b"], ["h"]);
  conv.attribute.push(reference("pads", "around", "INTS"));
  const layer = functionProto("Layer", ["a", "w", "b"], ["c"], [conv, leaky], {
    attribute: ["around"],
    attributeProto: [messages.attribute("slope", { f: 0.25 })],
  });
  const block = functionProto("Block", ["a", "w", "v"], ["e"], [
    call("Layer", ["a", "w"], ["h"], { around: { ints: [1, 1, 1, 1] } }),
    call("Layer", ["h", "v"], ["c"], { slope: { f: 0.5 } }),
    node("Add", ["c", "c"], ["e"]),
  ]);
  const after = await inlined(
    model([block, layer], {
      nodes: [call("Block", ["x", "w", "v"], ["c"]), call("Layer", ["c", "v"], ["y"])],
      constants: [weight("w", 4, 3, 3, 3), weight("v", 4, 4, 1, 1)],
      inputs: { x: ["float32", 1, 3, 6, 6] },
      outputs: ["y"],
    }),
    { x: noise(1, 3, 6, 6) },
  );
  assertEquals(operators(after), { Conv: 3, LeakyRelu: 3, Add: 1 });
  const slopes = after.graph.node.flatMap(({ attribute }) =>
    attribute.filter(({ name }) => name === "alpha").map(({ f }) => f)
  );
  assertEquals(slopes, [0.25, 0.5, 0.25]);
});

Deno.test("inlineFunctions: a function's constants are there once, and graphs inside of nodes call it too", async () => {
  const dense = functionProto("Dense", ["a"], ["b", "raw"], [
    node("Constant", [], ["w"], { value: { t: weight("", 4, 4) } }),
    node("MatMul", ["a", "w"], ["raw"]),
    node("Tanh", ["raw"], ["b"]),
  ]);
  const branch = (name: string, input: string) =>
    graphProto({
      name,
      node: [call("Dense", [input], [`${name}.y`, `${name}.raw`])],
      output: [messages.valueInfo(`${name}.y`, "float32")],
    });
  const after = await inlined(
    model([dense], {
      nodes: [
        call("Dense", ["x"], ["h", "r"]),
        node("If", ["yes"], ["y"], {
          then_branch: { g: branch("a", "h") },
          else_branch: { g: branch("b", "r") },
        }),
      ],
      inputs: { x: ["float32", 2, 4], yes: ["bool"] },
      outputs: ["y"],
    }),
    {
      x: noise(2, 4),
      yes: new Tensor("bool", [false], []),
    },
  );
  assertEquals(after.graph.initializer.map(({ name }) => name), ["Dense/w"]);
});

Deno.test("inlineFunctions: a graph inside of a function has values of its own in each copy", async () => {
  const inner = (name: string, opType: string) =>
    graphProto({
      name,
      node: [node(opType, ["a"], ["t"]), node("Mul", ["t", "k"], ["o"])],
      output: [messages.valueInfo("o", "float32")],
      initializer: [floats("k", [], [3])],
    });
  const choose = functionProto("Choose", ["c", "a"], ["b"], [
    node("If", ["c"], ["b"], {
      then_branch: { g: inner("t", "Neg") },
      else_branch: { g: inner("e", "Abs") },
    }),
  ]);
  const after = await inlined(
    model([choose], {
      nodes: [call("Choose", ["yes", "x"], ["h"]), call("Choose", ["yes", "h"], ["y"])],
      inputs: { x: ["float32", 2, 4], yes: ["bool"] },
      outputs: ["y"],
    }),
    { x: noise(2, 4), yes: new Tensor("bool", [true], []) },
  );
  assertEquals(operators(after), { If: 2 });
});

Deno.test("inlineFunctions: what a function only hands on, and outputs that nobody wants", async () => {
  const both = functionProto("Both", ["a", "b"], ["a", "c"], [node("Add", ["a", "b"], ["c"])]);
  const made = model([both], {
    nodes: [call("Both", ["x", "x"], ["p", "q"]), call("Both", ["q", "p"], ["y"])],
    inputs: { x: ["float32", 4] },
    outputs: ["y"],
  });
  // onnxruntime itself takes no such function.
  inlineFunctions("test", made);
  assertEquals(operators(made), { Add: 2, Identity: 2 });
  const x = noise(4);
  const { y } = await runModel(made, { x });
  assertEquals(y.data, (x.data as Float32Array).map((value) => 2 * value));
});

Deno.test("inlineFunctions: an operator set that the model lacks is imported, another version refused if it matters", () => {
  const parts = {
    nodes: [call("F", ["x"], ["y"])],
    inputs: {
      x: ["float32", 4] as [
        "float32",
        number,
      ],
    },
    outputs: ["y"],
  };
  const version = (opType: string, opset: number) => {
    const made = model(
      [functionProto("F", ["a"], ["b"], [node(opType, ["a"], ["b"])], { opset })],
      parts,
    );
    inlineFunctions("test", made);
    return made.opset();
  };
  assertEquals([version("Relu", 14), version("Relu", 19)], [17, 17]);
  const error = assertThrows(
    () => version("ReduceMax", 18),
    OnnxError,
    `the function "F" uses version 18`,
  );
  assert(error.message.includes('the ReduceMax node that makes "b"'), error.message);
  const gelu = functionProto("F", ["a"], ["b"], [
    node("Gelu", ["a"], ["b"], {}, "com.microsoft"),
  ], { opsetImport: [messages.opset("", 17), messages.opset("com.microsoft", 1)] });
  const made = model([gelu], parts);
  inlineFunctions("test", made);
  assertEquals(made.proto.opsetImport.map(({ domain }) => domain), ["", "com.microsoft"]);
});

Deno.test("inlineFunctions: circles, and more nodes than any model has, are refused", () => {
  const parts = {
    nodes: [call("F0", ["x"], ["y"])],
    inputs: {
      x: ["float32", 4] as [
        "float32",
        number,
      ],
    },
    outputs: ["y"],
  };
  const circle = ["F1", "F0"].map((callee, i) =>
    functionProto(`F${i}`, ["a"], ["b"], [call(callee, ["a"], ["b"])])
  );
  assertThrows(() => inlineFunctions("test", model(circle, parts)), OnnxError, '"F0" calls itself');
  // 10 calls each, 12 deep: a trillion nodes out of a few kilobytes.
  const calls = Array.from({ length: 10 }, (_, i) => i);
  const bomb = Array.from({ length: 12 }, (_, i) =>
    functionProto(
      `F${i}`,
      ["v0"],
      ["v10"],
      calls.map((n) =>
        i === 11
          ? node("Relu", [`v${n}`], [`v${n + 1}`])
          : call(`F${i + 1}`, [`v${n}`], [`v${n + 1}`])
      ),
    ));
  assertThrows(() => inlineFunctions("test", model(bomb, parts)), OnnxError, "250000 nodes");
});

Deno.test("prepareOnnx: functions are inlined, so that an old model can be upgraded and all of it be quantized", async () => {
  const f = functionProto("MatMul", ["a", "w"], ["b"], [node("MatMul", ["a", "w"], ["b"])], {
    opset: 13,
  });
  const made = model([f], {
    nodes: [call("MatMul", ["x", "w"], ["y"])],
    constants: [weight("w", 16, 32)],
    inputs: { x: ["float32", 2, 16] },
    outputs: ["y"],
  });
  made.setOpset(13);
  assertEquals(operators(await prepareOnnx(made)), { MatMul: 1 });
  assertEquals(made.proto.functions.length, 1, "the model itself stays as it is");
  const data = [{ x: { data: noise(2, 16).data as Float32Array, dims: [2, 16] } }];
  const { nodes } = await quantizeStatic(made, data);
  assertEquals(nodes.map(({ opType, quantized }) => [opType, quantized]), [["MatMul", true]]);
  made.proto.functions[0].opsetImport[0].version = 6n;
  await assertRejects(() => prepareOnnx(made), OnnxError, "export the model anew");
});
