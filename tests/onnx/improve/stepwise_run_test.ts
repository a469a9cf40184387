import { assert, assertEquals, assertRejects } from "@std/assert";
import { StepwiseRun } from "../../../lib/onnx/improve/stepwise_run.ts";
import { OnnxRuntime } from "../../../lib/onnx/run/runtime.ts";
import { floats, ints, node, smallModel } from "../small_models.ts";
import { samplesOf } from "./remedied.ts";

/** A residual, a shape that is read late, and bytes between floats. */
function network() {
  return smallModel({
    opset: 17,
    nodes: [
      node("Shape", ["x"], ["s"]),
      node("Relu", ["x"], ["a"]),
      node("QuantizeLinear", ["a", "scale"], ["q"]),
      node("DequantizeLinear", ["q", "scale"], ["d"]),
      node("Mul", ["d", "two"], ["b"]),
      node("Reshape", ["b", "flat"], ["f"]),
      node("Neg", ["f"], ["n"]),
      node("Reshape", ["n", "s"], ["c"]),
      node("DequantizeLinear", ["q", "scale"], ["e"]),
      node("Add", ["c", "e"], ["y"]),
    ],
    constants: [floats("scale", [], [1 / 64]), floats("two", [], [2]), ints("flat", [-1])],
    inputs: { x: ["float32", 2, 3] },
    outputs: ["y"],
  });
}

const nothing = () => {};

Deno.test("a run in steps gives what a run as a whole does", async () => {
  const model = network();
  const whole = model.clone();
  const values = ["a", "b", "n", "y"];
  whole.graph.output = values.map((name) => whole.messages.valueInfo(name, "float32"));
  await using runtime = await OnnxRuntime.open("test", whole);
  const samples = samplesOf([2, 3], 3);
  const steps = new StepwiseRun(model, samples, nothing);
  for (const value of values) {
    const found = (await steps.advance([value])).get(value)!;
    for (const [i, sample] of samples.entries()) {
      const { data, dims } = (await runtime.run(sample))[value];
      assertEquals(found[i].data, data);
      assertEquals(found[i].dims, dims);
    }
  }
});

Deno.test("what is changed between two steps is seen behind", async () => {
  const steps = new StepwiseRun(network(), samplesOf([2, 3], 1), nothing);
  const [b] = (await steps.advance(["b"])).get("b")!;
  b.data.fill(3);
  const [n] = (await steps.advance(["n"])).get("n")!;
  assertEquals([...n.data], new Array(6).fill(-3));
});

Deno.test("each node runs once, and what nothing reads any more is let go", async () => {
  // Each part reads what the one before has made, and nothing else.
  const depth = 6;
  const names = Array.from({ length: depth }, (_, i) => `v${i}`);
  const model = smallModel({
    opset: 17,
    nodes: names.map((name, i) => node("Neg", [i ? names[i - 1] : "x"], [name])),
    inputs: { x: ["float32", 2] },
    outputs: names.slice(-1),
  });
  const samples = samplesOf([2], 2);
  const steps = new StepwiseRun(model, samples, nothing);
  const given = new Set<string>();
  const run = OnnxRuntime.prototype.run;
  let runs = 0;
  OnnxRuntime.prototype.run = function (feeds, outputs) {
    runs++;
    for (const name of Object.keys(feeds)) given.add(name);
    assertEquals(this.outputs.length, 1);
    return run.call(this, feeds, outputs);
  };
  try {
    for (const name of names) await steps.advance([name]);
  } finally {
    OnnxRuntime.prototype.run = run;
  }
  assertEquals(runs, depth * samples.length);
  assertEquals([...given], ["x", ...names.slice(0, -1)]);
});

Deno.test("graphs inside of nodes read what is held", async () => {
  const branch = (value: string) => {
    const { graph, messages } = smallModel({
      opset: 17,
      nodes: [node("Mul", [value, value], [`${value}_squared`])],
      inputs: { [value]: ["float32", 2] },
      outputs: [`${value}_squared`],
    });
    graph.input = [];
    graph.output = [messages.valueInfo(`${value}_squared`, "float32", [2])];
    return graph;
  };
  const model = smallModel({
    opset: 17,
    nodes: [
      node("Neg", ["x"], ["a"]),
      node("Neg", ["a"], ["b"]),
      node("ReduceSum", ["b"], ["sum"], { keepdims: { i: 0 } }),
      node("Greater", ["sum", "zero"], ["positive"]),
      node("If", ["positive"], ["y"], {
        then_branch: { g: branch("a") },
        else_branch: { g: branch("b") },
      }),
    ],
    constants: [floats("zero", [], [0])],
    inputs: { x: ["float32", 2] },
    outputs: ["y"],
  });
  const samples = samplesOf([2], 2);
  const steps = new StepwiseRun(model, samples, nothing);
  await steps.advance(["a"]);
  await steps.advance(["b"]);
  const found = (await steps.advance(["y"])).get("y")!;
  for (const [i, { x }] of samples.entries()) {
    assertEquals(found[i].data, (x.data as Float32Array).map((v) => v * v));
  }
});

Deno.test("a run in steps ends when it is told to", async () => {
  let left = 3;
  const steps = new StepwiseRun(network(), samplesOf([2, 3], 2), () => {
    if (left-- === 0) throw new Error("over");
  });
  assert(await steps.advance(["b"]));
  await assertRejects(() => steps.advance(["y"]), Error, "over");
});
