/** Whether rounding weights otherwise is worth its time. */
import { assertEquals } from "@std/assert";
import { calibrateOnnx, init } from "../../../mod.ts";
import { ImproveTools } from "../../../lib/onnx/improve/state.ts";
import { weightsMatter } from "../../../lib/onnx/improve/weight_noise.ts";
import { floats, node, noise, smallModel } from "../small_models.ts";
import { samplesOf } from "./remedied.ts";

await init({ device: "cpu" });

const image = [1, 4, 8, 8];

/** A convolution with weights that 8 bits hold, or not; its input is none that they do. */
function convolution(exact: boolean) {
  const weights = Array.from(
    noise(4, 4, 1, 1).data as Float32Array,
    (w, i) => exact ? [127, -64, 3, 0][i % 4] : i % 4 === 0 ? 40 : w,
  );
  return smallModel({
    opset: 17,
    nodes: [node("Relu", ["x"], ["p"]), node("Conv", ["p", "w"], ["y"])],
    constants: [floats("w", [4, 4, 1, 1], weights)],
    inputs: { x: ["float32", ...image] },
    outputs: ["y"],
  });
}

Deno.test("weights matter where they make much of the noise, or time does not", async () => {
  for (
    const [exact, seconds, expected] of [
      [true, 100, false],
      [true, undefined, true],
      [false, 100, true],
    ] as const
  ) {
    const data = samplesOf(image, 4);
    const calibration = await calibrateOnnx(convolution(exact), data);
    const state = { calibration, options: {}, weights: new Map() };
    const tools = new ImproveTools(data, { seconds });
    assertEquals(await weightsMatter(state, tools), expected, `${exact} ${seconds}`);
  }
});
