import { assert, assertEquals } from "@std/assert";
import { manualSeed, randn } from "../../mod.ts";
import { floats, TestFolder } from "../data/files.ts";
import { command } from "./console.ts";
import { classifier, quantizedClassifier } from "./models.ts";

async function prepared(): Promise<TestFolder> {
  const folder = new TestFolder();
  folder.write("model.onnx", await classifier());
  manualSeed(1);
  folder.write("train.npy", floats([...await randn([24, 40]).data()], 24, 40));
  return folder;
}

Deno.test("convert ends in a table, and writes a piece for the model's README", async () => {
  using folder = await prepared();
  const { path } = folder;
  const [data, card] = [`${path}/train.npy`, `${path}/card.md`];
  const args = ["convert", `${path}/model.onnx`, "--modes", "q8,static", "--out", `${path}/out`];
  const { code, out, err } = await command(...args, "--data", data, "--card", card);
  assertEquals(code, 0, err);
  assert(!err.includes("made-up"), err);
  const lines = out.split("\n").map((line) => line.trim());
  assert(lines.some((line) => /^q8 +model_quantized\.onnx .* \d+\.\d dB/.test(line)), out);
  assert(lines.some((line) => /^static +model_static\.onnx .* dB/.test(line)), out);
  const text = Deno.readTextFileSync(card);
  for (const part of ["| static: ", "`onnx/model_quantized.onnx`", 'from_pretrained("out"']) {
    assert(text.includes(part), text);
  }
  const again = await command(...args, "--data", data);
  assertEquals(again.code, 1);
  assert(
    /exists; choose another folder as --out, or replace it with --force/.test(again.err),
    again.err,
  );
});

Deno.test("convert says that inputs were made up, and fails for a form that was named and not made", async () => {
  using folder = await prepared();
  const { path } = folder;
  const made = await command("convert", `${path}/model.onnx`, "--dtype", "q8", "--json");
  assertEquals(made.code, 0, made.err);
  const { files, madeUp, warnings } = JSON.parse(made.out);
  assertEquals([files.length, madeUp], [2, true]);
  assert(warnings[0].includes("there is no --data"), warnings[0]);
  folder.write("q.onnx", await quantizedClassifier());
  const none = await command("convert", `${path}/q.onnx`, "--dtype", "q8,fp16");
  assertEquals(none.code, 1);
  assert(/no form could be made of it/.test(none.err), none.err);
  const misspelt = await command("convert", `${path}/q.onnx`, "--dtype", "q8,fp61");
  assertEquals(misspelt.code, 2);
  assert(/fp61 is none\. Did you mean fp16\?/.test(misspelt.err), misspelt.err);
});

Deno.test("a conversion is repeated by its recipe, options of the functions in it included", async () => {
  using folder = await prepared();
  const { path } = folder;
  const args = ["convert", `${path}/model.onnx`, "--dtype", "q4,q8", "--block-size", "16"];
  const more = ["--no-per-channel", "--rounding", "hqq", "--out", `${path}/a`];
  const printed = await command(...args, ...more, "--print-config");
  const recipe = folder.write("recipe.json", printed.out);
  const { convertOnnx } = JSON.parse(printed.out).convert;
  assertEquals(convertOnnx.quantizeWeights, { groupSize: 16, method: "hqq" });
  assertEquals(convertOnnx.quantizeDynamic, { perChannel: false });
  assertEquals((await command(...args, ...more)).code, 0);
  assertEquals((await command("convert", "--config", recipe, "--out", `${path}/b`)).code, 0);
  for (const name of ["model_q4.onnx", "model_quantized.onnx"]) {
    assertEquals(
      Deno.readFileSync(`${path}/a/onnx/${name}`),
      Deno.readFileSync(`${path}/b/onnx/${name}`),
    );
  }
});
