/**
 * Samples that are gone through several times.
 *
 * @module
 */
import { itemSizeOf } from "./element_type.ts";
import type { Feeds } from "./sample.ts";

/**
 * Makes samples that can be gone through again and again. As long as they take no more than `budget` bytes
 * they are kept; the first time they are more, they are let go and from then on read anew each time.
 *
 * @param open reads the samples from the start.
 * @param budget bytes to keep at most; 256 MiB by default.
 * @returns what begins a new turn each time it is called, as `heldOut` of {@linkcode autoQuantize} takes it.
 *
 * @example
 * ```ts
 * import { readSamples, replay } from "@staticquant/staticquant";
 * const path = await Deno.makeTempFile({ suffix: ".jsonl" });
 * await Deno.writeTextFile(path, "[[1, 2]]\n[[3, 4]]\n");
 * const samples = replay(() => readSamples(path, [{ name: "x", dtype: "float32", dims: [1, 2] }]));
 * for (let turn = 0; turn < 2; turn++) {
 *   for await (const { x } of samples()) console.log(turn, ...x.data); // the second from memory
 * }
 * ```
 */
export function replay(
  open: () => AsyncIterable<Feeds>,
  budget: number = 2 ** 28,
): () => AsyncIterable<Feeds> {
  let kept: Feeds[] | undefined;
  let tooMany = false;
  return async function* () {
    if (kept) return yield* kept;
    let list: Feeds[] = [];
    let bytes = 0;
    for await (const feeds of open()) {
      for (const { type, data } of Object.values(feeds)) bytes += data.length * itemSizeOf(type);
      if (bytes > budget) tooMany = true;
      if (tooMany) list = [];
      else list.push(feeds);
      yield feeds;
    }
    if (!tooMany) kept = list;
  };
}
