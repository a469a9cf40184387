/**
 * Builds the npm package into `npm/`: modules for Node and for browsers by esbuild, declarations by TypeScript, and
 * a package.json made of deno.json.
 *
 * @module
 */
import * as esbuild from "esbuild";
import { copy, emptyFolder, filesIn } from "./folders.ts";
import { hostPlugin, SYMBOLS } from "./bundle.ts";
import { ensureNodePackages, pinned } from "./node_packages.ts";
import { cache, root } from "./paths.ts";
import { deno } from "./run.ts";
import config from "../deno.json" with { type: "json" };

/** Where the package is built. */
export const NPM = `${root}/npm`;

/** What comes with the package; the rest of what the library can load is left to who needs it. */
const DEPENDENCIES = [
  "@bufbuild/protobuf",
  "@observablehq/plot",
  "commander",
  "linkedom",
  "onnx-buf",
] as const;
/** Native code: comes too, and where it cannot, all else works. */
const OPTIONAL = ["onnxruntime-node", "sharp"] as const;
/** What has its place in some projects only, and the versions that will do. */
const PEERS = { "onnxruntime-web": ">=1.20.0", "webgpu": ">=0.3.0" } as const;
/** The oldest Node that has all that is used: its major and minor number. */
const OLDEST = [22, 3] as const;
/** What the declarations are checked with beside the dependencies. */
const TYPES = { "@types/node": "22", "@webgpu/types": "0.1.74" } as const;

type Entry = Exclude<keyof typeof config.exports, "./cli">;
const ENTRIES = (Object.keys(config.exports) as (Entry | "./cli")[])
  .filter((name): name is Entry => name !== "./cli");

/** The name that an entry's files have in the package. */
function stem(entry: Entry): string {
  return config.exports[entry].slice("./".length, -".ts".length);
}

/** The package's description of itself. */
export function manifest(): Record<string, unknown> {
  const { name, version, license } = config;
  const entry = (path: Entry) => ({
    types: `./types/${stem(path)}.d.ts`,
    browser: `./browser/${stem(path)}.js`,
    default: `./node/${stem(path)}.js`,
  });
  return {
    name,
    version,
    description: "Static quantization of neural networks and ONNX files, on WebGPU and onnxruntime",
    keywords: ["quantization", "onnx", "int8", "webgpu", "static-quantization", "torchao"],
    license,
    type: "module",
    engines: { node: `>=${OLDEST.join(".")}.0` },
    bin: { staticquant: "./bin/staticquant.js" },
    exports: {
      ...Object.fromEntries(ENTRIES.map((path) => [path, entry(path)])),
      "./package.json": "./package.json",
      "./recipe.schema.json": "./recipe.schema.json",
    },
    sideEffects: ["./node/mod.js"],
    files: ["bin", "node", "browser", "types", "recipe.schema.json"],
    dependencies: pinned(DEPENDENCIES),
    optionalDependencies: pinned(OPTIONAL),
    peerDependencies: PEERS,
    peerDependenciesMeta: Object.fromEntries(
      Object.keys(PEERS).map((name) => [name, { optional: true }]),
    ),
  };
}

/** The modules of a host; what several entries need lies in files of its own. */
async function bundle(host: "node" | "browser"): Promise<void> {
  const entries = ENTRIES.map((path) => ({ in: `${root}/${stem(path)}.ts`, out: stem(path) }));
  if (host === "node") entries.push({ in: `${root}/lib/cli/main.ts`, out: "cli" });
  await esbuild.build({
    entryPoints: entries,
    outdir: `${NPM}/${host}`,
    chunkNames: "chunks/[name]-[hash]",
    bundle: true,
    splitting: true,
    format: "esm",
    platform: host === "node" ? "node" : "browser",
    // Before `using`, which Node 22 and some browsers lack.
    target: ["es2023"],
    plugins: [hostPlugin(host)],
    logLevel: "warning",
    banner: { js: host === "browser" ? SYMBOLS : CHECK_NODE },
  });
}

