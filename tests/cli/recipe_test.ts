import { assert, assertEquals } from "@std/assert";
import {
  loadOnnx,
  manualSeed,
  modelInputs,
  quantizeStatic,
  randn,
  readSamples,
} from "../../mod.ts";
import { COMMANDS } from "../../lib/cli/commands.ts";
import { problemWith } from "../../lib/cli/json_schema.ts";
import { recipeSchema, recipeSchemaText } from "../../lib/cli/recipe_schema.ts";
import { floats, TestFolder } from "../data/files.ts";
import { command } from "./console.ts";
import { classifier } from "./models.ts";

/** A folder with a model, samples, and a folder for recipes. */
class Kitchen extends TestFolder {
  static async create(): Promise<Kitchen> {
    const folder = new Kitchen();
    folder.write("model.onnx", await classifier());
    manualSeed(1);
    folder.write("train.npy", floats([...await randn([24, 40]).data()], 24, 40));
    return folder;
  }

  recipe(content: unknown, name = "recipe.json"): string {
    return this.write(name, typeof content === "string" ? content : JSON.stringify(content));
  }
}

const QUANTIZE = { model: "model.onnx", data: "train.npy", out: "out.onnx" };
const OPTIONS = {
  readSamples: { limit: 20 },
  quantizeStatic: {
    calibrationMethod: "percentile",
    percentile: 99.9,
    weightType: "uint8",
    perChannel: false,
    weightSymmetric: false,
  },
} as const;

Deno.test("a recipe is repeated to the byte, by the flags and by the library's functions too", async () => {
  using folder = await Kitchen.create();
  const path = folder.recipe({ quantize: { ...QUANTIZE, ...OPTIONS } });
  const written: Uint8Array[] = [];
  for (const out of ["a.onnx", "b.onnx"]) {
    const { code, err } = await command(
      ...["quantize", "--config", path, "--out", `${folder.path}/${out}`],
    );
    assertEquals([code, err.replaceAll(/^warning: .*\n/gm, "")], [0, ""]);
    written.push(Deno.readFileSync(`${folder.path}/${out}`));
  }
  assertEquals(written[0], written[1]);
  const { quantize: recipe } = JSON.parse(Deno.readTextFileSync(path));
  const model = await loadOnnx(`${folder.path}/${recipe.model}`);
  const samples = readSamples(
    `${folder.path}/${recipe.data}`,
    modelInputs(model),
    recipe.readSamples,
  );
  const result = await quantizeStatic(model, samples, recipe.quantizeStatic);
  assertEquals(result.model.toBytes(), written[0]);
});

Deno.test("what is printed as a recipe does what the flags did", async () => {
  using folder = await Kitchen.create();
  const [model, data] = ["model.onnx", "train.npy"].map((name) => `${folder.path}/${name}`);
  const flags = ["quantize", model, "--data", data, "--method", "min-max", "--symmetric"];
  const more = ["--no-per-channel", "--samples", "9", "--exclude", "fc1*"];
  const printed = await command(...flags, ...more, "--print-config");
  assertEquals([printed.code, printed.err], [0, ""]);
  const path = folder.recipe(printed.out);
  const said = JSON.parse(printed.out);
  assertEquals(said.$schema, "./recipe.schema.json");
  assertEquals(said.quantize.quantizeStatic, {
    target: "onnxruntime",
    calibrationMethod: "minmax",
    activationType: "uint8",
    weightType: "int8",
    perChannel: false,
    activationSymmetric: true,
  });
  const [a, b] = [`${folder.path}/a.onnx`, `${folder.path}/b.onnx`];
  assertEquals((await command(...flags, ...more, "--out", a)).code, 0);
  assertEquals((await command("quantize", "--config", path, "--out", b)).code, 0);
  assertEquals(Deno.readFileSync(a), Deno.readFileSync(b));
  // Printed anew it stays as it is.
  assertEquals((await command("quantize", "--config", path, "--print-config")).out, printed.out);
});

