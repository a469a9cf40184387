/** Asserting what a preparation makes of a model. */
import { assert, assertEquals } from "@std/assert";
import type { OnnxModel } from "../../../lib/onnx/file/model.ts";
import { prepareOnnx } from "../../../lib/onnx/prepare/prepare.ts";
import { difference, type Feeds, operators, runModel } from "../small_models.ts";

/** `count` numbers between −1 and 1 that look random, the same each time. */
export function values(count: number, seed = 1): number[] {
  return Array.from({ length: count }, (_, i) => Math.sin((i + seed) * 12.9898 + seed * 78.233));
}

/** Asserts that a model becomes one of these operators and computes the same; returns that one. */
export async function assertPrepared(
  model: OnnxModel,
  feeds: Feeds,
  after: Record<string, number>,
  tolerance = 1e-5,
): Promise<OnnxModel> {
  const before = model.toBytes();
  const prepared = await prepareOnnx(model);
  assertEquals(operators(prepared), after);
  prepared.check();
  const worst = difference(await runModel(prepared, feeds), await runModel(model, feeds));
  assert(worst <= tolerance, `differs by ${worst}`);
  assertEquals(model.toBytes(), before);
  assertEquals((await prepareOnnx(prepared)).toBytes(), prepared.toBytes());
  return prepared;
}
