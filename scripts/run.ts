import { root } from "./paths.ts";
import { scratch } from "./scratch.ts";

/** What became of a child process. */
export interface Outcome {
  /** Whether it exited with 0. */
  ok: boolean;
  /** What it wrote to its standard output; empty unless that was asked for. */
  stdout: string;
}

/**
 * How a child's standard output is treated: shown, shown and kept, or kept only. Its standard
 * error is shown, unless the whole child is to run out of sight.
 */
export type Output = "show" | "tee" | "keep" | "hide";

/** How a child is run. */
export interface Options {
  /** Variables besides those of this process. */
  env?: Record<string, string>;
  /** What becomes of its output; "show" unless told. */
  output?: Output;
  /** The folder it runs in; the repository's root unless told. */
  cwd?: string;
  /** What it reads from its standard input, in place of this process's own. */
  input?: string;
}

/** Runs a program to its end. A program that is not there counts as failed. */
export async function run(
  command: string,
  args: string[],
  { env = {}, output = "show", cwd = root, input }: Options = {},
): Promise<Outcome> {
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(command, {
      args,
      cwd,
      // The folder that a task was called from is not that of tasks started below it.
      clearEnv: true,
      env: { ...without(Deno.env.toObject(), "INIT_CWD"), ...runtimeDir(), ...plainText(), ...env },
      stdin: input !== undefined ? "piped" : output === "show" ? "inherit" : "null",
      stdout: output === "show" ? "inherit" : "piped",
      stderr: output === "hide" ? "null" : "inherit",
    }).spawn();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { ok: false, stdout: "" };
    throw error;
  }
  const feed = input === undefined ? undefined : write(child.stdin, input);
  const stdout = output === "show" ? "" : await collect(child.stdout, output === "tee");
  const { success } = await child.status;
  await feed;
  return { ok: success, stdout };
}

function without({ ...variables }: Record<string, string>, name: string): Record<string, string> {
  delete variables[name];
  return variables;
}

/** Runs the very Deno that runs this script, whatever `deno` means on the PATH. */
export function deno(args: string[], options?: Options): Promise<Outcome> {
  return run(Deno.execPath(), args, options);
}

async function collect(stream: ReadableStream<Uint8Array>, echo: boolean): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    if (echo) writeAll(chunk);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** A child that ends without reading all of its input says so by its exit status. */
async function write(stream: WritableStream<Uint8Array>, text: string): Promise<void> {
  try {
    await new Response(text).body!.pipeTo(stream);
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

function writeAll(bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += Deno.stdout.writeSync(bytes.subarray(done));
}

/**
 * The Vulkan loader's drivers complain on every start where XDG_RUNTIME_DIR is not an absolute
 * path; a private folder of our own keeps them quiet.
 */
function runtimeDir(): Record<string, string> {
  if (Deno.build.os !== "linux") return {};
  return isFolder(Deno.env.get("XDG_RUNTIME_DIR")) ? {} : { XDG_RUNTIME_DIR: scratch() };
}

function isFolder(path: string | undefined): boolean {
  try {
    return path !== undefined && path.startsWith("/") && Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

/** Colours are for terminals: logs stay readable without. */
function plainText(): Record<string, string> {
  return Deno.stdout.isTerminal() ? {} : { NO_COLOR: "1" };
}
