/**
 * Holds the house to its floors: a file imports from its own folder and from those below it, and no
 * files import each other in a circle. Names each import that does otherwise.
 *
 * @module
 */
import { pathToFileURL } from "node:url";
import { root } from "./paths.ts";
import { deno } from "./run.ts";

/** The folders and files of the house from the ground up; the longest path that fits a file counts. */
export const FLOORS: readonly string[] = [
  "lib/numbers",
  "lib/files",
  "lib/data",
  "lib/backend",
  "lib/backend/cpu",
  "lib/backend/webgpu/kernels",
  "lib/backend/webgpu",
  "lib/backend/registry.ts",
  "lib/tensor",
  "lib/nn",
  "lib/plot",
  "lib/quantization/affine",
  "lib/quantization/observers",
  "lib/quantization/tensors",
  "lib/quantization/layers",
  "lib/quantization/configs",
  "lib/quantization/analysis",
  "lib/quantization/improve",
  "lib/quantization/saved",
  "lib/onnx/file",
  "lib/onnx/graph",
  "lib/onnx/upgrade",
  "lib/onnx/run",
  "lib/onnx/prepare",
  "lib/onnx/qdq",
  "lib/onnx/calibration",
  "lib/onnx/quantize_static.ts",
  "lib/onnx/accuracy",
  "lib/onnx/inspect",
  "lib/onnx/export",
  "lib/compile",
  "lib/display",
  "mod.ts",
  "lib/cli",
  "cli.ts",
];

/** A file, by its path from the root, and the files that it imports. */
export type Imports = ReadonlyMap<string, readonly string[]>;

/** The floor that a file is on. */
export function floorOf(path: string, floors: readonly string[] = FLOORS): number {
  const fits = floors.filter((floor) => path === floor || path.startsWith(`${floor}/`));
  const longest = fits.sort((a, b) => b.length - a.length)[0];
  if (longest === undefined) throw new Error(`${path} is on no floor; add its folder to FLOORS`);
  return floors.indexOf(longest);
}

/** The imports that climb, as `from → to`. */
export function climbs(imports: Imports, floors: readonly string[] = FLOORS): string[] {
  return [...imports].flatMap(([from, to]) =>
    to.filter((path) => floorOf(path, floors) > floorOf(from, floors))
      .map((path) => `${from} → ${path}`)
  );
}

/** The circles of files, each as `a → b → a`, found by walking into each file once. */
export function circles(imports: Imports): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const walk = (file: string) => {
    const start = path.indexOf(file);
    if (start >= 0) found.push([...path.slice(start), file].join(" → "));
    if (start >= 0 || done.has(file)) return;
    path.push(file);
    for (const next of imports.get(file) ?? []) walk(next);
    path.pop();
    done.add(file);
  };
  for (const file of imports.keys()) walk(file);
  return found;
}

/** What every file of the house imports from it, types and dynamic imports included. */
export async function importsOf(...entries: string[]): Promise<Imports> {
  const base = pathToFileURL(`${root}/`).href;
  const imports = new Map<string, string[]>();
  for (const entry of entries) {
    const { ok, stdout } = await deno(["info", "--json", entry], { output: "keep" });
    if (!ok) throw new Error(`deno info cannot read ${entry}`);
    for (const { specifier, dependencies = [] } of JSON.parse(stdout).modules) {
      if (!specifier.startsWith(base) || specifier.endsWith(".json")) continue;
      const own = (dependencies as { code?: Target; type?: Target }[])
        .map(({ code, type }) => code?.specifier ?? type?.specifier ?? "")
        .filter((url) => url.startsWith(base) && !url.endsWith(".json"));
      const paths = [...new Set(own)].map((url) => url.slice(base.length));
      imports.set(specifier.slice(base.length), paths);
    }
  }
  return imports;
}

interface Target {
  readonly specifier?: string;
}

if (import.meta.main) {
  const imports = await importsOf("mod.ts", "cli.ts");
  const climbing = climbs(imports);
  const circling = circles(imports);
  for (const line of climbing) console.error(`climbs: ${line}`);
  for (const line of circling) console.error(`circle: ${line}`);
  console.log(`${imports.size} files, ${climbing.length} climbs, ${circling.length} circles`);
  if (climbing.length + circling.length > 0) Deno.exitCode = 1;
}
