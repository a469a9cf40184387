/**
 * How the command line ends: exit codes, and errors that have one.
 *
 * @module
 */
import { withFlags } from "./options.ts";

/** What the exit codes of the command line mean. */
export const EXIT = {
  /** Done. */
  ok: 0,
  /** Something went wrong: a file that cannot be read, a model that cannot be quantized, … */
  failed: 1,
  /** The command was not understood. */
  usage: 2,
  /** A server, a disk or a folder on another machine failed for a while: the same may go well later. */
  again: 75,
  /** All went well, but the target that was asked for is not met. */
  targetMissed: 3,
  /** Stopped with Ctrl-C. */
  interrupted: 130,
  /** Stopped by another program, with SIGTERM. */
  terminated: 143,
} as const;

/**
 * The exit codes after which the same command is to be run again: what failed for a while, and what was stopped, as an
 * engine stops a process that it moves. Nothing was written then.
 */
export const RUN_AGAIN: ReadonlySet<number> = new Set([
  EXIT.again,
  EXIT.interrupted,
  EXIT.terminated,
]);

/** Ends the command with a message and an exit code. */
export class CliError extends Error {
  /** The class's name, as it stands in printed errors. */
  override readonly name: string = "CliError";

  /** An error with the exit code that belongs to it. */
  constructor(readonly exitCode: number, message: string) {
    super(message);
  }
}

/** @throws {CliError} for a command that is not understood. */
export function usage(message: string): never {
  throw new CliError(EXIT.usage, message);
}

/** What the system says where the same may go well later. */
const TEMPORARY: ReadonlySet<string> = new Set([
  "EAGAIN",
  "EBUSY",
  "EIO",
  "EMFILE",
  "ENFILE",
  "ENOMEM",
  "ENOSPC",
  "EDQUOT",
  "ESTALE",
  "ETIMEDOUT",
]);

/** Whether the same command may go well at another time. */
export function isTemporary(error: unknown): boolean {
  for (let each = error; each instanceof Error; each = each.cause) {
    const { temporary, code } = each as { temporary?: unknown; code?: unknown };
    if (temporary === true || typeof code === "string" && TEMPORARY.has(code)) return true;
  }
  return false;
}

/** An error as a line or two without a stack. */
export function plainMessage(error: unknown): string {
  const lines = sentence(error).split("\n").filter((line) => line.trim());
  return lines.slice(0, 2).join("\n");
}

function sentence(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { name, message } = error;
  // Those are in the words of the command line, or of a recipe, already.
  if (error instanceof CliError) return message;
  const fromSystem = /^E[A-Z0-9]+: (.*?), \w+(?: '(.*?)'(?: -> '.*')?)?$/s.exec(message);
  if (fromSystem) {
    const [, [first, ...rest], path] = fromSystem;
    const said = first.toUpperCase() + rest.join("");
    return path ? `${path}: ${said}` : said;
  }
  const system = /^(.*?) \(os error \d+\)(?:[,:] (?:\w+ )?'?(.*?)'?)?$/s.exec(message);
  if (name === "NotCapable") {
    const [what] = message.split(", run again");
    const flag = /--allow-\w+/.exec(message)?.[0] ?? "--allow-read";
    return `${what}; run with ${flag} for it (--help lists what each command needs)`;
  }
  if (system) return system[2] ? `${system[2]}: ${system[1]}` : system[1];
  if (BUGS.includes(error.constructor)) {
    return `internal error: ${message}; please report it with what --debug prints`;
  }
  // Which function noticed is nothing to a user of the command line.
  return withFlags(message.replace(/^[a-z]+(?:[A-Z][a-z]*)+: /, "")) || name;
}

/** What a mistake of this program looks like. */
const BUGS: readonly unknown[] = [ReferenceError, SyntaxError];
