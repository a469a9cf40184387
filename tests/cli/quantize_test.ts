import { assert, assertEquals } from "@std/assert";
import { exportOnnx, Linear, loadOnnx, manualSeed, randn, Sequential } from "../../mod.ts";
import { runCommand } from "../../lib/cli/main.ts";
import { CliError } from "../../lib/cli/cli_error.ts";
import { floats, TestFolder, zip } from "../data/files.ts";
import { command, type Result, TestConsole } from "./console.ts";
import { classifier, quantizedClassifier } from "./models.ts";

/** A folder with a float model, samples to calibrate with and others. */
class Prepared extends TestFolder {
  readonly model = `${this.path}/model.onnx`;
  readonly out = `${this.path}/model.int8.onnx`;
  readonly data = `${this.path}/train.npy`;
  readonly heldOut = `${this.path}/test.npy`;
  readonly state = `${this.path}/state.safetensors`;

  static async create(): Promise<Prepared> {
    const folder = new Prepared();
    folder.write("model.onnx", await classifier());
    manualSeed(1);
    for (const name of ["train.npy", "test.npy"]) {
      folder.write(name, floats([...await randn([24, 40]).data()], 24, 40));
    }
    return folder;
  }

  /** Runs `quantize` with the model, the data and the target of this folder. */
  quantize(...more: string[]): Promise<Result> {
    return command("quantize", this.model, "--data", this.data, "--out", this.out, ...more);
  }

  names(): string[] {
    return [...Deno.readDirSync(this.path)].map(({ name }) => name).sort();
  }
}

/** What is written to standard error beside warnings, which such small models give rise to. */
function errors(err: string): string {
  return err.split("\n").filter((line) => !line.startsWith("warning: ")).join("\n");
}

/** What `inspect` and `compare` say of the quantized model. */
async function judged(folder: Prepared) {
  const inspected = await command("inspect", folder.out, "--json");
  const compared = await command(
    ...["compare", folder.model, folder.out, "--data", folder.heldOut, "--json"],
  );
  return { ...JSON.parse(inspected.out), ...JSON.parse(compared.out) };
}

Deno.test("quantize writes a model that is small and close to the float one", async () => {
  using folder = await Prepared.create();
  const { code, out, err } = await folder.quantize();
  assertEquals([code, err], [0, ""]);
  assert(/written\s+\S+model\.int8\.onnx/.test(out), out);
  assert(/calibrated on 24 samples/.test(out), out);
  const { quantized: { bytes }, float, sqnr, operators } = await judged(folder);
  assert(bytes < 0.85 * float.bytes, `${bytes} of ${float.bytes} bytes`);
  assert(sqnr > 20, `${sqnr} dB`);
  assert(operators.some(({ op }: { op: string }) => op === "QuantizeLinear"));
  assertEquals(folder.names().filter((name) => name.startsWith(".")), [], "no temporary files");
});

Deno.test("quantize judges on samples held out, and tells it as JSON", async () => {
  using folder = await Prepared.create();
  const { code, out } = await folder.quantize("--held-out", folder.heldOut, "--json");
  assertEquals(code, 0);
  const { heldOut, nodes, samples, quantizedBytes } = JSON.parse(out);
  const other = await judged(folder);
  assertEquals([heldOut.samples, samples], [24, 24]);
  assertEquals(heldOut.sqnr, other.sqnr);
  assertEquals(quantizedBytes, Deno.statSync(folder.out).size);
  assertEquals(nodes.some(({ quantized }: { quantized: boolean }) => quantized), true);
});