/** Says what an older Node would fail at in other words. Others say that they are one that is new enough. */
const CHECK_NODE = `{
  const [major, minor] = (globalThis.process?.versions?.node ?? "99.0").split(".").map(Number);
  if (major < ${OLDEST[0]} || major === ${OLDEST[0]} && minor < ${OLDEST[1]}) {
    throw new Error("staticquant needs Node ${
  OLDEST.join(".")
} or later; this is " + globalThis.process.version);
  }
}`;

/** The command line: what runs it, and errors as one line from the start. */
const COMMAND = `#!/usr/bin/env node
try {
  const { main } = await import("../node/cli.js");
  process.exit(await main(process.argv.slice(2)));
} catch (error) {
  console.error("error: " + error.message);
  process.exit(1);
}
`;

/** What the declarations of an entry say that they need of the language beside a project's own target. */
const LIBRARIES = ["esnext.disposable", "esnext.float16"]
  .map((name) => `/// <reference lib="${name}" />\n`).join("");

/** The sources beside the packages that they name, as TypeScript finds them. */
async function stage(): Promise<string> {
  const folder = `${cache}/npm`;
  await Deno.mkdir(folder, { recursive: true });
  for (const entry of Object.values(config.exports)) {
    await Deno.copyFile(`${root}/${entry}`, `${folder}/${entry}`);
  }
  await emptyFolder(`${folder}/lib`);
  await copy(`${root}/lib`, `${folder}/lib`);
  const parser = `${folder}/lib/cli/commander.ts`;
  const source = await Deno.readTextFile(parser);
  await Deno.writeTextFile(parser, source.replace(/"npm:(commander)@[^"]*"/, '"$1"'));
  const packages = pinned([...DEPENDENCIES, "sharp", "typescript"]);
  await ensureNodePackages(folder, { ...packages, ...TYPES });
  await Deno.writeTextFile(`${folder}/deno.json`, JSON.stringify({ version: config.version }));
  return folder;
}

/** The declarations of all modules, which also shows that TypeScript takes them outside of Deno. */
async function declare(): Promise<void> {
  const folder = await stage();
  const compilerOptions = {
    target: "esnext",
    module: "nodenext",
    lib: ["esnext", "dom", "dom.iterable", "dom.asynciterable"],
    types: ["node", "@webgpu/types"],
    strict: true,
    noImplicitOverride: true,
    skipLibCheck: true,
    resolveJsonModule: true,
    rewriteRelativeImportExtensions: true,
    declaration: true,
    emitDeclarationOnly: true,
    rootDir: ".",
    outDir: `${NPM}/types`,
  };
  const files = Object.values(config.exports);
  await Deno.writeTextFile(`${folder}/tsconfig.json`, JSON.stringify({ compilerOptions, files }));
  const args = ["run", "-A", `${config.imports.typescript}/tsc`, "-p", folder];
  if (!(await deno(args)).ok) throw new Error("TypeScript finds faults");
  // TypeScript leaves these as the sources have them.
  for await (const path of filesIn(`${NPM}/types`)) {
    const text = await Deno.readTextFile(path);
    const rewritten = text.replace(/((?:from|import) ?\(?"\.\.?\/[^"]*)\.ts"/g, '$1.js"');
    const lines = path.startsWith(`${NPM}/types/lib/`) ? "" : LIBRARIES;
    await Deno.writeTextFile(path, lines + rewritten);
  }
}

/** Builds the package. */
export async function buildNpm(): Promise<void> {
  await emptyFolder(NPM);
  await Promise.all([bundle("node"), bundle("browser"), declare()]);
  await Deno.writeTextFile(`${NPM}/package.json`, JSON.stringify(manifest(), null, 2) + "\n");
  await Deno.mkdir(`${NPM}/bin`);
  await Deno.writeTextFile(`${NPM}/bin/staticquant.js`, COMMAND, { mode: 0o755 });
  for (const name of ["README.md", "LICENSE", "recipe.schema.json"]) {
    await Deno.copyFile(`${root}/${name}`, `${NPM}/${name}`);
  }
  await esbuild.stop();
}

if (import.meta.main) {
  await buildNpm();
  console.log(`Written: ${NPM}`);
}
