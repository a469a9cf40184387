/** Products of bytes with one number. */
import { assert, assertEquals, assertGreater } from "@std/assert";
import { compareOnnx, init, quantizeStatic } from "../../../mod.ts";
import { optimized } from "../model.ts";
import { floats, node, noise, smallModel } from "../small_models.ts";

await init({ device: "cpu" });

function weight(name: string, ...dims: number[]) {
  return floats(name, dims, Array.from(noise(...dims).data as Float32Array));
}

const x = noise(1, 4, 8, 8);

/** A division, or a product, between an activation and two that read it, so that no weight can take it in. */
function between(opType: string, number: number, reader = "GlobalAveragePool") {
  const second: Record<string, { ints: number[] }> = reader === "MaxPool"
    ? { kernel_shape: { ints: [8, 8] } }
    : {};
  return smallModel({
    opset: 17,
    nodes: [
      node("Conv", ["x", "w"], ["c"]),
      node("Relu", ["c"], ["r"]),
      node(opType, ["r", "number"], ["d"]),
      node(reader, ["d"], ["g"], second),
      node("Conv", ["g", "v"], ["s"]),
      node("HardSigmoid", ["s"], ["h"]),
      node("Mul", ["d", "h"], ["m"]),
      node("Conv", ["m", "u"], ["y"]),
    ],
    constants: [
      ...[weight("w", 8, 4, 1, 1), weight("v", 8, 8, 1, 1), weight("u", 8, 8, 1, 1)],
      floats("number", [], [number]),
    ],
    inputs: { x: ["float32", 1, 4, 8, 8] },
    outputs: ["y"],
  });
}

Deno.test("a product with one number is another scale of the same bytes", async () => {
  for (const [opType, number] of [["Div", 6], ["Mul", 0.3]] as const) {
    const float = between(opType, number);
    const { model, warnings } = await quantizeStatic(float, [{ x }]);
    assertEquals(warnings, []);
    assertEquals(
      model.graph.node.filter(({ opType }) => ["Mul", "Div"].includes(opType)).length,
      1,
    );
    const kernels = await optimized(model.toBytes());
    assertEquals(kernels.filter((kernel) => kernel === "QLinearMul").length, 1, kernels.join());
    assertEquals(kernels.filter((kernel) => kernel === "QLinearConv").length, 3);
    const { outputs, tensors } = await compareOnnx(float, model, [{ x }], { tensors: true });
    assertGreater(outputs[0].sqnr, 30);
    const divided = tensors.find(({ name }) => name === "d");
    assert(divided && divided.sqnr > 40, "and is still known by its name");
  }
});

Deno.test("it stays where bytes are negated, or handed on with their scale", async () => {
  for (const float of [between("Mul", -2), between("Div", 6, "MaxPool")]) {
    const { model } = await quantizeStatic(float, [{ x }]);
    assertEquals(
      model.graph.node.filter(({ opType }) => ["Mul", "Div"].includes(opType)).length,
      2,
    );
  }
});
