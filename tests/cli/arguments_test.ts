import { assert, assertEquals, assertThrows } from "@std/assert";
import { plainMessage } from "../../lib/cli/cli_error.ts";
import { matchesGlob } from "../../lib/cli/excluded_nodes.ts";
import * as parse from "../../lib/cli/parse.ts";
import { CALIBRATION_METHODS } from "../../lib/onnx/calibration/method_names.ts";
import { columns } from "../../lib/numbers/columns.ts";
import { command } from "./console.ts";

Deno.test("a command that is not understood ends with 2 and says why, on standard error", async () => {
  const cases: [args: string[], message: string][] = [
    [["frobnicate"], "unknown command 'frobnicate'"],
    [["inspect"], "missing required argument 'model'"],
    [["inspect", "a", "b"], "too many arguments"],
    [["inspect", "--jsno", "a"], "Did you mean --json?"],
    [["quantize", "a", "--out", "b"], "required option '--data <path>' not specified"],
    [["quantize", "a", "--data", "d"], "required option '--out <path>' not specified"],
    [["quantize", "a", "--method", "guess"], "Allowed choices are minmax, movingAverage, "],
    [["quantize", "a", "--samples", "0"], "whole number of at least 1"],
    [["quantize", "a", "--size", "3x4x5"], "HEIGHTxWIDTH"],
    [["quantize", "a", "--std", "1,0"], "may be 0"],
    [["compare", "a", "--data", "d"], "missing required argument 'quantized'"],
  ];
  for (const [args, message] of cases) {
    const { code, out, err } = await command(...args);
    assertEquals([code, out], [2, ""], args.join(" "));
    assert(err.includes(message), `${args.join(" ")}: ${err}`);
    assert(!err.includes("    at "), "no stack");
  }
});

Deno.test("without arguments the help goes to standard error, with --help to standard output", async () => {
  const none = await command();
  assertEquals([none.code, none.out], [2, ""]);
  assert(none.err.includes("Usage: staticquant"));
  const asked = await command("--help");
  assertEquals([asked.code, asked.err], [0, ""]);
  assertEquals(asked.out, none.err);
});

Deno.test("the help of each command has examples and the permissions it needs", async () => {
  for (const name of ["inspect", "quantize", "tune", "compare"]) {
    const { code, out, err } = await command(name, "--help");
    assertEquals([code, err], [0, ""]);
    for (const part of ["Example", "Permissions:", `cli ${name} `]) {
      assert(out.includes(part), part);
    }
  }
});

Deno.test("all that is printed as help fits 80 columns", async () => {
  const all = [[], ["inspect"], ["quantize"], ["tune"], ["compare"], ["completion"]];
  for (const args of all) {
    const { out } = await command(...args, "--help");
    for (const line of out.split("\n")) assert(columns(line) <= 80, line);
  }
});

Deno.test("the version is that of the package", async () => {
  const { version } = JSON.parse(
    Deno.readTextFileSync(new URL("../../deno.json", import.meta.url)),
  );
  assertEquals(await command("--version"), { code: 0, out: `${version}\n`, err: "" });
});

Deno.test("values of options are parsed", () => {
  assertEquals(parse.parseSize("224"), [224, 224]);
  assertEquals(parse.parseSize("48x320"), [48, 320]);
  assertEquals(parse.parseSize("48xauto"), [48, "auto"]);
  assertEquals(parse.parseNumbers("0.5, -1,2e-3"), [0.5, -1, 0.002]);
  assertEquals(parse.collectNames("a, b", ["z"]), ["z", "a", "b"]);
  assertEquals(parse.collectInputs("x", { y: "" }), { y: "", x: "" });
  assertEquals(parse.collectInputs("a=b=c"), { "a=b": "c" });
  assertEquals(parse.parsePercentile("99.99"), 99.99);
  for (const method of CALIBRATION_METHODS) assertEquals(parse.parseMethod(method), method);
  assertEquals(parse.parseMethod("min-max"), "minmax");
  assertEquals(parse.parseMethod("moving-average"), "movingAverage");
  for (const text of ["", " ", "x", "1,", "NaN", "Infinity"]) {
    assertThrows(() => parse.parseNumbers(text), Error, "Give a number");
  }
  assertThrows(() => parse.parseSize("0x3"));
  assertThrows(() => parse.parsePercentile("50"));
});

Deno.test("names with wildcards", () => {
  assert(matchesGlob("/layer*/MatMul", "/layer.0/attention/MatMul"));
  assert(matchesGlob("conv?", "conv1"));
  assert(!matchesGlob("conv?", "conv12"));
  assert(!matchesGlob("a.c", "abc"), "only * and ? are special");
  assert(matchesGlob("[x](y)+", "[x](y)+"));
  assert(!matchesGlob(`${"*a".repeat(12)}b`, "a".repeat(40)));
});

Deno.test("errors of the system become plain sentences", () => {
  const of = (path: string) => {
    try {
      Deno.readFileSync(path);
    } catch (error) {
      return plainMessage(error);
    }
  };
  assertEquals(of("does/not/exist"), "does/not/exist: No such file or directory");
  const denied = new Deno.errors.NotCapable(
    'Requires write access to "x", run again with the --allow-write flag',
  );
  assertEquals(
    plainMessage(denied).split(" (")[0],
    'Requires write access to "x"; run with --allow-write for it',
  );
  assertEquals(plainMessage(new Error("loadOnnx: x: it is empty")), "x: it is empty");
  assertEquals(plainMessage(new Error("x.npy: it is empty")), "x.npy: it is empty");
  assertEquals(
    plainMessage(new Error("x: leave nodes out by nodesToExclude, or see `image.size`, `k`")),
    "x: leave nodes out by --exclude, or see --size, `k`",
  );
  assert(plainMessage(new ReferenceError("y is not defined")).startsWith("internal error"));
});
