/** Which recorded steps are needed, which takes no device. */
import { assertEquals } from "@std/assert";
import { needed } from "../../lib/backend/webgpu/plan_memory.ts";
import { PooledBuffer } from "../../lib/backend/webgpu/pool.ts";
import { type RecordedStep, StepList } from "../../lib/backend/webgpu/steps.ts";

const none = () => ({ arrays: [], fields: [], workgroup: 1, body: "" });
const pool = { acquire: () => buffer(), release: () => {} };
function buffer(byteLength = 16): PooledBuffer {
  return new PooledBuffer(undefined, byteLength, false, "", pool);
}

const named = (key: string) => ({ key, shader: none });
const names = (steps: readonly RecordedStep[]) =>
  steps.map((step) => "from" in step ? "copy" : step.kernel.key);

Deno.test("steps that lead to the output are kept, and those that change what was there before", () => {
  const [input, state, a, b, c, output] = Array.from({ length: 6 }, () => buffer());
  const list = new StepList(pool);
  list.dispatch(named("a"), [input, a], [], 1);
  list.dispatch(named("unread"), [a, b], [], 1);
  list.dispatch(named("state"), [a, state], [], 1);
  list.dispatch(named("empty"), [a, c], [], 0);
  list.copy(a, c);
  list.dispatch(named("in place"), [c], [], 1);
  list.dispatch(named("output"), [c, output], [], 1);
  list.copy(buffer(0), output);
  const planned = new Set([input, a, b, c, output]);
  assertEquals(
    names(needed(list.items, planned, { inputs: [input], outputs: [output] })),
    ["a", "state", "copy", "in place", "output"],
  );
  // What is given back as it came needs nothing but what changes other things.
  assertEquals(
    names(needed(list.items, planned, { inputs: [input], outputs: [input] })),
    ["a", "state", "copy", "in place"],
  );
});
