/**
 * Runs ONNX files in a version of onnxruntime-node, which is a process of its own since each brings its own native code:
 * `node_runtime.ts VERSION FEEDS FILE…`, and JSON on standard output. `bench/forms.ts` starts it.
 *
 * @module
 */

/** What became of a file. */
export interface NodeRun {
  /** Why there is no output. */
  readonly problem?: string;
  /** The numbers of the first output. */
  readonly output: readonly number[];
}

/** An input, as JSON. */
export interface JsonFeed {
  readonly type: "int64" | "float32";
  readonly data: readonly number[];
  readonly dims: readonly number[];
}

if (import.meta.main) {
  const [version, feedsPath, ...files] = Deno.args;
  const { default: ort } = await import(`npm:onnxruntime-node@${version}`);
  const json: Record<string, JsonFeed> = JSON.parse(await Deno.readTextFile(feedsPath));
  const feeds = Object.fromEntries(
    Object.entries(json).map(([name, { type, data, dims }]) => {
      const elements = type === "int64"
        ? BigInt64Array.from(data, BigInt)
        : Float32Array.from(data);
      return [name, new ort.Tensor(type, elements, dims)];
    }),
  );
  const runs: NodeRun[] = [];
  for (const path of files) {
    try {
      const session = await ort.InferenceSession.create(path, { logSeverityLevel: 4 });
      const { data } = (await session.run(feeds))[session.outputNames[0]];
      runs.push({ output: Array.from(data as Float32Array) });
      await session.release?.();
    } catch (error) {
      runs.push({ problem: error instanceof Error ? error.message : String(error), output: [] });
    }
  }
  console.log(JSON.stringify(runs));
  Deno.exit(0);
}
