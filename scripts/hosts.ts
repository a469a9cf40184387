/**
 * The check that only `lib/files` knows which program runs it: no other file of the library names Deno, the process
 * or one of Node's modules, so that Node and browsers can load all of them.
 *
 * @module
 */
import { relative } from "node:path";
import { filesIn } from "./folders.ts";
import { root } from "./paths.ts";

/** The folder of those that may. */
const FILES = "lib/files/";

/** What belongs to a host, in code without its texts. */
const NAMES: readonly (readonly [pattern: RegExp, what: string])[] = [
  [/\bDeno\b/, "names Deno"],
  [/\b(?:process|Buffer|__dirname|require)\s*[.(]/, "names what only Node has"],
  [/^import .* with \{/m, "imports what is no module"],
];

/** A file without its comments and the texts in its quotes, and those texts. Templates hold code, and stay. */
export function codeOf(text: string): { code: string; texts: string[] } {
  const texts: string[] = [];
  const code = text.replace(
    /"((?:\\.|[^"\\\n])*)"|\/\*[^]*?\*\/|(?<![:\\])\/\/[^\n]*/g,
    (_, quoted?: string) => {
      if (quoted !== undefined) texts.push(quoted);
      return quoted === undefined ? " " : '""';
    },
  );
  return { code, texts };
}

/**
 * What a file has that binds it to a host.
 *
 * @param path from the root.
 */
export function hostsIn(path: string, text: string): string[] {
  if (path.startsWith(FILES)) return [];
  const { code, texts } = codeOf(text);
  const found = NAMES.filter(([pattern]) => pattern.test(code)).map(([, what]) => what);
  if (texts.some((quoted) => quoted.startsWith("node:")) || code.includes("`node:")) {
    found.push("names a module of Node's");
  }
  return found.map((what) => `${path} ${what}`);
}

if (import.meta.main) {
  const files = ["mod", "quantization", "onnx", "plot", "cli"].map((name) => `${root}/${name}.ts`);
  for await (const path of filesIn(`${root}/lib`)) if (path.endsWith(".ts")) files.push(path);
  const found = files.flatMap((path) =>
    hostsIn(relative(root, path).replaceAll("\\", "/"), Deno.readTextFileSync(path))
  );
  for (const problem of found.sort()) console.error(problem);
  console.log(
    `${files.length} files, ${found.length} bound to a host` +
      (found.length ? `; ask ${FILES} for it, which knows all of them` : ""),
  );
  if (found.length) Deno.exit(1);
}
