/**
 * PyTorch and torchao on the CPU: `linear.py` in a process that stays, and runs when it is told to.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import type { Contestant, Entry } from "../contestant.ts";

/** The contestants, and what the script calls them. */
const KINDS: Record<string, string> = {
  "PyTorch": "float32",
  "torchao uint8": "uint8",
  "torchao int8": "int8",
  "torchao int8 ±127": "int8 from -127",
};

/** What the script says of itself first. */
interface Greeting {
  readonly versions: Record<string, string>;
  /** What went wrong, by kind. */
  readonly failed: Record<string, string>;
}

/** The script in its process: one question at a time, one answer each. */
class Script {
  private readonly child: Deno.ChildProcess;
  private readonly input: WritableStreamDefaultWriter<Uint8Array>;
  private readonly output: ReadableStreamDefaultReader<string>;
  private rest = "";

  constructor(python: string) {
    const args = [fileURLToPath(new URL("./linear.py", import.meta.url))];
    const command = new Deno.Command(python, { args, stdin: "piped", stdout: "piped" });
    this.child = command.spawn();
    this.input = this.child.stdin.getWriter();
    this.output = this.child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** The next line that the script prints. */
  async answer<T>(): Promise<T> {
    while (!this.rest.includes("\n")) {
      const { done, value } = await this.output.read();
      if (done) throw new Error("the script ended; its message stands above");
      this.rest += value;
    }
    const end = this.rest.indexOf("\n");
    const message = JSON.parse(this.rest.slice(0, end));
    this.rest = this.rest.slice(end + 1);
    if (message.error) throw new Error(message.error);
    return message;
  }

  async ask<T>(question: unknown): Promise<T> {
    await this.input.write(new TextEncoder().encode(`${JSON.stringify(question)}\n`));
    return await this.answer<T>();
  }

  async close(): Promise<void> {
    await this.input.close();
    await this.child.status;
  }
}

function contestant(script: Script, name: string, shared: { shape: string }): Contestant {
  return {
    name,
    layer: async ({ m, n, k }) => {
      // The script makes the layers of a shape together.
      const shape = [m, n, k];
      if (shared.shape !== shape.join()) await script.ask({ shape });
      shared.shape = shape.join();
      let repeats = 0;
      return {
        name,
        run: () => void repeats++,
        finish: async () => {
          const { ms } = await script.ask<{ ms: number }>({ run: KINDS[name], repeats });
          repeats = 0;
          return ms;
        },
      };
    },
  };
}

/** PyTorch and torchao of the Python at this path. */
export function pytorch(python: string): Entry {
  return {
    names: Object.keys(KINDS),
    open: async () => {
      const script = new Script(python);
      const { versions, failed } = await script.answer<Greeting>();
      const shared = { shape: "" };
      return {
        version: Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(", "),
        contestants: Object.entries(KINDS).map(([name, kind]) =>
          kind in failed
            ? { name, layer: () => Promise.reject(new Error(failed[kind])) }
            : contestant(script, name, shared)
        ),
        close: () => script.close(),
      };
    },
  };
}
