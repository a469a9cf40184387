/**
 * The page's side of the worker.
 *
 * @module
 */
import { type Calls, lockName, type Progress, type Reply, type Request } from "./protocol.ts";

/** Thrown by calls whose worker is gone. */
export class WorkerGone extends Error {
  override readonly name: string = "WorkerGone";
}

/** Thrown by calls that were cancelled. */
export class Cancelled extends Error {
  override readonly name: string = "Cancelled";
}

/** An error of the worker's, with its class's name. */
class WorkerError extends Error {
  constructor(name: string, message: string) {
    super(message);
    this.name = name;
  }
}

/** A call that waits for its answer. */
interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
  onProgress?(progress: Progress): void;
}

/** How long a worker may take to end a call that is cancelled before it is ended itself. */
const PATIENCE_MS = 1500;

/** A worker, and the calls that it works on. */
class Running {
  readonly waiting = new Map<number, Waiting>();
  private readonly name = crypto.randomUUID();
  private readonly worker = new Worker(new URL("./worker.js", import.meta.url), {
    type: "module",
    name: this.name,
  });

  constructor(private readonly ended: () => void) {
    this.worker.onmessage = ({ data }: MessageEvent<Reply | "locked">) => {
      // The lock is the worker's until it is gone, whatever ended it.
      if (data === "locked") {
        navigator.locks?.request(lockName(this.name), () => this.end(new WorkerGone()));
      } else this.hear(data);
    };
    this.worker.onerror = (event) => {
      event.preventDefault();
      this.end(new WorkerGone(event.message));
    };
  }

  post(request: Request): void {
    this.worker.postMessage(request);
  }

  /** Ends the worker, and with this error the calls that wait for it. */
  end(error: Error): void {
    this.worker.terminate();
    this.ended();
    const calls = [...this.waiting.values()];
    this.waiting.clear();
    for (const { reject } of calls) reject(error);
  }

  private hear(reply: Reply): void {
    const call = this.waiting.get(reply.id);
    if (!call) return;
    if ("progress" in reply) return call.onProgress?.(reply.progress);
    this.waiting.delete(reply.id);
    if ("result" in reply) call.resolve(reply.result);
    else if (reply.error.name === "AbortError") call.reject(new Cancelled());
    else call.reject(new WorkerError(reply.error.name, reply.error.message));
  }
}

/** A worker that is started when it is first asked for something, and anew if it is gone. */
export class WorkerClient {
  private running?: Running;
  private calls = 0;

  /**
   * Asks the worker for something.
   *
   * @throws {WorkerGone} if the worker ends before it has answered.
   * @throws {Cancelled} if the signal is aborted. A worker that does not heed that soon is ended.
   */
  call<Name extends keyof Calls>(
    call: Name,
    argument: Calls[Name]["argument"],
    { signal, onProgress }: { signal?: AbortSignal; onProgress?: (progress: Progress) => void } =
      {},
  ): Promise<Calls[Name]["result"]> {
    const running = this.running ??= new Running(() => {
      if (this.running === running) this.running = undefined;
    });
    const id = ++this.calls;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(new Cancelled());
      running.waiting.set(id, {
        resolve: (result) => resolve(result as Calls[Name]["result"]),
        reject,
        onProgress,
      });
      running.post({ id, call, argument } as Request);
      signal?.addEventListener("abort", () => {
        running.post({ id, call: "cancel" });
        setTimeout(() => {
          if (running.waiting.has(id)) running.end(new Cancelled());
        }, PATIENCE_MS);
      }, { once: true });
    });
  }
}
