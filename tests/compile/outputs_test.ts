/** Compiled models that give several outputs. */
import { assertEquals, assertStrictEquals } from "@std/assert";
import { compile, init, Linear, Module, randn, relu, type Tensor } from "../../mod.ts";

/** Gives what it computes on the way, its input as it came and one output twice. */
class Several extends Module {
  linear = new Linear(8, 5);
  override forwardAll(x: Tensor): Tensor[] {
    const y = this.linear.forward(x);
    const z = relu(y);
    return [z, y, x, z];
  }
  override forward(x: Tensor): Tensor {
    return this.forwardAll(x)[0];
  }
}

for (const mode of ["default", "max-autotune"] as const) {
  Deno.test(`all outputs are the model's, each in memory of its own: ${mode} [webgpu]`, async () => {
    await init({ device: "webgpu" });
    const model = new Several();
    using compiled = compile(model, { mode, cacheFile: null } as { mode: "max-autotune" });
    for (let run = 0; run < 2; run++) {
      using x = randn([3, 8]);
      const expected = model.forwardAll(x);
      const actual = await compiled.forwardAll(x);
      assertEquals(actual.map(({ shape }) => shape), [[3, 5], [3, 5], [3, 8], [3, 5]]);
      for (const [i, y] of actual.entries()) {
        assertEquals(await y.bytes(), await expected[i].bytes());
      }
      const [first, , , last] = actual;
      first.dispose();
      assertStrictEquals(last.disposed, false);
      assertEquals(await last.bytes(), await expected[0].bytes());
      using only = await compiled.forward(x);
      assertEquals(await only.bytes(), await expected[0].bytes());
    }
  });
}
