/**
 * How much sooner two processes that share a list out are done than one, with one thread each.
 *
 * @module
 */
import type { CalibrationMethod, OnnxFeed } from "@staticquant/staticquant";
import { fileURLToPath } from "node:url";
import { serializeSafetensors } from "../lib/files/safetensors.ts";

/** Times that each way is tried, in turns. */
const ROUNDS = 2;

const PROCESS = fileURLToPath(new URL("./shard_process.ts", import.meta.url));

/** Inputs called `x` of one shape. */
export type SharedSamples = readonly { readonly x: OnnxFeed & { readonly data: Float32Array } }[];

/** Samples in a file. */
function dataFile(samples: SharedSamples): Uint8Array {
  const [{ x: { dims } }] = samples;
  const data = Float32Array.from(samples.flatMap(({ x }) => [...x.data]));
  const shape = [samples.length * dims[0], ...dims.slice(1)];
  return serializeSafetensors([["x", { dtype: "F32", shape, bytes: new Uint8Array(data.buffer) }]]);
}

/** What processes took. */
interface Taken {
  /** Seconds until all were done. */
  readonly clock: number;
  /** Seconds of a processor that the one took that took most. */
  readonly processor: number;
}

/** Runs processes with these arguments side by side. */
async function run(...processes: string[][]): Promise<Taken> {
  const start = performance.now();
  const done = await Promise.all(processes.map((args) => {
    const all = ["run", "-A", PROCESS, "calibrate", ...args, "--threads", "1", "--force"];
    return new Deno.Command(Deno.execPath(), { args: all, stdout: "null", stderr: "piped" })
      .output();
  }));
  const clock = (performance.now() - start) / 1000;
  const each = done.map(({ success, stderr }) => {
    const text = new TextDecoder().decode(stderr);
    if (!success) throw new Error(text);
    return JSON.parse(text.trim().split("\n").at(-1)!).processor as number;
  });
  return { clock, processor: Math.max(...each) };
}

/** Prints the times of one process and of two shards, start and all. */
export async function timeShards(
  model: string,
  samples: SharedSamples,
  methods: readonly CalibrationMethod[],
): Promise<void> {
  const folder = Deno.makeTempDirSync();
  try {
    const data = `${folder}/samples.safetensors`;
    Deno.writeFileSync(data, dataFile(samples));
    console.log(`Two shards of ${samples.length} samples beside one process, one thread each:`);
    for (const method of methods) {
      const args = (out: string) => [
        ...[model, "--data", data, "--method", String(method)],
        ...["--out", `${folder}/${out}.safetensors`],
      ];
      const shares: string[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        const one = await run(args("one"));
        const two = await run(...[0, 1].map((i) => [...args(`${i}`), "--shard", `${i}/2`]));
        const share = (kind: keyof Taken) =>
          `${two[kind].toFixed(1)} s of ${one[kind].toFixed(1)} s, ${
            (two[kind] / one[kind]).toFixed(2)
          }`;
        shares.push(`${share("clock")} (of a processor ${share("processor")})`);
      }
      console.log(`  ${method}: ${shares.join("; ")}`);
    }
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}
