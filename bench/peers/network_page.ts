/**
 * What runs in a page of `bench/web_networks.ts`: this project's network and onnxruntime-web's, in turns.
 *
 * @module
 */
import { backendFor, compile, importOnnx, init } from "../../mod.ts";
import type { Feed } from "../network_list.ts";
import { tensorsOf } from "../network_runs.ts";

/** An input as JSON has it. */
export interface PageFeed {
  readonly type: Feed["type"];
  readonly data: readonly number[];
  readonly dims: readonly number[];
}

/** Who computes in onnxruntime-web, and the file of its package that has it. */
export interface PageRuntime {
  readonly name: string;
  readonly entry: string;
  readonly provider: "wasm" | "webgpu";
}

/** What the page is asked for. */
export interface PageJob {
  /** Files of ours, and of onnxruntime's. */
  readonly models: readonly { readonly name: string; readonly url: string }[];
  readonly feeds: Readonly<Record<string, PageFeed>>;
  readonly runtimes: readonly PageRuntime[];
  readonly rounds: number;
}

/** What one of them came to. */
export interface PageResult {
  readonly name: string;
  readonly problem?: string;
  readonly output: readonly number[];
  /** Milliseconds of each run, its output read. */
  readonly times: readonly number[];
}

type Run = () => Promise<ArrayLike<number>>;

function feedOf({ type, data, dims }: PageFeed): Feed {
  const numbers = type === "int64" ? BigInt64Array.from(data, BigInt) : Float32Array.from(data);
  return { type, data: numbers, dims };
}

async function fileOf(url: string): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await (await fetch(url)).arrayBuffer());
}

async function ours(url: string, feeds: Record<string, Feed>, compiled: boolean): Promise<Run> {
  await init({ device: "webgpu" });
  const module = await importOnnx(await fileOf(url));
  const xs = tensorsOf(module, feeds);
  const network = compiled ? compile(module) : module;
  return async () => {
    const [y, ...more] = network.forwardAll(...xs);
    const numbers = await y.data();
    [y, ...more].forEach((one) => one.dispose());
    return numbers;
  };
}

async function theirs(
  { entry, provider }: PageRuntime,
  url: string,
  feeds: Record<string, Feed>,
): Promise<Run> {
  const here = new URL("./", import.meta.url).href;
  const ort = await import(`${here}${entry}`);
  Object.assign(ort.env.wasm, { numThreads: 1, wasmPaths: here });
  const options = { executionProviders: [provider], logSeverityLevel: 4 };
  const session = await ort.InferenceSession.create(await fileOf(url), options);
  const inputs = Object.fromEntries(
    Object.entries(feeds).map(([name, { type, data, dims }]) =>
      [name, new ort.Tensor(type, data, dims)] as const
    ),
  );
  return async () => (await session.run(inputs))[session.outputNames[0]].data;
}

/** Opens all, then runs them in turns. */
export async function runAll({ models, feeds, runtimes, rounds }: PageJob): Promise<PageResult[]> {
  const given = Object.fromEntries(
    Object.entries(feeds).map(([name, feed]) => [name, feedOf(feed)]),
  );
  const opened: { name: string; open: () => Promise<Run> }[] = models.flatMap(({ name, url }) => [
    { name: `${name}, compiled`, open: () => ours(url, given, true) },
    { name, open: () => ours(url, given, false) },
    ...runtimes.map((runtime) => ({
      name: `${name}, onnxruntime-web ${runtime.name}`,
      open: () => theirs(runtime, url, given),
    })),
  ]);
  const results: { name: string; output: number[]; times: number[]; problem?: string }[] = [];
  const runs: (Run | undefined)[] = [];
  for (const { name, open } of opened) {
    const result: typeof results[number] = { name, output: [], times: [] };
    results.push(result);
    try {
      const start = performance.now();
      const run = await open();
      result.output = Array.from(await run());
      // Kernels are compiled by then, which a software adapter takes long for.
      console.log(`${name}: ready after ${((performance.now() - start) / 1000).toFixed(1)} s`);
      if (rounds > 1) await run();
      runs.push(run);
    } catch (error) {
      result.problem = error instanceof Error ? error.message : String(error);
      runs.push(undefined);
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (const [i, run] of runs.entries()) {
      const start = performance.now();
      await run?.();
      if (run) results[i].times.push(performance.now() - start);
    }
  }
  return results;
}

/** What computes here. */
export async function adapter(): Promise<string> {
  await init({ device: "webgpu" });
  return String((backendFor("webgpu") as { description?: string }).description);
}
