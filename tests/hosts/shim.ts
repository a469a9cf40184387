/**
 * What tests use of Deno, for running them where there is none: in a page or in Node. It has to be loaded before they
 * are, and says nothing of permissions, so that the library does not take the host for Deno.
 */
type Step = (name: string, run: () => void | Promise<void>) => Promise<boolean>;
type Run = (context: { step: Step }) => void | Promise<void>;

interface Definition {
  name: string;
  fn: Run;
  ignore?: boolean;
}

/** What became of a test. */
export interface Outcome {
  readonly name: string;
  /** What went wrong; nothing if the test held. */
  readonly error?: string;
}

/** Characters of an error that are told. */
const TOLD = 1000;

const tests: Definition[] = [];
/** Recorded answers, by the names of their files. */
const files = new Map<string, Uint8Array>();

function define(first: string | Definition, second?: Run | Partial<Definition>, third?: Run): void {
  const options = typeof second === "object" ? second : {};
  const fn = typeof second === "function" ? second : third;
  tests.push(typeof first === "string" ? { ...options, name: first, fn: fn! } : first);
}

function fileOf(url: URL): Uint8Array {
  const name = url.pathname.split("/").at(-1)!;
  const found = files.get(name);
  if (!found) throw new Error(`no recorded answers in ${name}`);
  return found;
}

Object.assign(globalThis, {
  Deno: {
    test: define,
    inspect: (value: unknown) => ArrayBuffer.isView(value) ? `[${value}]` : String(value),
    readFileSync: fileOf,
    readTextFileSync: (url: URL) => new TextDecoder().decode(fileOf(url)),
  },
});

/** Gives tests a file of recorded answers. */
export function addFile(name: string, bytes: Uint8Array): void {
  files.set(name, bytes);
}

/** Runs the tests that were defined, one after the other, those whose names a filter lets through. */
export async function* runTests(filter: (name: string) => boolean): AsyncGenerator<Outcome> {
  for (const { name, fn, ignore } of tests) {
    if (ignore || !filter(name)) continue;
    try {
      await fn({
        step: async (_, run) => {
          await run();
          return true;
        },
      });
      yield { name };
    } catch (error) {
      const text = error instanceof Error ? error.stack ?? error.message : String(error);
      yield { name, error: text.length > TOLD ? `${text.slice(0, TOLD)}…` : text };
    }
  }
}
