import { assert, assertEquals } from "@std/assert";
import { TestFolder } from "../data/files.ts";
import { command } from "./console.ts";

Deno.test("with --json an error is JSON too, on standard output, with its exit code", async () => {
  using folder = new TestFolder();
  const path = folder.write("text.onnx", "this is text");
  const cases: [args: string[], code: number, message: string][] = [
    [["inspect", path], 1, "this is no ONNX model"],
    [["inspect", `${folder.path}/none.onnx`], 1, "No such file or directory"],
    [["inspect"], 2, "missing required argument 'model'"],
    [["quantize", path, "--data", "d"], 2, "required option '--out <path>' not specified"],
    [["compare", path, path, "--data", "d", "--target-sqnr", "x"], 2, "Give a number."],
  ];
  for (const [args, code, message] of cases) {
    const said = await command(...args, "--json");
    assertEquals([said.code, said.err], [code, ""], args.join(" "));
    const { error, exitCode } = JSON.parse(said.out);
    assertEquals(exitCode, code);
    assert(error.includes(message) && !error.startsWith("error:"), error);
  }
});

Deno.test("--debug gives the stack beside the JSON", async () => {
  const { out, err } = await command("inspect", "none.onnx", "--json", "--debug");
  assertEquals(JSON.parse(out).exitCode, 1);
  assert(err.includes("    at "), err);
});