Deno.test("a target that is the input is refused, forced or not, under any of its names", async () => {
  using folder = await Prepared.create();
  const before = Deno.readFileSync(folder.model);
  const link = `${folder.path}/hard.onnx`;
  Deno.linkSync(folder.model, link);
  for (const out of [folder.model, `${folder.path}/./model.onnx`, link]) {
    for (const force of [[], ["--force"]]) {
      const { code, err } = await folder.quantize("--out", out, ...force);
      assertEquals([code, err], [
        1,
        `error: ${out} is the file of the model too; choose another name for --out\n`,
      ]);
    }
  }
  assertEquals(Deno.readFileSync(folder.model), before);
  const { err } = await folder.quantize("--out", folder.data, "--force");
  assert(err.includes("is the file of --data too"), err);
});

Deno.test("a target that is a folder, or also the state, is refused before work is spent", async () => {
  using folder = await Prepared.create();
  for (const out of [folder.path, `${folder.path}/new.onnx/`, ""]) {
    const { code, err } = await folder.quantize("--out", out, "--force");
    assertEquals(code, 1);
    assert(err.includes("is no file; give --out the name of one"), err);
  }
  const same = await folder.quantize("--state", `${folder.path}/./model.int8.onnx`);
  assertEquals(same.code, 1);
  assert(same.err.includes("is the file of --out too; choose another name for --state"), same.err);
  const state = await folder.quantize("--state", folder.path);
  assert(state.err.includes("give --state the name of one"), state.err);
  assertEquals(folder.names(), ["model.onnx", "test.npy", "train.npy"]);
});

Deno.test("a name as long as names may be is written", async () => {
  using folder = await Prepared.create();
  const out = `${folder.path}/${"ä".repeat(125)}.onnx`;
  const { code, err } = await folder.quantize("--out", out, "--method", "min-max");
  assertEquals([code, err], [0, ""]);
  assert(Deno.statSync(out).size > 0);
});

Deno.test("quantize and compare take a batch that the file gives as −1 for one of any size", async () => {
  using folder = await Prepared.create();
  const model = await loadOnnx(folder.model);
  for (const { type } of [...model.graph.input, ...model.graph.output]) {
    if (type?.value.case !== "tensorType") continue;
    type.value.value.shape!.dim[0].value = { case: "dimValue", value: -1n };
  }
  folder.write("model.onnx", model.toBytes());
  const { code, err, out } = await folder.quantize();
  assertEquals([code, err], [0, ""]);
  assert(/calibrated on 24 samples/.test(out), out);
  const { sqnr, inputs } = await judged(folder);
  assert(sqnr > 20, `${sqnr} dB`);
  assertEquals(inputs[0].dims, [null, 40]);
});

Deno.test("an existing target is an error, and left alone, unless forced", async () => {
  using folder = await Prepared.create();
  folder.write("model.int8.onnx", "mine");
  const { code, out, err } = await folder.quantize();
  assertEquals([code, out], [1, ""]);
  assertEquals(
    err,
    `error: ${folder.out} exists; choose another name, or replace it with --force\n`,
  );
  assertEquals(Deno.readTextFileSync(folder.out), "mine");
  assertEquals((await folder.quantize("--force")).code, 0);
  assert(Deno.statSync(folder.out).size > 1000);
});

Deno.test("a target that cannot be written is told before any work", async () => {
  using folder = await Prepared.create();
  const nowhere = `${folder.path}/none/model.onnx`;
  const args = ["quantize", folder.model, "--data", "missing.npy"];
  for (const more of [["--out", nowhere], ["--out", folder.out, "--state", nowhere]]) {
    const { code, err } = await command(...args, ...more);
    assertEquals(code, 1);
    const where = `${folder.path}/none`;
    assertEquals(err, `error: ${nowhere} cannot be written: there is no folder ${where}\n`);
  }
});

Deno.test("a state of another method is refused, and left alone", async () => {
  using folder = await Prepared.create();
  assertEquals((await folder.quantize("--state", folder.state)).code, 0);
  const saved = Deno.readFileSync(folder.state);
  const args = ["--state", folder.state, "--force", "--method", "percentile"];
  const { code, err } = await folder.quantize(...args);
  assertEquals(code, 1);
  assertEquals(err.trim().split("\n").length, 1, err);
  assertEquals(Deno.readFileSync(folder.state), saved);
});

