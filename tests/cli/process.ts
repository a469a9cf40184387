/** The command line as a process of its own, with the permissions that a test gives it. */
import { fileURLToPath } from "node:url";
import type { Result } from "./console.ts";

/** The program. */
export const cli: string = fileURLToPath(new URL("../../cli.ts", import.meta.url));
/** The configuration that names the packages. */
export const config: string = fileURLToPath(new URL("../../deno.json", import.meta.url));

/** How a process is run. */
export interface Where {
  /** Its folder; that of the test by default. */
  cwd?: string;
  /** Variables beside those that there are. */
  env?: Record<string, string>;
}

/** What neither asks for colours nor forbids them, as most shells have it. */
export const NO_WORD_ON_COLOUR: Readonly<Record<string, string>> = {
  NO_COLOR: "",
  FORCE_COLOR: "",
};

/** Starts Deno with arguments. */
export function startDeno(args: readonly string[], where: Where = {}): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [...args],
    env: { NO_COLOR: "1" },
    ...where,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Starts the command line. */
export function start(permissions: readonly string[], ...args: string[]): Deno.ChildProcess {
  return startDeno(["run", "--no-prompt", `--config=${config}`, ...permissions, cli, ...args]);
}

/** What becomes of a process. */
export async function ended(child: Deno.ChildProcess): Promise<Result> {
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

/** Runs the command line to its end. */
export async function run(permissions: readonly string[], ...args: string[]): Promise<Result> {
  return await ended(start(permissions, ...args));
}

/** Runs the task `cli` of deno.json to its end. */
export async function runTask(where: Where, ...args: string[]): Promise<Result> {
  return await ended(startDeno(["task", "--quiet", `--config=${config}`, "cli", ...args], where));
}
