import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { AutotunedProgram } from "../../lib/compile/autotune.ts";
import { AutotuneCache } from "../../lib/compile/autotune_cache.ts";
import {
  compile,
  init,
  Linear,
  manualSeed,
  MappingType,
  randn,
  ReLU,
  Sequential,
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