Deno.test("a model quantized already is refused", async () => {
  using folder = await Prepared.create();
  folder.write("model.onnx", await quantizedClassifier());
  const { code, err } = await folder.quantize();
  assertEquals([code, err], [
    1,
    `error: ${folder.model} is quantized already; give the float model\n`,
  ]);
});

Deno.test("samples that fail leave no target behind", async () => {
  using folder = await Prepared.create();
  const before = folder.names();
  const bad = new Array(80).fill(0.5);
  bad[45] = NaN;
  folder.write("train.npy", floats(bad, 2, 40));
  const { code, out, err } = await folder.quantize();
  assertEquals([code, out], [1, ""]);
  assert(/NaN|not finite/i.test(err), err);
  assertEquals(err.trim().split("\n").length <= 2, true, err);
  assertEquals(folder.names(), before);
});

Deno.test("every method and type gives a model that works", async () => {
  const cases = [
    ...["min-max", "percentile", "mse", "entropy", "moving-average"].map((m) => ["--method", m]),
    ["--method", "percentile", "--percentile", "99.9"],
    ["--activation-type", "int8", "--symmetric"],
    ["--weight-type", "uint8", "--no-per-channel"],
    ["--reduce-range"],
  ];
  for (const args of cases) {
    using folder = await Prepared.create();
    const { code, err } = await folder.quantize(...args);
    assertEquals([code, errors(err)], [0, ""], args.join(" "));
    const { sqnr } = await judged(folder);
    assert(sqnr > 8, `${args.join(" ")}: ${sqnr} dB`);
  }
});

Deno.test("--target web writes what browsers run right; a target that is none is not understood", async () => {
  using folder = await Prepared.create();
  // Where everything is tiny, floats are as fast, and that is told.
  const tiny = await folder.quantize("--target", "web");
  assertEquals(tiny.code, 0);
  assert(/nothing became integers/.test(tiny.err), tiny.err);
  manualSeed(0);
  const layers = new Sequential(new Linear(40, 512), new Linear(512, 512));
  // Rows enough for bytes to be faster.
  folder.write("model.onnx", await exportOnnx(layers, randn([1, 64, 40])));
  folder.write("train.npy", floats([...await randn([4, 64, 40]).data()], 4, 64, 40));
  assertEquals((await folder.quantize("--target", "web", "--force")).code, 0);
  const { graph } = await loadOnnx(folder.out);
  const domains = graph.node.filter(({ opType }) => opType === "QuantizeLinear")
    .map(({ domain }) => domain);
  assertEquals(new Set(domains), new Set(["com.microsoft"]));
  const { code, err } = await folder.quantize("--target", "browser", "--force");
  assertEquals(code, 2);
  assert(/--target.*onnxruntime.*web/s.test(err), err);
});

Deno.test("--exclude leaves nodes float, by name, pattern or operator", async () => {
  const weights = async (...args: string[]) => {
    using folder = await Prepared.create();
    const { code, out, err } = await folder.quantize("--json", ...args);
    assertEquals([code, errors(err)], [0, ""], args.join(" "));
    const { nodes } = JSON.parse(out) as {
      nodes: { name: string; opType: string; quantized: boolean }[];
    };
    return nodes.filter(({ opType }) => opType === "Gemm" || opType === "MatMul")
      .map(({ name, quantized }): [string, boolean] => [name, quantized]);
  };
  const all = await weights();
  assertEquals(all.map(([, quantized]) => quantized), [true, true, true]);
  const [first] = all[0];
  assertEquals(await weights("--exclude", first), [[first, false], all[1], all[2]]);
  const none = all.map(([name]): [string, boolean] => [name, false]);
  assertEquals(await weights("--exclude", "*fc?*"), none);
  assertEquals(await weights("--exclude", "Gemm"), none);
});

