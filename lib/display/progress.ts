/**
 * How far a loop in a notebook's cell is.
 *
 * @module
 */
import { type Notebook, notebook } from "../files/notebook.ts";
import { escape } from "../plot/markup.ts";
import { timeLeft } from "../plot/progress_text.ts";

/** Options of {@linkcode progress}. */
export interface ProgressOptions {
  /** What is being done. */
  label?: string;
  /** How many items there are, where they do not say so themselves. */
  total?: number;
}

const INTERVAL_MS = 100;

/**
 * Goes through items, and in a notebook's cell shows a bar that moves along with them, with the time left.
 * Elsewhere it shows nothing. It goes around what a loop or `quantizeStatic` takes.
 *
 * @param items an array, or anything to go through.
 * @param options a label, and how many items there are.
 * @returns the same items, each when it is asked for.
 *
 * @example
 * ```ts
 * import { progress } from "@staticquant/staticquant";
 * let sum = 0;
 * for await (const x of progress([1, 2, 3], { label: "adding" })) sum += x;
 * console.log(sum); // 6
 * ```
 */
export async function* progress<T>(
  items: Iterable<T> | AsyncIterable<T>,
  options: ProgressOptions = {},
): AsyncGenerator<T> {
  const page = notebook();
  yield* page ? shown(page, items, options) : items;
}

/** Goes through items, and shows on a notebook's page how far it is. */
export async function* shown<T>(
  page: Notebook,
  items: Iterable<T> | AsyncIterable<T>,
  options: ProgressOptions = {},
): AsyncGenerator<T> {
  const { label = "", total = countOf(items) } = options;
  const bar = new Bar(page, label, total);
  await bar.show(0);
  let done = 0;
  try {
    for await (const item of items) {
      yield item;
      await bar.show(++done);
    }
  } finally {
    await bar.show(done, true);
  }
}

/** How many items there are, if they know. */
function countOf(items: object): number | undefined {
  const { length, size } = items as { length?: unknown; size?: unknown };
  return [length, size].find((count) => typeof count === "number") as number | undefined;
}

/** A bar in a cell's output, which is drawn anew in its place. */
class Bar {
  readonly #id = crypto.randomUUID();
  readonly #started = performance.now();
  #shown = -Infinity;
  #last = "";

  constructor(
    private readonly page: Notebook,
    private readonly label: string,
    private readonly total: number | undefined,
  ) {}

  /** Says that `done` items are done; not more often than eyes follow, but for the last time. */
  async show(done: number, last = false): Promise<void> {
    const time = performance.now();
    if (!last && time - this.#shown < INTERVAL_MS) return;
    const type = this.#shown < 0 ? "display_data" : "update_display_data";
    this.#shown = time;
    const each = done > 0 && !last ? (time - this.#started) / 1000 / done : undefined;
    const data = bundle(this.label, done, this.total, each);
    if (data["text/plain"] === this.#last) return;
    this.#last = data["text/plain"];
    const transient = { display_id: this.#id };
    await this.page.broadcast(type, { data, metadata: {}, transient });
  }
}

function bundle(label: string, done: number, total: number | undefined, each?: number) {
  const count = total === undefined ? `${done}` : `${done} of ${total}`;
  const left = total === undefined ? "" : timeLeft(done, total, each);
  const text = [label && `${label}:`, count, left && `(${left})`].filter(Boolean).join(" ");
  const max = total === undefined ? "" : ` max="${total}" value="${Math.min(done, total)}"`;
  const bar =
    `<progress${max} style="width:16em;vertical-align:middle;margin-right:8px"></progress>`;
  return { "text/html": `<div>${bar}${escape(text)}</div>`, "text/plain": text };
}
