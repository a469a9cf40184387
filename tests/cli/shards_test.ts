import { assert, assertEquals } from "@std/assert";
import { exportOnnx, Linear, manualSeed, randn } from "../../mod.ts";
import { CliError, EXIT } from "../../lib/cli/cli_error.ts";
import { runCommand } from "../../lib/cli/main.ts";
import { CALIBRATION_METHODS } from "../../lib/onnx/calibration/method_names.ts";
import { floats, TestFolder } from "../data/files.ts";
import { command, TestConsole } from "./console.ts";
import { classifier } from "./models.ts";

/** A folder with a model and samples. */
async function kitchen(): Promise<TestFolder> {
  const folder = new TestFolder();
  folder.write("model.onnx", await classifier());
  manualSeed(1);
  folder.write("train.npy", floats([...await randn([26, 40]).data()], 26, 40));
  Deno.mkdirSync(`${folder.path}/parts`);
  return folder;
}

/** A command in a folder, whose arguments that begin with @ are files there. */
async function run({ path }: TestFolder, line: string) {
  return await command(...line.split(" ").map((word) => word.replace(/^@/, `${path}/`)));
}

/** A command that is to go well. */
async function done(folder: TestFolder, line: string): Promise<string> {
  const { code, out, err } = await run(folder, line);
  assertEquals([code, err.replaceAll(/^warning: .*\n/gm, "")], [0, ""], line);
  return out;
}

/** A command that is to fail, and to write nothing. */
async function fails(folder: TestFolder, line: string, code: number, ...parts: string[]) {
  const names = () => [...Deno.readDirSync(folder.path)].map(({ name }) => name).sort();
  const before = names();
  const result = await run(folder, line);
  assertEquals([result.code, result.out], [code, ""], `${line}: ${result.err}`);
  for (const part of parts) assert(result.err.includes(part), `${part}: ${result.err}`);
  assertEquals(names(), before, "nothing is written");
}

Deno.test("shards, merged in any order and with retries, quantize to the bytes of one process", async () => {
  using folder = await kitchen();
  const read = (name: string) => Deno.readFileSync(`${folder.path}/${name}`);
  for (const method of CALIBRATION_METHODS) {
    await done(
      folder,
      `quantize @model.onnx --data @train.npy --method ${method} --out @one.onnx --force`,
    );
    const shard = (i: number) =>
      done(
        folder,
        `calibrate @model.onnx --data @train.npy --method ${method} --shard ${i}/3 --out @parts/${i}.safetensors --force`,
      );
    for (const i of [2, 0, 1, 0]) await shard(i);
    const out = await done(
      folder,
      `merge @parts @parts/1.safetensors --out @all.safetensors --force`,
    );
    assert(/merged +3 parts, 26 samples\ncounted once +1 part/.test(out), out);
    await done(
      folder,
      `quantize @model.onnx --calibration @all.safetensors --out @all.onnx --force`,
    );
    assertEquals(read("all.onnx"), read("one.onnx"), method);
    // Without shards, and in groups.
    await done(
      folder,
      `calibrate @model.onnx --data @train.npy --method ${method} --out @whole.safetensors --force`,
    );
    await done(
      folder,
      `quantize @model.onnx --calibration @whole.safetensors --out @all.onnx --force`,
    );
    assertEquals(read("all.onnx"), read("one.onnx"), method);
    const all = read("all.safetensors");
    await done(
      folder,
      "merge @parts/2.safetensors @parts/0.safetensors --partial --out @some.safetensors --force",
    );
    await done(
      folder,
      "merge @parts/1.safetensors @some.safetensors --out @all.safetensors --force",
    );
    assertEquals(read("all.safetensors"), all);
  }
});

Deno.test("options of the calibration are those of quantizing with it", async () => {
  using folder = await kitchen();
  await done(folder, "quantize @model.onnx --data @train.npy --op-types Gemm --out @one.onnx");
  await done(
    folder,
    "calibrate @model.onnx --data @train.npy --op-types Gemm --out @c.safetensors",
  );
  await done(folder, "quantize @model.onnx --calibration @c.safetensors --out @two.onnx");
  const [one, two] = ["one", "two"].map((name) => Deno.readFileSync(`${folder.path}/${name}.onnx`));
  assertEquals(two, one);
});

