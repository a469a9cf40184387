import { assert, assertEquals } from "@std/assert";
import { manualSeed, randn } from "../../mod.ts";
import { floats, TestFolder } from "../data/files.ts";
import { CliError } from "../../lib/cli/cli_error.ts";
import { runCommand } from "../../lib/cli/main.ts";
import { command, TestConsole } from "./console.ts";
import { classifier, quantizedClassifier } from "./models.ts";

/** A folder with a float model, the quantized one and samples. */
async function prepared(): Promise<TestFolder> {
  const folder = new TestFolder();
  folder.write("float.onnx", await classifier());
  folder.write("quantized.onnx", await quantizedClassifier());
  manualSeed(1);
  folder.write("x.npy", floats([...await randn([12, 40]).data()], 12, 40));
  return folder;
}

const inside = (folder: TestFolder, ...names: string[]) =>
  names.map((name) => `${folder.path}/${name}`);

Deno.test("compare tells sizes, times, SQNR and top-1 agreement", async () => {
  using folder = await prepared();
  const [float, quantized, data] = inside(folder, "float.onnx", "quantized.onnx", "x.npy");
  const { code, out, err } = await command("compare", float, quantized, "--data", data);
  assertEquals([code, err], [0, ""]);
  for (const text of ["ms a sample", "top-1 agreement", "over 12 samples", "noisiest tensors"]) {
    assert(out.includes(text), out);
  }
});

Deno.test("compare --json is for programs, and its numbers are right", async () => {
  using folder = await prepared();
  const [float, quantized, data] = inside(folder, "float.onnx", "quantized.onnx", "x.npy");
  const run = async (...paths: string[]) => {
    const { code, out } = await command("compare", ...paths, "--data", data, "--json");
    assertEquals(code, 0);
    return JSON.parse(out);
  };
  const other = await run(float, quantized);
  assertEquals(other.float.bytes, Deno.statSync(float).size);
  assertEquals(other.samples, 12);
  const [{ name, sqnr, top1, sqnrPerSample }] = other.outputs;
  assertEquals(name, "output");
  assert(sqnr > 20 && sqnr < 60, `${sqnr} dB`);
  assert(top1 > 0.5 && Number.isInteger(Math.round(top1 * 12 * 1e6) / 1e6), `${top1}`);
  assertEquals(sqnrPerSample.length, 12);
  const same = await run(float, float);
  assertEquals([same.outputs[0].sqnr, same.outputs[0].top1], [null, 1]);
});

Deno.test("compare --samples reads no more", async () => {
  using folder = await prepared();
  const [float, data] = inside(folder, "float.onnx", "x.npy");
  const limited = ["--data", data, "--samples", "3", "--json"];
  const { out } = await command("compare", float, float, ...limited);
  assertEquals(JSON.parse(out).samples, 3);
});

Deno.test("compare ends with 3 if the target is missed", async () => {
  using folder = await prepared();
  const [float, quantized, data] = inside(folder, "float.onnx", "quantized.onnx", "x.npy");
  const target = (dB: string) =>
    command("compare", float, quantized, "--data", data, "--target-sqnr", dB);
  assertEquals((await target("1")).code, 0);
  const missed = await target("200");
  assertEquals([missed.code, missed.err], [3, "the target of 200.0 dB is missed\n"]);
  assert(missed.out.length > 0, "the results are told nevertheless");
});

Deno.test("compare --report writes a page, and replaces none without --force", async () => {
  using folder = await prepared();
  const [float, quantized, data, report] = inside(
    folder,
    ...["float.onnx", "quantized.onnx", "x.npy", "report.html"],
  );
  const run = (...more: string[]) =>
    command("compare", float, quantized, "--data", data, "--report", report, ...more);
  assertEquals((await run()).code, 0);
  const html = Deno.readTextFileSync(report);
  assert(html.startsWith("<!doctype html>") && html.trimEnd().endsWith("</html>"));
  Deno.writeTextFileSync(report, "mine");
  const refused = await run();
  assertEquals(refused.code, 1);
  assertEquals(
    refused.err,
    `error: ${report} exists; choose another name, or replace it with --force\n`,
  );
  assertEquals(Deno.readTextFileSync(report), "mine");
  assertEquals((await run("--force")).code, 0);
  assertEquals(Deno.readTextFileSync(report).length > 1000, true);
  assertEquals([...Deno.readDirSync(folder.path)].length, 4, "no temporary files are left");
});

Deno.test("compare says what does not fit", async () => {
  using folder = await prepared();
  const [float, quantized] = inside(folder, "float.onnx", "quantized.onnx");
  const data = folder.write("wrong.npy", floats(new Array(12).fill(0), 3, 4));
  const { code, out, err } = await command("compare", float, quantized, "--data", data);
  assertEquals([code, out], [1, ""]);
  assert(err.includes("[3, 4]") && err.includes("input: float32 [batch, 40]"), err);
});

Deno.test("compare that is stopped once all is measured writes no report", async () => {
  using folder = await prepared();
  const [float, quantized, data] = inside(folder, "float.onnx", "quantized.onnx", "x.npy");
  const controller = new AbortController();
  const console = new TestConsole();
  console.interactive = true;
  console.signal = controller.signal;
  // The bar is cleared when the last sample is done and there is nothing more to measure.
  console.status = (line) => {
    if (line === "") controller.abort(new CliError(143, "terminated"));
  };
  const report = `${folder.path}/report.html`;
  const args = ["compare", float, quantized, "--data", data, "--report", report];
  assertEquals(await runCommand(args, console), 143);
  assertEquals(console.written, { out: "", err: "error: terminated\n" });
  assertEquals([...Deno.readDirSync(folder.path)].length, 3, "no report, no temporary file");
});
