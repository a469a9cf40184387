import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { AutotunedProgram } from "../../lib/compile/autotune.ts";
import { AutotuneCache } from "../../lib/compile/autotune_cache.ts";
import {
  compile,
  init,
  int8,
  Linear,
  manualSeed,
  MappingType,
  matmulInteger,
  Module,
  PreparedConvWeight,
  randn,
  ReLU,
  Sequential,
  Tensor,
  tensor,
  uint8,
} from "../../mod.ts";
import { quantized } from "../quantization/flow.ts";

/** What was warned of meanwhile. */
async function warnings(run: () => void | Promise<void>): Promise<string[]> {
  const { warn } = console;
  const said: string[] = [];
  console.warn = (message: string) => void said.push(message);
  try {
    await run();
  } finally {
    console.warn = warn;
  }
  return said;
}

const model = async () => {
  const x = randn([12, 48]);
  const layers = [new Linear(48, 40), new ReLU(), new Linear(40, 8)];
  return {
    x,
    model: await quantized(new Sequential(layers), uint8, [x], {
      mappingType: MappingType.ASYMMETRIC,
    }),
  };
};

Deno.test("max-autotune keeps the bits, and remembers winners in a file for the adapter", async () => {
  const { adapter } = await init({ device: "webgpu" });
  manualSeed(3);
  const folder = await Deno.makeTempDir();
  const cacheFile = join(folder, "tiles.json");
  const { model: m, x } = await model();
  const expected = await m.forward(x).data();
  using compiled = compile(m, { mode: "max-autotune", cacheFile });
  const [first, second] = await Promise.all([compiled.forward(x), compiled.forward(x)]);
  assertEquals(await first.data(), expected);
  assertEquals(await second.data(), expected);
  const saved = JSON.parse(await Deno.readTextFile(cacheFile));
  assertEquals(saved.adapter, adapter);
  assertEquals(Object.keys(saved.tiles), ["int8 12 40 48 requantized", "int8 12 8 40"]);
  assertEquals([...Deno.readDirSync(folder)].length, 1, "no temporary file stays");

  // What the file says is taken without measuring.
  saved.tiles["int8 12 40 48 requantized"] = "4x8";
  saved.tiles["int8 12 8 40"] = "4x4 stage64";
  const text = JSON.stringify(saved);
  await Deno.writeTextFile(cacheFile, text);
  const program = new AutotunedProgram(m, cacheFile);
  assertEquals(await (await program.forwardAll(x))[0].data(), expected);
  const { steps } = program.program.plan([x]).recording;
  const tiles = steps.slice(1).map((step) =>
    "kernel" in step && step.kernel.key.match(/\d+x\d+( \w+)?$/)![0]
  );
  assertEquals(tiles, ["4x8", "4x4 stage64"]);
  program.dispose();
  assertEquals(await Deno.readTextFile(cacheFile), text);

  // A tile that is none of the candidates is measured anew.
  saved.tiles["int8 12 8 40"] = "7x3 magic";
  await Deno.writeTextFile(cacheFile, JSON.stringify(saved));
  using again = compile(m, { mode: "max-autotune", cacheFile });
  assertEquals(await (await again.forward(x)).data(), expected);
  const mended = JSON.parse(await Deno.readTextFile(cacheFile));
  assertEquals(mended.tiles["int8 12 40 48 requantized"], "4x8");
  assert(mended.tiles["int8 12 8 40"] !== "7x3 magic");
});

/** Products of bytes of every kind: convolutions of few channels and of many, a layer, and two matrices. */
class Products extends Module {
  readonly weights = [[6, 3, 3, 3], [5, 6, 3, 3], [10, 20]].map((shape) => {
    const length = shape.reduce((product, size) => product * size);
    const values = Array.from({ length }, (_, i) => (i * 37 + 5) % 255 - 127);
    return tensor(values, { shape, dtype: int8 }).keep();
  });
  readonly prepared = this.weights.slice(0, 2).map((weight) => new PreparedConvWeight(weight));
  readonly one = tensor([1]).keep();

  private convolve(x: Tensor, i: number): Tensor {
    const one = this.one.operand.buffer;
    const weight = this.prepared[i].operand;
    const output = x.shape.slice(2).map((size) => size - 2);
    const ends = { quantMin: 0, quantMax: 255, zeroPoint: one };
    const y = x.backend.packedConv(x.channelsLast, weight, {
      ...{ output, stride: [1, 1], before: [0, 0], dilation: [1, 1], wParamCount: 1 },
      ...{ xZeroPoint: one, wZeroPoint: null },
      result: { kind: "bytes", ...ends, multiplier: one, bias: null, dtype: uint8 },
    });
    return Tensor.channelsLast(x.backend, y, [x.shape[0], weight.outChannels, ...output], uint8);
  }

