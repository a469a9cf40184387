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

const CLI = fileURLToPath(new URL("../cli.ts", import.meta.url));

/** Inputs called `x` of one shape. */
export type SharedSamples = readonly { readonly x: OnnxFeed & { readonly data: Float32Array } }[];

/** Samples in a file. */
function dataFile(samples: SharedSamples): Uint8Array {
  const [{ x: { dims } }] = samples;
  const data = Float32Array.from(samples.flatMap(({ x }) => [...x.data]));
  const shape = [samples.length * dims[0], ...dims.slice(1)];
  return serializeSafetensors([["x", { dtype: "F32", shape, bytes: new Uint8Array(data.buffer) }]]);
}

/** Seconds until processes with these arguments are all done. */
async function seconds(...processes: string[][]): Promise<number> {
  const start = performance.now();
  const done = await Promise.all(processes.map((args) => {
    const all = ["run", "-A", CLI, "calibrate", ...args, "--threads", "1", "--force"];
    return new Deno.Command(Deno.execPath(), { args: all, stdout: "null", stderr: "inherit" })
      .output();
  }));
  if (!done.every(({ success }) => success)) throw new Error("a process failed");
  return (performance.now() - start) / 1000;
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
        const one = await seconds(args("one"));
        const two = await seconds(...[0, 1].map((i) => [...args(`${i}`), "--shard", `${i}/2`]));
        shares.push(`${two.toFixed(1)} s of ${one.toFixed(1)} s, ${(two / one).toFixed(2)}`);
      }
      console.log(`  ${method}: ${shares.join("; ")}`);
    }
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}
