/**
 * Which program runs this: Deno, Node or a browser. All that only some of them have is asked for here and in the
 * other files of this folder, when it is first used.
 *
 * @module
 */

/** The part of Deno that Node's modules do not have. */
export interface DenoHost {
  readonly permissions: {
    querySync(
      descriptor: { name: string; path?: string; variable?: string },
    ): { state: string; partial: boolean };
  };
  readonly errors: Readonly<Record<string, new (message: string, options?: ErrorOptions) => Error>>;
  open(
    path: string,
    options: { read?: boolean; write?: boolean; createNew?: boolean },
  ): Promise<DenoFile>;
  makeTempDir(options: { prefix: string }): Promise<string>;
  makeTempFile(options: { dir?: string; prefix: string; suffix: string }): Promise<string>;
  inspect(value: unknown): string;
  dlopen(
    path: string,
    symbols: Readonly<Record<string, { parameters: readonly string[]; result: string }>>,
  ): { readonly symbols: Record<string, (...values: number[]) => number>; close(): void };
}

/** An open file of Deno's, which alone can be locked. */
export interface DenoFile {
  write(bytes: Uint8Array): Promise<number>;
  sync(): Promise<void>;
  lock(exclusive: boolean): Promise<void>;
  tryLock(exclusive: boolean): Promise<boolean>;
  close(): void;
}

/** The part of the process that is used. */
interface ProcessHost {
  getBuiltinModule(name: string): unknown;
  readonly argv: readonly string[];
  readonly platform: string;
  readonly env: Record<string, string | undefined>;
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly stdout: { readonly columns?: number };
  readonly stderr: { readonly isTTY?: boolean; readonly columns?: number };
  /** With Node's `--permission`. */
  readonly permission?: { has(scope: string, reference?: string): boolean };
  /** Microseconds of the processor. */
  cpuUsage(): { readonly user: number; readonly system: number };
  exit(code: number): never;
  on(event: string, listener: () => void): unknown;
  off(event: string, listener: () => void): unknown;
}

const { Deno: denoGlobal, process: processGlobal } = globalThis as {
  Deno?: DenoHost;
  process?: ProcessHost;
};

/** Deno, where this runs in it. */
export const deno: DenoHost | undefined = denoGlobal?.permissions && denoGlobal;

/** Bundlers leave a shadow of the process in pages; only a real one has modules. */
const process = typeof processGlobal?.getBuiltinModule === "function" ? processGlobal : undefined;

/** The programs that can run this. */
export type HostName = "deno" | "node" | "browser";

/** Which program this is. */
export const HOST: HostName = deno ? "deno" : process ? "node" : "browser";

/** Thrown where a host lacks what is asked for; the message says what to do instead. */
export class HostError extends Error {
  /** The class's name, as it stands in printed errors. */
  override readonly name: string = "HostError";
}

/**
 * The process.
 *
 * @throws {HostError} in a browser.
 */
export function theProcess(): ProcessHost {
  if (process) return process;
  throw new HostError(
    "a browser has no files: give the bytes, such as `new Uint8Array(await file.arrayBuffer())`",
  );
}

/** Such as `"linux"` or `"win32"`; nothing in a browser. */
export function platform(): string | undefined {
  return process?.platform;
}
