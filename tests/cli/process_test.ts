/** The permissions that the help tells are enough, and no fewer; what a shell sees of a command. */
import { assert, assertEquals } from "@std/assert";
import sharp from "sharp";
import { exportOnnx, Linear, loadOnnx, manualSeed, randn, saveOnnx } from "../../mod.ts";
import { floats, npyFile, TestFolder } from "../data/files.ts";
import { floats as weights, node, smallModel } from "../onnx/small_models.ts";
import { classifier, imageClassifier, quantizedClassifier } from "./models.ts";
import {
  cli,
  config,
  ended,
  NO_WORD_ON_COLOUR,
  run,
  runTask,
  start,
  startDeno,
} from "./process.ts";

const COMMANDS = ["inspect", "quantize", "compare"];

const IMAGE_PERMISSIONS = [
  "--allow-env=npm_package_config_libvips,MALLOC_ARENA_MAX",
  ...Deno.build.os === "linux" ? ["--allow-read=/usr/bin/ldd"] : [],
];

/** A folder with a folder `out` in it. */
async function prepared(): Promise<TestFolder> {
  const folder = new TestFolder();
  Deno.mkdirSync(`${folder.path}/out`);
  folder.write("float.onnx", await classifier());
  folder.write("quantized.onnx", await quantizedClassifier());
  manualSeed(1);
  folder.write("x.npy", floats([...await randn([16, 40]).data()], 16, 40));
  return folder;
}

const reading = (...paths: string[]) => `--allow-read=${paths.join(",")}`;

