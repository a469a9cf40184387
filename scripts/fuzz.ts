/**
 * Spoils files of every kind that is read and looks at what becomes of them: each is read, or refused by an error
 * of the library's own, within two seconds and a gigabyte. The same seed gives the same files.
 *
 *     deno run -A scripts/fuzz.ts [--inputs 100000] [--minutes 10] [--seed 1] [KIND …]
 *
 * Every kind has a process of its own, so that one that hangs or crashes is told and the others go on.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { init } from "../mod.ts";
import { KINDS } from "../tests/fuzz/kinds.ts";
import { fuzz, type Outcome } from "../tests/fuzz/run.ts";
import { root } from "./paths.ts";

/** An input that takes so long, in ms, ends its process. */
const HANG = 30_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    inputs: { type: "string", default: "100000" },
    minutes: { type: "string", default: "60" },
    seed: { type: "string", default: "1" },
    /** The one kind that this process does, its outcome printed as JSON. */
    child: { type: "boolean", default: false },
  },
});
const [inputs, minutes, seed] = [values.inputs, values.minutes, values.seed].map(Number);

/** The most memory that this process ever took, in MiB, where the system tells. */
function peakMemory(): number | undefined {
  try {
    const found = /VmHWM:\s*(\d+)/.exec(Deno.readTextFileSync("/proc/self/status"));
    return found ? Math.round(Number(found[1]) / 1024) : undefined;
  } catch {
    return undefined;
  }
}

/** What a process of one kind prints: each second how far it is, and what came of it in the end. */
type Line = { readonly at: number } | { readonly outcome: Outcome; readonly peak?: number };

async function child(kind: string): Promise<void> {
  await init({ device: "cpu" });
  const print = (line: Line) => console.log(JSON.stringify(line));
  let last = 0;
  const onInput = (at: number) => {
    if (performance.now() - last < 1000) return;
    last = performance.now();
    print({ at });
  };
  const more = (done: number, ms: number) => done < inputs && ms < minutes * 60_000;
  print({ outcome: await fuzz(kind, { seed, more, onInput }), peak: peakMemory() });
}

/** Runs one kind in a process; what is wrong with it. */
async function run(kind: string): Promise<readonly string[]> {
  const args = [`--inputs=${inputs}`, `--minutes=${minutes}`, `--seed=${seed}`, "--child", kind];
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--config", `${root}/deno.json`, `${root}/scripts/fuzz.ts`, ...args],
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let at = 0;
  let ended: Extract<Line, { outcome: Outcome }> | undefined;
  let hangs = false;
  const stop = () => {
    hangs = true;
    process.kill("SIGKILL");
  };
  let timer = setTimeout(stop, 10 * HANG); // loading takes its time too
  let rest = "";
  for await (const text of process.stdout.pipeThrough(new TextDecoderStream())) {
    clearTimeout(timer);
    timer = setTimeout(stop, HANG);
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines.map((line): Line => JSON.parse(line))) {
      if ("at" in line) at = line.at;
      else ended = line;
    }
  }
  clearTimeout(timer);
  if (!ended) {
    const { code, signal } = await process.status;
    return [`${kind}: ${hangs ? "hangs" : `ended with ${signal ?? code}`} after input ${at}`];
  }
  const { outcome: { inputs: done, read, refused, faults, longest }, peak } = ended;
  const counts = [done, read, refused, faults.length, Math.round(longest), peak ?? "?"];
  console.log([kind.padEnd(18), ...counts.map((count) => String(count).padStart(9))].join(""));
  return faults;
}

if (values.child) await child(positionals[0]);
else {
  const titles = ["inputs", "read", "refused", "faults", "most ms", "peak MiB"];
  console.log(["kind".padEnd(18), ...titles.map((title) => title.padStart(9))].join(""));
  const faults: string[] = [];
  for (const kind of positionals.length ? positionals : Object.keys(KINDS)) {
    faults.push(...await run(kind));
  }
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) Deno.exitCode = 1;
}
