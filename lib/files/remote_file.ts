/**
 * Files on servers, read a part at a time.
 *
 * @module
 */
import { FileProblem } from "./file_problem.ts";

/** Bytes that are asked for at a time. */
const WINDOW = 4 << 20;
/** The most bytes of a file whose server gives no parts. */
const MAX_WHOLE = 2 ** 28;
/** Times that a server is asked. */
const TRIES = 5;
/** Answers that may be another one next time. */
const TEMPORARY: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/** A server did not give a file; `temporary` says whether it may at another time. */
export class RemoteProblem extends FileProblem {
  /** The class's name, as it stands in printed errors. */
  override readonly name = "RemoteProblem";

  /** What is wrong, and whether it may be otherwise next time. */
  constructor(message: string, readonly temporary: boolean, options?: ErrorOptions) {
    super(message, options);
  }
}

/** Whether a path is that of a file on a server. */
export function isRemote(path: string): boolean {
  return /^https?:\/\//i.test(path);
}

/** A URL for messages: without what may be a secret. */
export function publicName(path: string): string {
  if (!isRemote(path)) return path;
  const url = URL.parse(path);
  return url ? `${url.protocol}//${url.host}${url.pathname}${url.search ? "?…" : ""}` : path;
}

/** What is got with one request. */
interface Answer {
  /** Where the bytes begin in the file. */
  readonly at: number;
  readonly bytes: Uint8Array;
  /** Bytes of the whole file. */
  readonly size: number;
  /** What is another where the file is another. */
  readonly version: string | null;
}

/**
 * A file on a server, of which one part is in memory at a time if the server gives parts. What fails for a while, or
 * does not answer, is asked for again, after waiting ever longer.
 */
export class RemoteFile {
  private constructor(
    private readonly url: string,
    /** Milliseconds that a server may take to answer, or to go on. */
    private readonly patience: number,
    private part: Answer,
    private readonly signal: AbortSignal | undefined,
  ) {}

  /**
   * Asks for a file.
   *
   * @param url its address, such as a presigned one.
   * @param patience milliseconds that the server may take to answer, and to go on.
   * @throws {RemoteProblem} if the server does not give it.
   */
  static async open(url: string, patience: number, signal?: AbortSignal): Promise<RemoteFile> {
    const parsed = URL.parse(url);
    if (!parsed) throw new RemoteProblem("this is no URL", false);
    return new RemoteFile(url, patience, await ask(url, 0, patience, signal), signal);
  }

  /** Bytes that the file has. */
  get size(): number {
    return this.part.size;
  }

  /** Reads from a place on; returns the number of bytes, 0 at the end. */
  async read(bytes: Uint8Array, at: number): Promise<number> {
    if (at >= this.size) return 0;
    const inside = at >= this.part.at && at < this.part.at + this.part.bytes.length;
    if (!inside) {
      const { size, version } = this.part;
      const next = await ask(this.url, at, this.patience, this.signal);
      if (next.size !== size || next.version !== version) {
        throw new RemoteProblem(
          "it has changed while it was read; leave it as it is meanwhile",
          false,
        );
      }
      this.part = next;
    }
    const from = at - this.part.at;
    const part = this.part.bytes.subarray(from, from + bytes.length);
    bytes.set(part);
    return part.length;
  }

  /** Lets go of what is in memory. */
  close(): void {
    this.part = { ...this.part, bytes: new Uint8Array() };
  }
}

/** Asks for a part, again and again while that may help. */
async function ask(
  url: string,
  at: number,
  patience: number,
  signal: AbortSignal | undefined,
): Promise<Answer> {
  for (let attempt = 1;; attempt++) {
    signal?.throwIfAborted();
    try {
      return await askOnce(url, at, patience, signal);
    } catch (error) {
      if (!(error instanceof RemoteProblem) || !error.temporary) throw error;
      if (attempt === TRIES) {
        throw new RemoteProblem(`${error.message} (asked ${TRIES} times)`, true, { cause: error });
      }
    }
    await pause(patience / 60 * 2 ** (attempt - 1), signal);
  }
}

function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", done);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", done, { once: true });
  });
}

async function askOnce(
  url: string,
  at: number,
  patience: number,
  signal: AbortSignal | undefined,
): Promise<Answer> {
  const controller = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stop = () => controller.abort();
  const goOn = () => {
    clearTimeout(timer);
    timer = setTimeout(stop, patience);
  };
  signal?.addEventListener("abort", stop, { once: true });
  goOn();
  try {
    const response = await fetch(url, {
      headers: { range: `bytes=${at}-${at + WINDOW - 1}`, "accept-encoding": "identity" },
      signal: controller.signal,
    });
    goOn();
    return await answerOf(response, at, goOn);
  } catch (error) {
    signal?.throwIfAborted();
    if (controller.signal.aborted) {
      const seconds = patience / 1000;
      throw new RemoteProblem(`its server does not answer within ${seconds} s`, true);
    }
    // What is not allowed is said as such, and a network that fails is tried again.
    if (!(error instanceof TypeError) || error.name === "NotCapable") throw error;
    throw new RemoteProblem("its server cannot be reached, or broke off", true, { cause: error });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  }
}

async function answerOf(response: Response, at: number, goOn: () => void): Promise<Answer> {
  const { status, headers, body } = response;
  const version = headers.get("etag") ?? headers.get("last-modified");
  if (status === 416 && /^bytes \*\/0$/.test(headers.get("content-range") ?? "")) {
    await body?.cancel();
    return { at, bytes: new Uint8Array(), size: 0, version };
  }
  if (status === 206) {
    const range = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(
      headers.get("content-range") ?? "",
    );
    const [from, to, size] = range?.slice(1).map(Number) ?? [NaN, NaN, NaN];
    if (from !== at || to < from || to >= Math.min(at + WINDOW, size)) {
      await body?.cancel();
      throw new RemoteProblem("its server gives other bytes than it was asked for", true);
    }
    return { at, bytes: await bytesOf(response, to - from + 1, true, goOn), size, version };
  }
  if (status !== 200) {
    await body?.cancel();
    const hint = status === 401 || status === 403
      ? "; if the URL is presigned, it may have expired"
      : "";
    throw new RemoteProblem(`its server says ${status}${hint}`, TEMPORARY.has(status));
  }
  const told = headers.get("content-length");
  const length = told === null ? undefined : Number(told);
  if (length !== undefined && length > MAX_WHOLE) {
    await body?.cancel();
    throw new RemoteProblem(tooLarge(), false);
  }
  const bytes = await bytesOf(response, length ?? MAX_WHOLE, length !== undefined, goOn);
  return { at: 0, bytes, size: bytes.length, version };
}

function tooLarge(): string {
  return `its server gives files only as a whole, and it takes more than ${MAX_WHOLE} bytes; use one that ` +
    `gives parts (range requests)`;
}

/** The bytes of an answer: exactly or at most so many. */
async function bytesOf(
  response: Response,
  count: number,
  exactly: boolean,
  goOn: () => void,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    goOn();
    parts.push(part);
    length += part.length;
    if (length > count) {
      throw exactly
        ? new RemoteProblem("its server gives more bytes than it told", true)
        : new RemoteProblem(tooLarge(), false);
    }
  }
  if (exactly && length < count) {
    throw new RemoteProblem(
      `its server broke off: ${count} bytes were to come, ${length} came`,
      true,
    );
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