Deno.test("flags go before a recipe, and its files are seen from its own folder", async () => {
  using folder = await Kitchen.create();
  Deno.mkdirSync(`${folder.path}/recipes`);
  const path = folder.recipe({
    quantize: { ...QUANTIZE, ...OPTIONS, model: "../model.onnx", data: "../train.npy" },
  }, "recipes/r.json");
  const args = ["quantize", "--config", path, "--method", "mse", "--per-channel"];
  const { out } = await command(...args, "--print-config");
  const { quantize } = JSON.parse(out);
  assertEquals(quantize.out, `${folder.path}/recipes/out.onnx`);
  assertEquals(quantize.model, `${folder.path}/model.onnx`);
  assertEquals(quantize.quantizeStatic.calibrationMethod, "mse");
  assertEquals([quantize.quantizeStatic.perChannel, quantize.readSamples.limit], [true, 20]);
  assertEquals((await command(...args)).code, 0);
  assert(Deno.statSync(`${folder.path}/recipes/out.onnx`).size > 0);
});

Deno.test("errors of a recipe name the file, the key and what to do", async () => {
  using folder = await Kitchen.create();
  const within = (quantize: unknown) => ({ quantize });
  const cases: [content: unknown, message: string][] = [
    ["", "it is no JSON"],
    ['{\n "quantize": {,}}', "line 2, column 15"],
    ["[]", "the recipe is an array, but must be an object"],
    [{ quantise: {} }, "quantise is no key there is; did you mean quantize?"],
    [{}, "there is nothing for quantize in it; put its options under the key quantize"],
    [{ compare: {} }, "nothing for quantize in it, only for compare"],
    [within([]), "quantize is an array, but must be an object"],
    [within({ modle: "m" }), "quantize.modle is no key there is; did you mean model?"],
    [within({ method: "mse" }), "did you mean quantize.quantizeStatic.calibrationMethod?"],
    [within({ "op-types": [] }), "did you mean quantize.quantizeStatic.opTypesToQuantize?"],
    [within({ percentile: 99 }), "did you mean quantize.quantizeStatic.percentile?"],
    [
      within({ quantizeStatic: { calibrationMethod: "mimax" } }),
      `quantize.quantizeStatic.calibrationMethod is "mimax", but must be one of "minmax", ` +
      `"movingAverage", "percentile", "entropy", "mse", "auto"; did you mean "minmax"?`,
    ],
    [
      within({ readSamples: { limit: 0 } }),
      "quantize.readSamples.limit is 0, but must be a whole number of at least 1",
    ],
    [
      within({ readSamples: { image: { size: [1] } } }),
      'an array of 2, each a whole number of at least 1, or one of "auto"',
    ],
    [within({ quantizeStatic: { opTypesToQuantize: [3] } }), "opTypesToQuantize[0] is 3"],
    ['{"quantize": {"__proto__": {"force": true}}}', "quantize.__proto__ is no key there is"],
    [within({ model: "m", data: "d" }), "quantize.out is missing; give it there, or as --out"],
    [
      within({ out: "m", data: "d" }),
      "quantize.model is missing; give it there, or as an argument",
    ],
  ];
  for (const [content, message] of cases) {
    const path = folder.recipe(content);
    const { code, out, err } = await command("quantize", "--config", path);
    assertEquals([code, out], [2, ""], err);
    assert(err.includes(`${path}: `) && err.includes(message), `${message}\n${err}`);
  }
  const none = await command("quantize", "--config", `${folder.path}/none.json`);
  assert(none.err.includes("none.json: there is no such recipe"), none.err);
  const inFolder = await command("quantize", "--config", folder.path);
  assert(inFolder.err.includes("it is a folder and not a file"), inFolder.err);
});

Deno.test("the published schema is that of the tables, and holds for what each command prints", async () => {
  const published = Deno.readTextFileSync(new URL("../../recipe.schema.json", import.meta.url));
  assert(published === recipeSchemaText(COMMANDS), "write it anew: deno task schema");
  assertEquals((await command("schema")).out, published);
  const schema = recipeSchema(COMMANDS);
  for (const { name, options } of COMMANDS) {
    const { out } = await command(name, "--print-config");
    assertEquals(problemWith(schema, JSON.parse(out)), undefined);
    for (const { at } of options) {
      // deno-lint-ignore no-explicit-any
      let place: any = schema.properties![name];
      for (const key of at.split(".")) place = place.properties[key];
      assert(place.description, `${name} ${at}`);
    }
  }
});
