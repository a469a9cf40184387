import { assertEquals } from "@std/assert";
import { attributeOf } from "../../../lib/onnx/file/attributes.ts";
import type { AttributeValue } from "../../../lib/onnx/file/messages.ts";
import { floats, ints, node, noise, smallModel } from "../small_models.ts";
import { assertPrepared } from "./same.ts";

const x = noise(1, 2, 6, 5);
const axes = (...which: number[]): Record<string, AttributeValue> => ({ axes: { ints: which } });
const linear = { mode: { s: "linear" } };
const policy = (name: string) => ({ keep_aspect_ratio_policy: { s: name } });

/** A Resize with scales or sizes, and shapes of its input. */
interface Case {
  readonly attributes: Record<string, AttributeValue>;
  readonly scales?: number[];
  readonly sizes?: number[];
  readonly shape?: (number | string)[];
  readonly after: Record<string, number>;
  readonly kept?: boolean;
}

const cases: Record<string, Case> = {
  "scales of axes": { attributes: axes(2, 3), scales: [2, 1.5], after: { Resize: 1 } },
  "sizes of axes in another order": {
    attributes: { ...axes(-1, 2), ...linear },
    sizes: [12, 9],
    after: { Resize: 1 },
  },
  "sizes of axes where others are open": {
    attributes: { ...axes(2, 3), ...linear },
    sizes: [12, 9],
    shape: ["n", 2, "h", "w"],
    after: { Shape: 1, Concat: 1, Gather: 1, Resize: 1 },
  },
  "sides in their ratio": {
    attributes: { ...axes(2, 3), ...linear, ...policy("not_larger") },
    sizes: [12, 20],
    after: { Resize: 1 },
  },
  "sides in their ratio, none smaller": {
    attributes: { ...axes(2, 3), ...policy("not_smaller") },
    sizes: [9, 15],
    after: { Resize: 1 },
  },
  "sides that would be rounded otherwise": {
    attributes: { ...axes(2, 3), ...linear, ...policy("not_larger") },
    sizes: [9, 20],
    after: { Resize: 1 },
    kept: true,
  },
  "sides in their ratio that are not known": {
    attributes: { ...axes(2, 3), ...linear, ...policy("not_larger") },
    sizes: [12, 20],
    shape: ["n", 2, "h", "w"],
    after: { Resize: 1 },
    kept: true,
  },
};

Deno.test("prepareOnnx: Resize tells of every axis", async (t) => {
  for (const [name, one] of Object.entries(cases)) {
    await t.step(name, async () => {
      const { attributes, scales, sizes, shape = [1, 2, 6, 5], after } = one;
      const model = smallModel({
        opset: 18,
        nodes: [
          node("Resize", ["x", "", scales ? "s" : "", ...sizes ? ["s"] : []], ["y"], attributes),
        ],
        constants: [scales ? floats("s", [scales.length], scales) : ints("s", sizes!)],
        inputs: { x: ["float32", ...shape] },
        outputs: ["y"],
      });
      const { graph } = await assertPrepared(model, { x }, after);
      const resize = graph.node.find(({ opType }) => opType === "Resize")!;
      for (const name of ["axes", "keep_aspect_ratio_policy"]) {
        const kept = one.kept && name in attributes;
        assertEquals(attributeOf(resize, name) !== undefined, kept ?? false);
      }
    });
  }
});
