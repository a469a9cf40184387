import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { root } from "./paths.ts";
import { run } from "./run.ts";

/**
 * The files that differ from `main`, committed or not, by their paths from the root. On `main`
 * itself those that differ from what the remote has, or without one from the last commit.
 */
export async function changedFiles(): Promise<string[]> {
  const git = async (...args: string[]) => {
    const { ok, stdout } = await run("git", args, { output: "hide" });
    return ok ? stdout.split("\n").filter((line) => line !== "") : [];
  };
  const [head] = await git("rev-parse", "HEAD");
  const [main] = await git("rev-parse", "--verify", "main");
  const [other] = main === head ? await git("rev-parse", "--verify", "origin/main") : [main];
  const [base = "HEAD"] = other === undefined ? [] : await git("merge-base", "HEAD", other);
  const [committed, untracked] = await Promise.all([
    git("diff", "--name-only", "--relative", base),
    git("ls-files", "--others", "--exclude-standard"),
  ]);
  return [...new Set([...committed, ...untracked])];
}

/**
 * Where the tests of a file lie: tests mirror sources, so those of `lib/data/npy.ts` are in
 * `tests/data`. A folder without tests of its own is tested by what lies right in the one above.
 *
 * @param path a file, by its path from the root.
 * @param exists whether a path from the root is there.
 * @returns a folder or a pattern of test files; nothing where there are none.
 */
export function testsOf(
  path: string,
  exists: (path: string) => boolean = (path) => existsSync(join(root, path)),
): string | undefined {
  if (path.startsWith("tests/")) {
    if (path.startsWith("tests/testdata/")) return undefined;
    return path.endsWith("_test.ts") ? exists(path) ? path : undefined : dirname(path);
  }
  const room = path.match(/^(?:lib\/|(?=scripts\/|examples\/|bench\/))(.+)\/[^/]+\.ts$/)?.[1];
  if (room === undefined) return undefined;
  if (exists(`tests/${room}`)) return `tests/${room}`;
  for (let folder = dirname(room); folder !== "."; folder = dirname(folder)) {
    if (exists(`tests/${folder}`)) return `tests/${folder}/*_test.ts`;
  }
  return undefined;
}
