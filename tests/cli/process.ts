/** The command line as a process of its own, with the permissions that a test gives it. */
import { fileURLToPath } from "node:url";
import type { Result } from "./console.ts";

const cli = fileURLToPath(new URL("../../cli.ts", import.meta.url));
/** The configuration that names the packages. */
export const config: string = fileURLToPath(new URL("../../deno.json", import.meta.url));

/** Starts it. */
export function start(permissions: readonly string[], ...args: string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", `--config=${config}`, ...permissions, cli, ...args],
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** What becomes of it. */
export async function ended(child: Deno.ChildProcess): Promise<Result> {
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

/** Runs it to its end. */
export async function run(permissions: readonly string[], ...args: string[]): Promise<Result> {
  return await ended(start(permissions, ...args));
}
