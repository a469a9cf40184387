/**
 * Holds the house to its floors: a file imports from its own folder and from those below it, and no
 * files import each other in a circle. Names each import that does otherwise.
 *
 * @module
 */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { drawFloors } from "./draw_floors.ts";
import { FLOORS, type Imports } from "./floors.ts";
import { root } from "./paths.ts";
import { deno } from "./run.ts";

interface Target {
  readonly specifier?: string;
}

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

const PICTURE = join(root, "docs", "floors.svg");

if (import.meta.main) {
  const imports = await importsOf("mod.ts", "cli.ts", "web/page.tsx", "web/worker/worker.ts");
  const wrong = [
    ...climbs(imports).map((line) => `climbs: ${line}`),
    ...circles(imports).map((line) => `circle: ${line}`),
  ];
  const picture = drawFloors(imports);
  if (Deno.args.includes("--draw")) await Deno.writeTextFile(PICTURE, picture);
  else if (await Deno.readTextFile(PICTURE) !== picture) {
    wrong.push("docs/floors.svg shows another house; draw it anew: deno task floors --draw");
  }
  wrong.forEach((line) => console.error(line));
  console.log(`${imports.size} files, ${wrong.length === 0 ? "all on their floors" : "not so"}`);
  if (wrong.length > 0) Deno.exitCode = 1;
}