Deno.test("a pattern that chooses nothing is an error", async () => {
  using folder = await Prepared.create();
  const { code, err } = await folder.quantize("--exclude", "layer9*");
  assertEquals(code, 1);
  assert(err.includes("--exclude layer9*: no node is called so"), err);
});

Deno.test("arrays of other kinds give the same model", async () => {
  using folder = await Prepared.create();
  const numbers = [...await randn([6, 40]).data()].map(Math.fround);
  const rows = Array.from({ length: 6 }, (_, i) => numbers.slice(40 * i, 40 * i + 40));
  folder.write("train.npy", floats(numbers, 6, 40));
  const data = [
    folder.data,
    folder.write("x.npz", await zip({ "input.npy": floats(numbers, 6, 40) }, { deflate: true })),
    folder.write("x.jsonl", rows.map((row) => `${JSON.stringify({ input: row })}\n`).join("")),
  ];
  const models: Uint8Array[] = [];
  for (const path of data) {
    const args = ["quantize", folder.model, "--data", path, "--out", folder.out, "--force"];
    assertEquals((await command(...args)).code, 0);
    models.push(Deno.readFileSync(folder.out));
  }
  assertEquals(models[1], models[0]);
  assertEquals(models[2], models[0]);
});

Deno.test("stopped and resumed from its state, quantize gives the same model", async () => {
  using folder = await Prepared.create();
  assertEquals((await folder.quantize()).code, 0);
  const whole = Deno.readFileSync(folder.out);
  Deno.removeSync(folder.out);

  // Whoever watches stops it after some samples.
  const controller = new AbortController();
  const console = new TestConsole();
  console.interactive = true;
  console.signal = controller.signal;
  const err = console.err.bind(console);
  console.err = (text) => {
    err(text);
    if (text.includes("calibrating")) controller.abort(new CliError(130, "interrupted"));
  };
  const args = ["quantize", folder.model, "--data", folder.data, "--out", folder.out];
  const code = await runCommand([...args, "--state", folder.state], console);
  assertEquals(code, 130);
  assert(console.written.err.endsWith("error: interrupted\n"), console.written.err);
  assert(folder.names().includes("state.safetensors"), "the state is saved");
  assert(!folder.names().includes("model.int8.onnx"), "the target is not there");

  const resumed = await folder.quantize("--state", folder.state);
  assertEquals([resumed.code, resumed.err], [0, ""]);
  assert(resumed.out.includes("calibrated on 24 samples"), resumed.out);
  assertEquals(Deno.readFileSync(folder.out), whole);
  // All samples are in the state by now.
  assertEquals((await folder.quantize("--state", folder.state, "--force")).code, 0);
  assertEquals(Deno.readFileSync(folder.out), whole);
});

Deno.test("a target is met by leaving out nodes, and one out of reach ends with 3", async () => {
  using folder = await Prepared.create();
  const target = async (dB: number) => {
    const args = ["--held-out", folder.heldOut, "--target-sqnr", String(dB), "--json", "--force"];
    const { code, out, err } = await folder.quantize(...args);
    return { code, err: errors(err), ...JSON.parse(out) };
  };
  const easy = await target(1);
  assertEquals([easy.code, easy.target.reached, easy.target.leftOut.length], [0, true, 0]);
  const more = await target(easy.heldOut.sqnr + 3);
  assertEquals([more.code, more.err, more.target.reached], [0, "", true]);
  assert(more.heldOut.sqnr >= easy.heldOut.sqnr + 3, `${more.heldOut.sqnr} dB`);
  const left = more.target.leftOut.map(({ node }: { node: string }) => node);
  assert(left.length >= 1);
  const float = more.nodes.filter(({ quantized }: { quantized: boolean }) => !quantized)
    .map(({ name }: { name: string }) => name);
  assertEquals(left.filter((name: string) => !float.includes(name)), []);
  const args = ["--held-out", folder.heldOut, "--target-sqnr", "1", "--force"];
  const { out } = await folder.quantize(...args);
  assert(/\ntried +everything \d+\.\d dB\ntarget +1\.0 dB met\n/.test(out), out);
  const beyond = await target(500);
  const missed = beyond.heldOut.sqnr === null ? "met with every node in float only" : "missed";
  assertEquals([beyond.code, beyond.err], [3, `the target of 500.0 dB is ${missed}\n`]);
});

