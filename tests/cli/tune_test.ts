import { assert, assertEquals } from "@std/assert";
import { manualSeed, randn } from "../../mod.ts";
import { REMEDY_NAMES } from "../../lib/onnx/improve/remedies.ts";
import { floats, TestFolder } from "../data/files.ts";
import { command, type Result } from "./console.ts";
import { classifier } from "./models.ts";

/** A folder with a float model, samples to calibrate with and others. */
class Prepared extends TestFolder {
  static async create(): Promise<Prepared> {
    const folder = new Prepared();
    folder.write("model.onnx", await classifier());
    manualSeed(1);
    for (const name of ["train.npy", "test.npy"]) {
      folder.write(name, floats([...await randn([16, 40]).data()], 16, 40));
    }
    return folder;
  }

  /** The path of a file. */
  at(name: string): string {
    return `${this.path}/${name}`;
  }

  /** Runs `tune` with the model and the data of this folder. */
  tune(out: string, ...more: string[]): Promise<Result> {
    return command(
      ...["tune", this.at("model.onnx"), "--data", this.at("train.npy")],
      ...["--held-out", this.at("test.npy"), "--out", this.at(out), ...more],
    );
  }

  names(): string[] {
    return [...Deno.readDirSync(this.path)].map(({ name }) => name).sort();
  }
}

Deno.test("tune writes a model and a recipe, which gives the same bytes", async () => {
  using folder = await Prepared.create();
  const { code, out } = await folder.tune("a.onnx", "--recipe", folder.at("recipe.json"));
  assertEquals(code, 0);
  assert(out.includes("plain") && out.includes("dB"), out);
  const recipe = JSON.parse(Deno.readTextFileSync(folder.at("recipe.json")));
  assertEquals(recipe.version, 1);
  const again = await folder.tune("b.onnx", "--use-recipe", folder.at("recipe.json"), "--json");
  assertEquals(again.code, 0);
  const { metric, sqnr, reached } = JSON.parse(again.out);
  assert(metric === "sqnr" && sqnr > 15 && reached, `${metric} ${sqnr} ${reached}`);
  assertEquals(Deno.readFileSync(folder.at("a.onnx")), Deno.readFileSync(folder.at("b.onnx")));
});

Deno.test("tune writes nothing where the target is missed, unless asked", async () => {
  using folder = await Prepared.create();
  const target = ["--reach", "300", "--remedies", "bias"];
  const missed = await folder.tune("a.onnx", ...target);
  assertEquals(missed.code, 3);
  assert(
    missed.err.includes("nothing is written") && missed.out.includes("nothing that was tried"),
  );
  assertEquals(folder.names(), ["model.onnx", "test.npy", "train.npy"]);
  const kept = await folder.tune("a.onnx", ...target, "--keep-best");
  assertEquals(kept.code, 3);
  assert(folder.names().includes("a.onnx"));
});

Deno.test("tune says which samples are on both sides, and that the time was over", async () => {
  using folder = await Prepared.create();
  const files = [folder.at("model.onnx"), "--data", folder.at("train.npy")];
  const out = ["--out", folder.at("a.onnx"), "--remedies", "bias"];
  const both = await command("tune", ...files, "--held-out", folder.at("train.npy"), ...out);
  assertEquals(both.code, 0);
  assert(both.err.startsWith("warning: 16 of the 16 held-out samples are calibration samples"));
  const short = await folder.tune("b.onnx", "--seconds", "0.001");
  assertEquals(short.code, 0);
  assert(short.err.startsWith("warning: the 0.001 seconds were over"), short.err);
  assert(folder.names().includes("b.onnx"), "the best until then is written");
});

Deno.test("tune tells of what it cannot take", async () => {
  using folder = await Prepared.create();
  folder.write("recipe.json", "{");
  const fails = async (code: number, message: string, ...more: string[]) => {
    const result = await folder.tune("a.onnx", ...more);
    assertEquals(result.code, code);
    assert(result.err.includes(message), result.err);
  };
  await fails(1, "not JSON", "--use-recipe", folder.at("recipe.json"));
  await fails(1, "no recipe", "--use-recipe", folder.at("none.json"));
  await fails(1, "named twice", "--remedies", "bias,bias");
  await fails(2, "leave --remedies out", "--use-recipe", "r.json", "--remedies", "bias");
  folder.write("recipe.json", JSON.stringify({ version: 1, model: "0", options: {}, steps: [] }));
  await fails(1, "of another model", "--use-recipe", folder.at("recipe.json"));
});

Deno.test("the help of tune names all remedies in their order", async () => {
  const { out } = await command("tune", "--help");
  const [, list] = out.split("What is tried");
  const names = [...list.split("\n\n")[0].matchAll(/^ {2}(\w+) /gm)].map(([, name]) => name);
  assertEquals(names, REMEDY_NAMES);
});