  override forward(x: Tensor): Tensor {
    using a = this.convolve(x, 0);
    using b = this.convolve(a, 1);
    using rows = b.reshape(-1, 20);
    return matmulInteger(rows, this.weights[2], { aZeroPoint: 3, transposeB: true });
  }
}

Deno.test("what a device multiplies badly as bytes is multiplied as floats, with the same bits [webgpu]", async () => {
  await init({ device: "webgpu" });
  const products = new Products();
  const bytes = Uint8Array.from(
    { length: 3 * 12 * 9 },
    (_, i) => Math.imul(i + 1, 2654435761) >>> 24,
  );
  const image = tensor(bytes, { shape: [1, 3, 12, 9], dtype: uint8 });
  const linear = await model();
  for (const [m, x] of [[products, image], [linear.model, linear.x]] as const) {
    const expected = await m.forward(x).data();
    let asked = 0;
    const program = new AutotunedProgram(m, null, () => ({
      times: (step) => {
        asked++;
        return Promise.resolve(step.retile!.candidates.map(({ floats }) => floats ? 1 : 2));
      },
      [Symbol.dispose]: () => {},
    }));
    const [y] = await program.forwardAll(x);
    assertEquals(await y.data(), expected);
    const { steps } = program.program.plan([x]).recording;
    const tiled = steps.filter((step) => "kernel" in step && step.retile);
    assertEquals(tiled.length, asked, "each was measured");
    assert(tiled.every((step) => "kernel" in step && step.kernel.key.endsWith(" f32")));
    program.dispose();
  }
});

Deno.test("a damaged or foreign cache is ignored with a warning, and left alone", async () => {
  const folder = await Deno.makeTempDir();
  const path = join(folder, "tiles.json");
  const whole = { format: "staticquant autotune", version: 1, adapter: "this", tiles: {} };
  for (
    const [text, reason] of [
      ["{", "JSON"],
      ["null", "no cache"],
      ['{ "name": "my-app" }', "no cache"],
      [JSON.stringify({ ...whole, version: 2 }), "version"],
      [JSON.stringify({ ...whole, tiles: { a: 1 } }), "damaged"],
      [JSON.stringify({ ...whole, tiles: null }), "damaged"],
      [JSON.stringify({ ...whole, adapter: "another GPU" }), 'measured on "another GPU"'],
    ]
  ) {
    await Deno.writeTextFile(path, text);
    const said = await warnings(async () => {
      const cache = AutotuneCache.open("this", path);
      cache.set("product", "8x8");
      assertEquals(cache.get("product"), "8x8");
      await cache.save();
    });
    assertEquals(said.length, 1);
    assertStringIncludes(said[0], `${path} is ignored`);
    assertStringIncludes(said[0], reason);
    assertEquals(await Deno.readTextFile(path), text);
  }
});

Deno.test("a cache that cannot be written is told of; null means none", async () => {
  const folder = await Deno.makeTempDir();
  const path = join(folder, "missing", "tiles.json");
  const said = await warnings(async () => {
    const cache = AutotuneCache.open("this", path);
    cache.set("product", "8x8");
    await cache.save();
  });
  assertEquals(said.length, 1);
  assertStringIncludes(said[0], "was not saved");
  assertEquals(
    await warnings(async () => {
      const cache = AutotuneCache.open("this", null);
      cache.set("product", "8x8");
      await cache.save();
    }),
    [],
  );
  const file = join(folder, "tiles.json");
  const cache = AutotuneCache.open("this", file);
  cache.set("b", "8x8");
  cache.set("a", "4x4");
  await cache.save();
  assertEquals(AutotuneCache.open("this", file).get("a"), "4x4");
});

Deno.test("an error while tuning does not block later forwards [webgpu]", async () => {
  await init({ device: "webgpu" });
  using compiled = compile(new Sequential([new Linear(8, 4)]), {
    mode: "max-autotune",
    cacheFile: null,
  });
  await assertRejects(() => compiled.forward(randn([2, 7])), RangeError, "inFeatures = 8");
  using y = await compiled.forward(randn([2, 8]));
  assertEquals(y.shape, [2, 4]);
});
