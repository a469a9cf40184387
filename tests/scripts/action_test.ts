/** The GitHub Action: its steps are run as a runner would, by bash, with inputs filled in. */
import { assert, assertEquals } from "@std/assert";
import { manualSeed, randn } from "../../mod.ts";
import { root } from "../../scripts/paths.ts";
import { classifier } from "../cli/models.ts";
import { floats, TestFolder } from "../data/files.ts";

/** A value of the little YAML that the action is written in. */
type Yaml = string | Yaml[] | { [key: string]: Yaml };

/** Lines with how far they are indented; those of a block of text are joined to its key. */
function linesOf(text: string): { indent: number; key: string; value?: string; item: boolean }[] {
  const lines = text.split("\n");
  const found = [];
  for (let i = 0; i < lines.length; i++) {
    const [, space, dash, rest] = /^( *)(- )?(.*)$/.exec(lines[i])!;
    if (rest === "") continue;
    const [, key, value] = /^([\w-]+):(?: (.*))?$/.exec(rest)!;
    const indent = space.length + (dash ? 2 : 0);
    if (value !== "|") found.push({ indent, key, value, item: !!dash });
    else {
      const block: string[] = [];
      while (
        i + 1 < lines.length &&
        (lines[i + 1] === "" || lines[i + 1].startsWith(" ".repeat(indent + 2)))
      ) {
        block.push(lines[++i].slice(indent + 2));
      }
      found.push({ indent, key, value: block.join("\n"), item: !!dash });
    }
  }
  return found;
}

/** The action's description. */
function parseYaml(text: string): { [key: string]: Yaml } {
  const lines = linesOf(text);
  let at = 0;
  const object = (indent: number): { [key: string]: Yaml } => {
    const made: { [key: string]: Yaml } = {};
    for (let first = true; at < lines.length; first = false) {
      const line = lines[at];
      if (line.indent < indent || (line.item && !first)) break;
      at++;
      const next = lines[at];
      made[line.key] = line.value?.replace(/^"(.*)"$/, "$1") ??
        (next?.item ? list(next.indent) : next?.indent > indent ? object(next.indent) : "");
    }
    return made;
  };
  const list = (indent: number): Yaml[] => {
    const made: Yaml[] = [];
    while (lines[at]?.item && lines[at].indent === indent) made.push(object(indent));
    return made;
  };
  return object(0);
}

interface Step {
  readonly id?: string;
  readonly uses?: string;
  readonly shell?: string;
  readonly run?: string;
  readonly env?: Readonly<Record<string, string>>;
}

const ACTION = parseYaml(Deno.readTextFileSync(`${root}/action.yml`)) as unknown as {
  inputs: Record<string, { default?: string; required: string }>;
  outputs: Record<string, { value: string }>;
  runs: { using: string; steps: Step[] };
};

/** Runs the steps, up to the first that fails. */
async function runAction(folder: TestFolder, inputs: Readonly<Record<string, string>>) {
  const values: Record<string, string> = {};
  for (const [name, input] of Object.entries(ACTION.inputs)) {
    values[name] = inputs[name] ?? input.default ?? "";
  }
  const files = {
    GITHUB_OUTPUT: `${folder.path}/output`,
    GITHUB_STEP_SUMMARY: `${folder.path}/summary`,
  };
  for (const path of Object.values(files)) Deno.writeTextFileSync(path, "");
  let [code, log] = [0, ""];
  for (const { run, shell, env = {} } of ACTION.runs.steps) {
    if (run === undefined) continue;
    assertEquals(shell, "bash");
    assert(!run.includes("${{"), "inputs reach scripts as variables, not as text");
    const filled = Object.entries(env).map(([name, value]) => [
      name,
      value.replace(/\$\{\{ inputs\.([\w-]+) \}\}/g, (_, input) => values[input]),
    ]);
    const child = new Deno.Command("bash", {
      // As runners start it.
      args: ["--noprofile", "--norc", "-eo", "pipefail", "-c", run],
      cwd: folder.path,
      env: {
        ...Object.fromEntries(filled),
        ...files,
        GITHUB_ACTION_PATH: root,
        RUNNER_TEMP: folder.path,
        NO_COLOR: "1",
      },
      stdout: "piped",
      stderr: "piped",
    });
    const done = await child.output();
    for (const bytes of [done.stdout, done.stderr]) log += new TextDecoder().decode(bytes);
    ({ code } = done);
    if (code !== 0) break;
  }
  const [output, summary] = Object.values(files).map((path) => Deno.readTextFileSync(path));
  return { code, log, output, summary };
}

async function prepared(recipe: Record<string, unknown>): Promise<TestFolder> {
  const folder = new TestFolder();
  folder.write("model.onnx", await classifier());
  manualSeed(1);
  for (const name of ["train.npy", "test.npy"]) {
    folder.write(name, floats([...await randn([24, 40]).data()], 24, 40));
  }
  folder.write("recipe.json", JSON.stringify(recipe));
  return folder;
}

const RECIPE = {
  quantize: { model: "model.onnx", data: "train.npy", out: "int8.onnx" },
  compare: { float: "model.onnx", quantized: "int8.onnx", data: "test.npy", targetSqnr: 15 },
};

const inputs = { recipe: "recipe.json", deno: Deno.execPath() };
// A path with backslashes is no command for bash.
const ignore = Deno.build.os === "windows";

Deno.test({
  name: "the action quantizes by a recipe, and tells what came of it",
  ignore,
  async fn() {
    using folder = await prepared(RECIPE);
    const { code, log, output, summary } = await runAction(folder, inputs);
    assertEquals(code, 0, log);
    const sqnr = Number(/^sqnr=(.*)$/m.exec(output)?.[1]);
    assert(sqnr > 15 && sqnr < 60, output);
    assert(Number(/^share=(.*)$/m.exec(output)?.[1]) < 0.9, output);
    assert(/### Quantized model: \d+\.\d dB on 24 samples\n/.test(summary), summary);
    assert(Deno.statSync(`${folder.path}/int8.onnx`).size > 0);
    for (const [name, { value }] of Object.entries(ACTION.outputs)) {
      assertEquals(value, `\${{ steps.compare.outputs.${name} }}`);
      assert(output.includes(`${name}=`), name);
    }
  },
});

Deno.test({
  name: "the action fails below the floor, the recipe's or the given one",
  ignore,
  async fn() {
    using folder = await prepared({ ...RECIPE, compare: { ...RECIPE.compare, targetSqnr: 90 } });
    const by = { recipe: await runAction(folder, inputs) };
    assertEquals(by.recipe.code, 3, by.recipe.log);
    assert(
      /::error::int8\.onnx: \d+\.\d dB on 24 samples, below the floor/.test(by.recipe.log),
      by.recipe.log,
    );
    assert(by.recipe.summary.includes("below the floor"), by.recipe.summary);
    assertEquals((await runAction(folder, { ...inputs, floor: "15" })).code, 0);
  },
});

Deno.test({
  name: "the action says what is wrong with a recipe, and takes no input for a command",
  ignore,
  async fn() {
    using folder = await prepared({ quantize: RECIPE.quantize });
    const { code, log } = await runAction(folder, inputs);
    assertEquals(code, 2, log);
    assert(/::error::recipe\.json: there is nothing for compare in it/.test(log), log);
    const hostile = await runAction(folder, { ...inputs, recipe: '"; touch made; "' });
    assert(hostile.code !== 0 && hostile.log.includes("there is no such recipe"), hostile.log);
    assert(![...Deno.readDirSync(folder.path)].some(({ name }) => name === "made"));
  },
});