Deno.test("what is wrong with shards and parts is said with their names, and nothing is written", async () => {
  using folder = await kitchen();
  const model = "calibrate @model.onnx --data @train.npy --out @out.safetensors";
  await fails(folder, `${model} --shard 4/4`, 2, "of 4 they are 0/4 to 3/4");
  await fails(folder, `${model} --shard 1`, 2, "give i/n");
  await fails(folder, `${model} --shard 0/0`, 2, "no such shard");
  await fails(folder, `${model} --shard 26/27`, 1, "shard 26/27 holds no sample, for there are 26");
  await fails(folder, `${model} --learn covariances`, 1, `did you mean "covariance"?`);
  const part = (i: number, more = "") =>
    done(
      folder,
      `calibrate @model.onnx --data @train.npy --shard ${i}/3 --out @${i}.safetensors --force ${more}`
        .trim(),
    );
  for (const i of [0, 1, 2]) await part(i);
  const merge = (...names: (string | number)[]) =>
    `merge ${names.map((name) => `@${name}.safetensors`).join(" ")} --out @out.safetensors`;
  await fails(folder, merge(0, 2), 1, "of 3 shards one is missing: 1");
  await fails(folder, merge(0, "none"), 1, "none.safetensors", "no such file");
  await fails(folder, merge(0).replace("@out.safetensors", "@0.safetensors"), 1, "choose another");
  await part(1, "--method mse");
  await fails(folder, merge(0, 1, 2), 1, "1.safetensors", `observer is that of "mse"`);
  const bytes = Deno.readFileSync(`${folder.path}/1.safetensors`);
  folder.write("cut.safetensors", bytes.slice(0, 900));
  folder.write(
    "altered.safetensors",
    bytes.map((byte, i) => i === bytes.length - 5 ? byte ^ 1 : byte),
  );
  folder.write("other.safetensors", new TextEncoder().encode("no part at all, not at all"));
  for (const name of ["cut", "altered", "other"]) {
    await fails(folder, merge(0, name, 2), 1, `${name}.safetensors`);
    await fails(
      folder,
      `quantize @model.onnx --calibration @${name}.safetensors --out @q.onnx`,
      1,
      name,
    );
  }
  await fails(
    folder,
    `quantize @model.onnx --calibration @0.safetensors --out @q.onnx`,
    1,
    "are missing: 1, 2",
  );
  const both = "quantize @model.onnx --calibration @0.safetensors --out @q.onnx";
  for (const more of ["--data @train.npy", "--state @s", "--method mse", "--percentile 99"]) {
    await fails(folder, `${both} ${more}`, 2, "does not go with --calibration");
  }
});

Deno.test("--log json tells of progress and of errors in lines that a collector reads", async () => {
  using folder = await kitchen();
  const lines = (err: string) => err.trim().split("\n").map((line) => JSON.parse(line));
  const { code, out, err } = await run(
    folder,
    "calibrate @model.onnx --data @train.npy --shard 1/2 --out @1.safetensors --log json --json",
  );
  assertEquals([code, JSON.parse(out).samples], [0, 13]);
  const events = lines(err).filter(({ event }) => event !== "progress");
  assertEquals(events.map(({ event }) => event), ["started", "done"]);
  for (const line of lines(err)) assertEquals([line.command, line.shard], ["calibrate", "1/2"]);
  const progress = lines(err).filter(({ event }) => event === "progress");
  assertEquals(progress.map(({ done, total }) => [done, total]), [[1, 13], [13, 13]]);
  const failed = await run(folder, "merge @1.safetensors --out @all.safetensors --log json");
  assertEquals(failed.code, 1);
  const { error, exitCode, retry } = lines(failed.err).at(-1)!;
  assertEquals([exitCode, retry], [1, false]);
  assert(error.includes("missing: 0"), error);
});

