import { assert, assertEquals } from "@std/assert";
import { manualSeed, randn } from "../../mod.ts";
import { floats, TestFolder } from "../data/files.ts";
import { command } from "./console.ts";
import { classifier } from "./models.ts";

/** A folder with a model, samples, and the model quantized. */
async function kitchen(): Promise<TestFolder> {
  const folder = new TestFolder();
  folder.write("model.onnx", await classifier());
  manualSeed(1);
  folder.write("data.npy", floats([...await randn([14, 40]).data()], 14, 40));
  Deno.mkdirSync(`${folder.path}/parts`);
  const quantized = await run(folder, "quantize @model.onnx --data @data.npy --out @q.onnx");
  assertEquals(quantized.code, 0, quantized.err);
  return folder;
}

async function run({ path }: TestFolder, line: string) {
  return await command(...line.split(" ").map((word) => word.replace(/^@/, `${path}/`)));
}

/** What a comparison found, but for times. */
function withoutTimes(json: string): unknown {
  const { float, quantized, data: _, ...rest } = JSON.parse(json);
  return { ...rest, bytes: [float.bytes, quantized.bytes] };
}

Deno.test("a comparison in shards comes to what one process finds", async () => {
  using folder = await kitchen();
  const one = await run(folder, "compare @model.onnx @q.onnx --data @data.npy --json");
  for (const  of of[1, 3]) {
    const parts: string[] = [];
    for (let i = of - 1; i >= 0; i--) {
      const part = `@parts/${of}-${i}.safetensors`;
      parts.push(part);
      const { code, err } = await run(
        folder,
        `compare @model.onnx @q.onnx --data @data.npy --shard ${i}/${of} --out ${part}`,
      );
      assertEquals([code, err], [0, ""]);
    }
    const all = `@all${of}.safetensors`;
    const merged = await run(folder, `merge ${parts.join(" ")} ${parts[0]} --out ${all}`);
    assertEquals([merged.code, merged.err], [0, ""]);
    assert(/14 samples\ncounted once +1 part/.test(merged.out), merged.out);
    const { code, out } = await run(
      folder,
      `compare @model.onnx @q.onnx --comparison ${all} --json`,
    );
    assertEquals(code, 0);
    assertEquals(withoutTimes(out), withoutTimes(one.out));
  }
});

Deno.test("parts of comparisons that do not belong together are named, and nothing is written", async () => {
  using folder = await kitchen();
  const part = (i: number, more = "") =>
    run(
      folder,
      `compare @model.onnx @q.onnx --data @data.npy --shard ${i}/3 --out @${i}.safetensors --force ${more}`
        .trim(),
    );
  for (const i of [0, 1, 2]) assertEquals((await part(i)).code, 0);
  const calibrated = await run(
    folder,
    "calibrate @model.onnx --data @data.npy --shard 2/3 --out @c.safetensors",
  );
  assertEquals(calibrated.code, 0, calibrated.err);
  const fails = async (line: string, code: number, message: string) => {
    const names = () => [...Deno.readDirSync(folder.path)].map(({ name }) => name).sort();
    const before = names();
    const result = await run(folder, line);
    assertEquals([result.code, result.out], [code, ""], result.err);
    assert(result.err.includes(message), result.err);
    assertEquals(names(), before);
  };
  await fails("merge @0.safetensors @2.safetensors --out @x", 1, "one is missing: 1");
  await fails("merge @0.safetensors @c.safetensors --out @x", 1, "c.safetensors");
  await fails("merge @c.safetensors @0.safetensors --out @x", 1, "0.safetensors");
  const bytes = Deno.readFileSync(`${folder.path}/1.safetensors`);
  folder.write("cut.safetensors", bytes.slice(0, -3));
  folder.write(
    "altered.safetensors",
    bytes.map((byte, i) => i === bytes.length - 9 ? byte ^ 1 : byte),
  );
  for (const name of ["cut", "altered"]) {
    await fails(`merge @0.safetensors @${name}.safetensors --out @x`, 1, `${name}.safetensors`);
  }
  const compare = "compare @model.onnx @q.onnx";
  await fails(`${compare} --data @data.npy --shard 0/3`, 2, "--shard goes with --out");
  await fails(`${compare} --comparison @0.safetensors`, 1, "are missing: 1, 2");
  await fails(`${compare} --comparison @0.safetensors --data @data.npy`, 2, "does not go with");
  await fails(compare, 2, "required option '--data <path>' not specified");
  const whole = await run(folder, "merge @0.safetensors @1.safetensors @2.safetensors --out @all");
  assertEquals(whole.code, 0);
  await fails("compare @model.onnx @model.onnx --comparison @all", 1, "another model");
});
