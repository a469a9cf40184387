/**
 * The worker: all that takes time, away from the page.
 *
 * @module
 */
import { type Calls, lockName, type Progress, type Request } from "./protocol.ts";
import type { Turn } from "./turn.ts";

type Work = {
  [Name in keyof Calls]: (
    argument: Calls[Name]["argument"],
    turn: Turn,
  ) => Promise<Calls[Name]["result"]>;
};

const quantizing = () => import("./quantize.ts");

/** What is done for each call; its code is loaded with the first. */
const WORK: Work = {
  inspect: async (files) => (await import("./inspect.ts")).inspect(files),
  quantize: async (job, turn) => (await quantizing()).quantize(job, turn),
  compare: async (_, turn) => (await quantizing()).compare(turn),
  distributions: async (_, turn) => (await quantizing()).distributions(turn),
  rank: async (_, turn) => (await quantizing()).rank(turn),
  tutorial: async (numbers) => (await import("./tutorial.ts")).tutorial(numbers),
};

const going = new Map<number, AbortController>();

/** Progress is told at most so often. */
const INTERVAL_MS = 50;

function turnOf(id: number, signal: AbortSignal): Turn {
  let told = { step: "", at: -Infinity };
  const onProgress = (progress: Progress) => {
    const { step, done, total } = progress;
    const now = performance.now();
    if (step === told.step && now - told.at < INTERVAL_MS && done !== total) return;
    told = { step, at: now };
    postMessage({ id, progress });
  };
  return { signal, onProgress };
}

async function work(request: Exclude<Request, { call: "cancel" }>): Promise<void> {
  const { id, call, argument } = request;
  const controller = new AbortController();
  going.set(id, controller);
  try {
    const run = WORK[call] as (argument: unknown, turn: Turn) => Promise<unknown>;
    postMessage({ id, result: await run(argument, turnOf(id, controller.signal)) });
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    postMessage({ id, error: { name, message } });
  } finally {
    going.delete(id);
  }
}

globalThis.onmessage = ({ data }: MessageEvent<Request>) => {
  if (data.call === "cancel") going.get(data.id)?.abort();
  else void work(data);
};

const { name } = globalThis as unknown as { readonly name: string };

// Held for as long as the worker lives, so that the page can tell when it does not.
navigator.locks?.request(lockName(name), () => {
  postMessage("locked");
  return new Promise<void>(() => {});
});