Deno.test("a process with one thread writes the bytes of one with several; threads are counted", async () => {
  using folder = await kitchen();
  const read = (name: string) => Deno.readFileSync(`${folder.path}/${name}`);
  const line = "calibrate @model.onnx --data @train.npy --shard 0/2";
  await done(folder, `${line} --out @a.safetensors`);
  await done(folder, `${line} --threads 1 --out @b.safetensors`);
  assertEquals(read("a.safetensors"), read("b.safetensors"));
  await fails(folder, `${line} --threads 0 --out @c.safetensors`, 2, "--threads");
});

Deno.test("a shard that is stopped says that it is to be run again, and leaves nothing", async () => {
  using folder = await kitchen();
  const at = (name: string) => `${folder.path}/${name}`;
  const before = [...Deno.readDirSync(folder.path)].map(({ name }) => name).sort();
  for (const code of [EXIT.interrupted, EXIT.terminated]) {
    const console = new TestConsole();
    console.signal = AbortSignal.abort(new CliError(code, "stopped"));
    const args = ["calibrate", at("model.onnx"), "--data", at("train.npy"), "--shard", "0/2"];
    const ended = await runCommand([...args, "--out", at("0.safetensors"), "--log=json"], console);
    const { event, exitCode, retry } = JSON.parse(console.written.err.trim().split("\n").at(-1)!);
    assertEquals([ended, event, exitCode, retry], [code, "failed", code, true]);
    assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name).sort(), before);
  }
});

Deno.test("shards of two models, and ones that overlap, are named, and nothing is written", async () => {
  using folder = await kitchen();
  manualSeed(5);
  folder.write("other.onnx", await exportOnnx(new Linear(40, 10), randn([1, 40])));
  const list = (name: string, from: number, to: number) => {
    const rows = [...Array(26)].map((_, i) => new Float32Array(40).fill(i / 7 + 1));
    folder.write(
      name,
      floats(rows.slice(from, to).flatMap((row) => [...row]), to - from, 40),
    );
  };
  list("a.npy", 0, 10);
  list("b.npy", 9, 20);
  for (const name of ["a", "b"]) {
    await done(folder, `calibrate @model.onnx --data @${name}.npy --out @${name}.safetensors`);
  }
  await fails(
    folder,
    "merge @a.safetensors @b.safetensors --out @out.safetensors",
    1,
    "b.safetensors overlaps with",
    "its sample 0",
  );
  for (const [i, model] of ["model", "other"].entries()) {
    await done(
      folder,
      `calibrate @${model}.onnx --data @a.npy --shard ${i}/2 --out @${i}.safetensors`,
    );
  }
  await fails(
    folder,
    "merge @0.safetensors @1.safetensors --out @out.safetensors",
    1,
    "1.safetensors is of another model",
  );
  await fails(
    folder,
    "quantize @other.onnx --calibration @a.safetensors --out @q.onnx",
    1,
    "a.safetensors",
    "another model",
  );
});

Deno.test("tune goes by what shards have learnt: the same bytes as by what one process has", async () => {
  using folder = await kitchen();
  const read = (name: string) => Deno.readFileSync(`${folder.path}/${name}`);
  manualSeed(8);
  folder.write("held.npy", floats([...await randn([4, 40]).data()], 4, 40));
  folder.write("few.npy", floats([...await randn([2, 40]).data()], 2, 40));
  const calibrate = "calibrate @model.onnx --data @train.npy --learn channelSums,covariance";
  await done(folder, `${calibrate} --out @one.safetensors`);
  for (const i of [3, 1, 0, 2]) {
    await done(folder, `${calibrate} --shard ${i}/4 --out @parts/${i}.safetensors`);
  }
  await done(folder, "merge @parts --out @all.safetensors");
  const tune = "tune @model.onnx --data @few.npy --held-out @held.npy --remedies round,bias";
  for (const name of ["one", "all"]) {
    await done(folder, `${tune} --calibration @${name}.safetensors --out @${name}.onnx`);
  }
  await done(folder, `${tune} --out @few.onnx`);
  assertEquals(read("all.onnx"), read("one.onnx"));
  assert(read("few.onnx").some((byte, i) => byte !== read("one.onnx")[i]));
  await fails(folder, `${tune} --calibration @parts/1.safetensors --out @x.onnx`, 1, "missing: 0");
  await fails(folder, `${tune} --calibration @none --out @x.onnx`, 1, "none", "no such file");
});
