/**
 * Running models in onnxruntime-web in Chromium, with any of its versions and providers.
 *
 * @module
 */
import { type BrowserContext, chromium } from "playwright-core";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { CHROMIUM_FLAGS, findChromium, WEBGPU_FLAGS } from "../chromium.ts";
import { serveFolder } from "./server.ts";

/** A build of onnxruntime-web, and who computes in it. */
export interface WebRuntime {
  /** The file of the package's `dist` that a page imports. */
  readonly entry: string;
  readonly provider: "wasm" | "webgpu";
}

/** An input. */
export interface PageFeed {
  readonly type: "float32" | "int64";
  readonly data: readonly number[];
  readonly dims: readonly number[];
}

/** What running came to. */
export interface PageRun {
  /** Why onnxruntime-web does not run the model; nothing if it does. */
  readonly problem?: string;
  /** The numbers of the first output. */
  readonly output: readonly number[];
  /** Milliseconds of each run after the first. */
  readonly times: readonly number[];
}

/** What is handed to the page. */
interface PageJob extends WebRuntime {
  readonly origin: string;
  /** The paths of the files. */
  readonly models: readonly string[];
  readonly feeds: Readonly<Record<string, PageFeed>>;
  readonly rounds: number;
}

/** Opens models in the page and runs them in turns; what it names is all in the page. */
async function runInPage(job: PageJob): Promise<PageRun[]> {
  const ort = await import(`${job.origin}/${job.entry}`);
  Object.assign(ort.env.wasm, { numThreads: 1, wasmPaths: `${job.origin}/` });
  const feeds = Object.fromEntries(
    Object.entries(job.feeds).map(([name, { type, data, dims }]) => {
      const elements = type === "int64"
        ? BigInt64Array.from(data, BigInt)
        : Float32Array.from(data);
      return [name, new ort.Tensor(type, elements, dims)];
    }),
  );
  const open = async (path: string) => {
    const model = await (await fetch(job.origin + path)).bytes();
    const options = { executionProviders: [job.provider], logSeverityLevel: 4 };
    const times: number[] = [];
    try {
      const session = await ort.InferenceSession.create(model, options);
      const run = async () => (await session.run(feeds))[session.outputNames[0]];
      return { run, output: Array.from((await run()).data as Float32Array), times };
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      return { run: async () => {}, output: [], times, problem };
    }
  };
  const opened = [];
  for (const model of job.models) opened.push(await open(model));
  for (let i = 0; i < job.rounds; i++) {
    for (const { run, times } of opened) {
      const start = performance.now();
      await run();
      times.push(performance.now() - start);
    }
  }
  return opened.map(({ run: _, ...result }) => result);
}

/** Chromium with WebGPU in software, and a version of onnxruntime-web served to it. */
export class RuntimePage implements AsyncDisposable {
  private readonly models = new Map<string, Uint8Array<ArrayBuffer>>();
  private readonly server;

  private constructor(private readonly context: BrowserContext, folder: string) {
    this.server = serveFolder(folder, 0, this.models);
  }

  /**
   * Starts Chromium.
   *
   * @param version of onnxruntime-web, which must be imported somewhere or be in Deno's cache.
   * @throws {Error} if there is no Chromium.
   */
  static async launch(version: string): Promise<RuntimePage> {
    const executablePath = await findChromium();
    if (!executablePath) throw new Error("there is no Chromium; deno task test installs it");
    const browser = await chromium.launch({
      executablePath,
      args: [...CHROMIUM_FLAGS, ...WEBGPU_FLAGS],
    });
    await import(`npm:onnxruntime-web@${version}/wasm`);
    const entry = import.meta.resolve(`npm:onnxruntime-web@${version}/wasm`);
    return new RuntimePage(await browser.newContext(), dirname(fileURLToPath(entry)));
  }

  /**
   * Runs models on a page of their own, in turns.
   *
   * @param rounds how often they are timed; not at all by default.
   * @param patience milliseconds after which it is given up.
   * @throws {Error} if nothing came until then.
   */
  async run(
    runtime: WebRuntime,
    models: readonly Uint8Array<ArrayBuffer>[],
    feeds: Readonly<Record<string, PageFeed>>,
    rounds = 0,
    patience = 120_000,
  ): Promise<PageRun[]> {
    const page = await this.context.newPage();
    let timer;
    try {
      const origin = `http://127.0.0.1:${this.server.addr.port}`;
      await page.goto(`${origin}/nothing`);
      models.forEach((model, i) => this.models.set(`/${i}.onnx`, model));
      const job = { ...runtime, origin, models: [...this.models.keys()], feeds, rounds };
      const late = new Promise<never>((_, fail) => {
        timer = setTimeout(() => fail(new Error(`nothing came in ${patience} ms`)), patience);
      });
      return await Promise.race([page.evaluate(runInPage, job), late]);
    } finally {
      clearTimeout(timer);
      this.models.clear();
      await page.close();
    }
  }

  /** Ends Chromium and the server. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.context.browser()?.close();
    await this.server.shutdown();
  }
}