Deno.test("inspect needs to read the model, and says so", async () => {
  using folder = await prepared();
  const model = `${folder.path}/float.onnx`;
  const { code, out, err } = await run([reading(model)], "inspect", model);
  assertEquals([code, err], [0, ""]);
  assert(out.includes("Gemm"), out);
  const denied = await run([], "inspect", model);
  assertEquals([denied.code, denied.out], [1, ""]);
  assertEquals(
    denied.err.trim().replace(/ \(.*/, ""),
    `error: Requires read access to "${model}"; run with --allow-read for it`,
  );
});

Deno.test("inspect that may load native code tells what preparing leaves", async () => {
  using folder = new TestFolder();
  const model = smallModel({
    opset: 17,
    nodes: [
      node("Transpose", ["w"], ["t"], { perm: { ints: [1, 0] } }),
      node("MatMul", ["x", "t"], ["y"]),
    ],
    constants: [weights("w", [2, 4], [1, 2, 3, 4, 5, 6, 7, 8])],
    inputs: { x: ["float32", 1, 4] },
    outputs: ["y"],
  });
  const path = folder.write("model.onnx", model.toBytes());
  const rows = async (...rights: string[]) => {
    const { out } = await run([reading(path), ...rights], "inspect", path, "--json");
    const { prepared, operators } = JSON.parse(out);
    const counts = operators.map((row: Record<string, unknown>) => [
      ...[row.op, row.count, row.prepared, row.quantizable],
    ]);
    return [prepared, ...counts];
  };
  assertEquals(await rows(), [false, ["Transpose", 1, 1, 1], ["MatMul", 1, 1, 1]]);
  assertEquals(await rows("--allow-ffi"), [true, ["Transpose", 1, 0, 0], ["MatMul", 1, 1, 1]]);
});

Deno.test("help needs no permission", async () => {
  assertEquals((await run([], "quantize", "--help")).code, 0);
  assertEquals((await run([], "quantize")).code, 2);
});

Deno.test("the task shows every help in a shell that says nothing of colours", async () => {
  for (const args of [[], ["--help"], ...COMMANDS.map((name) => [name, "--help"])]) {
    const { code, out, err } = await runTask({ env: NO_WORD_ON_COLOUR }, ...args);
    assertEquals(code, args.length === 0 ? 2 : 0, err);
    assert((args.length === 0 ? err : out).includes("Usage: staticquant"), out + err);
  }
});

Deno.test("the task takes paths as the caller's", async () => {
  using folder = await prepared();
  const { code, out, err } = await runTask(
    { cwd: `${folder.path}/out` },
    ...["quantize", "../float.onnx", "--data", "../x.npy", "--out", "small.onnx"],
    ...["--state", "state.safetensors"],
  );
  assertEquals([code, err], [0, ""]);
  assert(out.includes("small.onnx"), out);
  assertEquals([...Deno.readDirSync(`${folder.path}/out`)].map(({ name }) => name).sort(), [
    "small.onnx",
    "state.safetensors",
  ]);
});

Deno.test("the program installs, and runs from another folder without a configuration", async () => {
  using folder = await prepared();
  const at = { cwd: folder.path };
  const rights = ["--allow-read", "--allow-write=.", "--allow-ffi"];
  const installed = await ended(startDeno(
    ["install", "--global", "--root", folder.path, ...rights, "--name=staticquant", cli],
    at,
  ));
  assertEquals(installed.code, 0, installed.err);
  assert([...Deno.readDirSync(`${folder.path}/bin`)].some(({ name }) => /^staticquant/.test(name)));
  const report = ["--report", "report.html"];
  for (
    const args of [
      ["quantize", "float.onnx", "--data", "x.npy", "--out", "small.onnx"],
      ["compare", "float.onnx", "small.onnx", "--data", "x.npy", ...report],
    ]
  ) {
    const { code, err } = await ended(
      startDeno(["run", "--no-prompt", "--no-config", ...rights, cli, ...args], at),
    );
    assertEquals(code, 0, err);
  }
  assert(Deno.readTextFileSync(`${folder.path}/report.html`).includes("<svg"));
});

Deno.test("compare needs to read its files and to load onnxruntime", async () => {
  using folder = await prepared();
  const paths = ["float.onnx", "quantized.onnx", "x.npy"].map((name) => `${folder.path}/${name}`);
  const args = ["compare", paths[0], paths[1], "--data", paths[2]];
  const { code, out, err } = await run([reading(...paths), "--allow-ffi"], ...args);
  assertEquals([code, err], [0, ""]);
  assert(out.includes("over 16 samples"), out);
  const denied = await run([reading(...paths)], ...args);
  assertEquals(denied.code, 1);
  assert(denied.err.includes("--allow-ffi") && !denied.err.includes("    at "), denied.err);
});

Deno.test("compare --report needs to read and write its folder", async () => {
  using folder = await prepared();
  const paths = ["float.onnx", "quantized.onnx", "x.npy", "out"]
    .map((name) => `${folder.path}/${name}`);
  const report = `${paths[3]}/report.html`;
  const { code, err } = await run(
    [reading(...paths), `--allow-write=${paths[3]}`, "--allow-ffi"],
    ...["compare", paths[0], paths[1], "--data", paths[2], "--report", report],
  );
  assertEquals([code, err], [0, ""]);
  assert(Deno.readTextFileSync(report).includes("</html>"));
});

Deno.test("images need two variables and one file more", async () => {
  using folder = new TestFolder();
  const model = folder.write("model.onnx", await imageClassifier());
  const images = `${folder.path}/images`;
  Deno.mkdirSync(images);
  for (const [i, color] of ["#804020", "#2040ff"].entries()) {
    const image = sharp({ create: { width: 8, height: 8, channels: 3, background: color } });
    Deno.writeFileSync(`${images}/${i}.png`, new Uint8Array(await image.png().toBuffer()));
  }
  const least = [reading(model, images), "--allow-ffi"];
  const args = ["compare", model, model, "--data", images, "--json"];
  const { code, out, err } = await run([...least, ...IMAGE_PERMISSIONS], ...args);
  assertEquals([code, err], [0, ""]);
  assertEquals(JSON.parse(out).samples, 2);
  const denied = await run(least, ...args);
  assertEquals([denied.code, denied.err], [1, ""]);
  const { error, exitCode } = JSON.parse(denied.out);
  assertEquals([error.includes(IMAGE_PERMISSIONS[0]), exitCode], [true, 1], denied.out);
});

Deno.test("a reader that leaves early is no error", async () => {
  using folder = await prepared();
  const model = `${folder.path}/float.onnx`;
  const child = start([reading(model)], "inspect", model);
  await child.stdout.cancel();
  const stderr = await new Response(child.stderr).text();
  assertEquals([(await child.status).code, stderr], [0, ""]);
});

Deno.test("quantize needs to write the folder of its target, and no other", async () => {
  using folder = await prepared();
  const [model, data, out] = ["float.onnx", "x.npy", "out"].map((name) => `${folder.path}/${name}`);
  const args = ["quantize", model, "--data", data, "--out", `${out}/model.int8.onnx`];
  const least = [reading(model, data, out), "--allow-ffi"];
  const denied = await run(least, ...args);
  assertEquals([denied.code, denied.out], [1, ""]);
  assert(denied.err.includes("--allow-write"), denied.err);
  const state = ["--state", `${out}/state.safetensors`];
  const { code, err } = await run([...least, `--allow-write=${out}`], ...args, ...state);
  assertEquals([code, err], [0, ""]);
  assertEquals([...Deno.readDirSync(out)].map(({ name }) => name).sort(), [
    "model.int8.onnx",
    "state.safetensors",
  ]);
});

Deno.test("a target that is a link to the input is refused, forced or not", async () => {
  using folder = await prepared();
  const [model, data, out] = ["float.onnx", "x.npy", "out"].map((name) => `${folder.path}/${name}`);
  const link = `${out}/link.onnx`;
  const made = `Deno.symlinkSync(${JSON.stringify(model)}, ${JSON.stringify(link)})`;
  assertEquals((await ended(startDeno(["eval", made]))).code, 0);
  const { code, err } = await run(
    [reading(model, data, out), `--allow-write=${out}`, "--allow-ffi"],
    ...["quantize", model, "--data", data, "--out", link, "--force"],
  );
  assertEquals(code, 1);
  assert(err.includes("is the file of the model too; choose another name for --out"), err);
});

Deno.test("Ctrl-C ends with 130 and leaves no target, but the state that is asked for", async () => {
  using folder = await prepared();
  const [model, data, out] = ["float.onnx", "big.npy", "out"].map((name) =>
    `${folder.path}/${name}`
  );
  // Far more samples than can be run before the signal comes.
  const samples = 4_000_000;
  const header = npyFile({ shape: `(${samples}, 40)`, data: new Uint8Array(0) });
  folder.write("big.npy", header);
  Deno.truncateSync(data, header.length + samples * 160);
  const permissions = [reading(model, data, out), `--allow-write=${out}`, "--allow-ffi"];
  const args = ["quantize", model, "--data", data, "--out", `${out}/model.int8.onnx`];
  const interrupted = async (...more: string[]) => {
    const child = start(permissions, ...args, ...more);
    const end = ended(child);
    await new Promise((resolve) => setTimeout(resolve, 2000));
    child.kill("SIGINT");
    const { code, out: printed, err } = await end;
    assertEquals([code, printed], [130, ""]);
    return { err, left: [...Deno.readDirSync(out)].map(({ name }) => name) };
  };
  assertEquals(await interrupted(), { err: "", left: [] });
  // What was seen so far is worth saving.
  const saved = await interrupted("--state", `${out}/state.safetensors`);
  assertEquals(saved, { err: "error: interrupted\n", left: ["state.safetensors"] });
});

Deno.test("a model that is being replaced when the program is killed is the old one or the new", async () => {
  using folder = new TestFolder();
  manualSeed(7);
  const x = randn([1, 1024]);
  const paths = await Promise.all([0, 1].map(async (i) => {
    return folder.write(`${i}.onnx`, await exportOnnx(new Linear(1024, 1024), x));
  }));
  const constants = async (path: string) =>
    (await loadOnnx(path)).graph.initializer.map(({ rawData }) => rawData);
  const expected = await Promise.all(paths.map(constants));
  const target = `${folder.path}/model.onnx`;
  const script = new URL("./save_forever.ts", import.meta.url).pathname;
  const rights = [`--allow-read`, `--allow-write=${folder.path}`];
  for (const delay of [3, 7, 15, 31]) {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", `--config=${config}`, ...rights, script, target, ...paths],
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const reader = child.stdout.getReader();
    await reader.read(); // the first one is there
    await new Promise((resolve) => setTimeout(resolve, delay));
    child.kill("SIGKILL");
    await child.status;
    reader.releaseLock();
    await child.stdout.cancel();
    const found = await constants(target);
    assert(
      expected.some((whole) => whole.every((bytes, i) => equal(bytes, found[i]))),
      `killed after ${delay} ms`,
    );
  }
  // What the killed ones left goes with the next.
  await saveOnnx(await loadOnnx(paths[0]), target, { force: true });
  const names = [...Deno.readDirSync(folder.path)].map(({ name }) => name);
  assertEquals(names.filter((name) => name.endsWith(".tmp")), []);
});

Deno.test("a model is written through a link, and a circle of links is told", async () => {
  using folder = await prepared();
  folder.write("old.onnx", "old");
  const script = `
    import { loadOnnx, saveOnnx } from "${new URL("../../mod.ts", import.meta.url)}";
    Deno.chdir(${JSON.stringify(folder.path)});
    for (const [to, link] of [["old.onnx", "a"], ["a", "b"], ["out/../new.onnx", "c"], ["loop", "loop"]]) {
      Deno.symlinkSync(to, link);
    }
    const model = await loadOnnx("float.onnx");
    for (const link of ["b", "c"]) await saveOnnx(model, link, { force: true });
    const say = (error) => console.log(error.name + ": " + error.message);
    await saveOnnx(model, "loop", { force: true }).catch(say);
    await loadOnnx("loop").catch(say);
    for (const link of ["a", "b", "c"]) console.log(Deno.lstatSync(link).isSymlink);
  `;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-prompt", `--config=${config}`, folder.write("script.ts", script)],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const { stdout } = await child.output();
  assertEquals(new TextDecoder().decode(stdout).trim().split("\n"), [
    "OnnxError: saveOnnx: loop is a link that leads in a circle; name the file itself",
    "OnnxError: loadOnnx: loop: its links lead in a circle; name the file itself",
    "true",
    "true",
    "true",
  ]);
  const float = Deno.readFileSync(`${folder.path}/float.onnx`);
  for (const name of ["old.onnx", "new.onnx"]) {
    assert(equal(Deno.readFileSync(`${folder.path}/${name}`), float), name);
  }
});

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Starts a process that never ends by itself and lets signals come at once. */
async function waiting(): Promise<Deno.ChildProcess> {
  const script = new URL("./wait_forever.ts", import.meta.url).pathname;
  const child = startDeno(["run", "--no-prompt", `--config=${config}`, script]);
  await aWord(child); // it listens
  return child;
}

/** Waits until a process writes something. */
async function aWord({ stdout }: Deno.ChildProcess): Promise<void> {
  const reader = stdout.getReader();
  await reader.read();
  reader.releaseLock();
}

Deno.test("a signal ends soon what would never end, and says so", async () => {
  for (
    const [signal, code, word] of [["SIGINT", 130, "interrupted"], ["SIGTERM", 143, "terminated"]]
  ) {
    const child = await waiting();
    child.kill(signal as Deno.Signal);
    const { err, code: actual } = await ended(child);
    assertEquals([actual, err], [code, `error: ${word}\n`]);
  }
});

Deno.test("a second signal ends it at once", async () => {
  const child = await waiting();
  child.kill("SIGINT");
  await aWord(child); // it was told
  child.kill("SIGTERM");
  const { err, code } = await ended(child);
  assertEquals([code, err], [143, ""]);
});

Deno.test("names in a file steer no terminal, and JSON still tells them", async () => {
  using folder = new TestFolder();
  const name = "a\x1b]0;title\x07\u202eb\x9b2J\nerror: none\r";
  const model = await loadOnnx(await exportOnnx(new Linear(40, 4), randn([1, 40])));
  const { graph } = model;
  graph.input[0].name = graph.node[0].input[0] = graph.node[0].name = name;
  graph.output[0].name = graph.node.at(-1)!.output[0] = `${name}y`;
  model.proto.producerName = name;
  const [path, data, out] = ["model.onnx", "x.npy", "small.onnx"]
    .map((file) => `${folder.path}/${file}`);
  Deno.writeFileSync(path, model.toBytes());
  Deno.writeFileSync(data, floats([...await randn([4, 40]).data()], 4, 40));
  const rights = [reading(folder.path), `--allow-write=${folder.path}`, "--allow-ffi"];
  const samples = ["--data", data];
  const json = (text: string) => JSON.parse(text);
  const commands: [args: string[], code: number][] = [
    [["inspect", path], 0],
    [["inspect", path, "--json"], 0],
    [["quantize", path, ...samples, "--held-out", data, "--out", out], 0],
    [["quantize", path, ...samples, "--out", out, "--force", "--exclude", "none"], 1],
    [["compare", path, out, ...samples], 0],
    [["compare", path, out, ...samples, "--json"], 0],
    [["compare", path, out, "--data", out, "--debug"], 1],
  ];
  for (const [args, expected] of commands) {
    const { code, out, err } = await run(rights, ...args);
    assertEquals(code, expected, err);
    // deno-lint-ignore no-control-regex
    assert(!/[\0-\x08\x0b-\x1f\x7f-\x9f\u202e]|^error: none/m.test(out + err), out + err);
    if (args.includes("--json")) {
      const { inputs, outputs } = json(out);
      assertEquals((inputs ?? outputs)[0].name, inputs ? name : `${name}y`);
    }
  }
});

Deno.test("tune judges by the last number that a program prints", async () => {
  using folder = await prepared();
  const { path } = folder;
  const program = folder.write("judge", '#!/bin/sh\necho rows\nwc -c < "$1"\n');
  const tune = async (...rights: string[]) =>
    await run(
      [`--allow-read=${path}`, `--allow-write=${path}/out`, "--allow-ffi", ...rights],
      ...["tune", `${path}/float.onnx`, "--data", `${path}/x.npy`, "--held-out", `${path}/x.npy`],
      ...["--out", `${path}/out/small.onnx`, "--force", "--remedies", "bias", "--json"],
      ...["--metric-program", program],
    );
  Deno.chmodSync(program, 0o700);
  const rights = [`--allow-run=${program}`, "--allow-env"];
  const { code, out, err } = await tune(...rights);
  assertEquals(code, 0, err);
  const { value, quantizedBytes } = JSON.parse(out);
  assertEquals(value, quantizedBytes);
  const scripts = [
    ["echo none", 'printed no number at its end, but \\"none\\"'],
    ["echo loss nan", 'printed no number at its end, but \\"nan\\"'],
    [":", "printed no number at its end, but nothing"],
    ["echo oh no >&2; exit 3", "ended with exit code 3, and said: oh no"],
    ["kill -9 $$", "was ended by SIGKILL"],
  ];
  for (const [script, message] of scripts) {
    folder.write("judge", `#!/bin/sh\n${script}\n`);
    const odd = await tune(...rights);
    assertEquals(odd.code, 1);
    assert((odd.out + odd.err).includes(message), odd.out + odd.err);
  }
  Deno.chmodSync(program, 0o600);
  const locked = await tune(...rights);
  assert((locked.out + locked.err).includes("make it executable"), locked.out + locked.err);
  Deno.removeSync(program);
  const none = await tune("--allow-run", "--allow-env");
  assert((none.out + none.err).includes("there is no program"), none.out + none.err);
});