Deno.test("a model that brings nothing is written, and warned of", async () => {
  using folder = await Prepared.create();
  const { code, out, err } = await folder.quantize("--exclude", "*");
  assertEquals([code, errors(err)], [0, ""]);
  assert(/^warning: nothing became integers: .*keep the float model$/m.test(err), err);
  assert(/^warning: the quantized file has \d+\.\d+ % of the float one's bytes: /m.test(err), err);
  assert(!out.includes("warning"), out);
  const json = await folder.quantize("--exclude", "*", "--json", "--force");
  const { warnings } = JSON.parse(json.out) as { warnings: string[] };
  assertEquals(warnings.map((line) => `warning: ${line}\n`).join(""), json.err);
  const whole = await folder.quantize("--force");
  assertEquals([whole.code, whole.err], [0, ""]);
});

Deno.test("a target needs samples held out", async () => {
  using folder = await Prepared.create();
  const { code, err } = await folder.quantize("--target-sqnr", "30");
  assertEquals(code, 2);
  assert(err.startsWith("error: --target-sqnr needs --held-out"), err);
});

Deno.test("few samples are worth a warning, sixteen are not", async () => {
  using folder = await Prepared.create();
  const few = await folder.quantize("--samples", "3", "--json");
  const [warning] = JSON.parse(few.out).warnings;
  assert(warning.startsWith("calibrated on 3 samples only"), warning);
  assert(few.err.includes(`warning: ${warning}\n`), few.err);
  const enough = await folder.quantize("--samples", "16", "--force");
  assertEquals([enough.code, enough.err], [0, ""]);
});

Deno.test("everything that quantize prints fits the terminal", async () => {
  using folder = await Prepared.create();
  const { out } = await folder.quantize("--held-out", folder.heldOut, "--target-sqnr", "60");
  const inspected = await command("inspect", folder.out);
  for (const line of `${out}\n${inspected.out}`.split("\n")) {
    // A path is not cut: it may be copied.
    assert(line.length <= 80 || line.includes(folder.path), line);
  }
});

Deno.test("quantize --method auto and --optimize latency tell what was measured, as text and as JSON", async () => {
  using folder = await Prepared.create();
  const { out } = await folder.quantize("--method", "auto", "--optimize", "latency");
  assert(
    /method +(mse|minmax), [\d.]+ dB beside [\d.]+ dB with (mse|minmax), on 24 /.test(out),
    out,
  );
  assert(/for speed +\d+ nodes stay float; --json lists them/.test(out), out);
  const { out: json } = await folder.quantize("--method=auto", "--json", "--force");
  const { bestMethod, fasterInFloat } = JSON.parse(json);
  assertEquals(bestMethod.samples, 24);
  assertEquals(fasterInFloat, undefined);
});

Deno.test("quantize: what is measured goes with no target, and not with what calibrate wrote", async () => {
  using folder = await Prepared.create();
  const held = ["--held-out", folder.heldOut, "--target-sqnr", "30"];
  for (const [option, value] of [["--method", "auto"], ["--optimize", "latency"]]) {
    const { code, err } = await folder.quantize(option, value, ...held);
    assertEquals(code, 2);
    assert(err.includes(`${option} ${value} measures one model`), err);
  }
  const { code, err } = await command(
    ...["calibrate", folder.model, "--data", folder.data, "--out", `${folder.path}/part`],
    ...["--method", "auto"],
  );
  assertEquals(code, 2);
  assert(err.includes("minmax, movingAverage, percentile, entropy, mse"), err);
});
