/**
 * Which samples were seen, and by whom.
 *
 * @module
 */
import { hex, sha256 } from "../../files/sha256.ts";
import { OnnxError } from "../file/onnx_error.ts";
import type { OnnxFeeds } from "../run/runtime.ts";
import { SAMPLE_DIGEST_BYTES } from "./sample_digest.ts";
import type { Shard } from "../../data/shard.ts";

/** Samples that one process has seen. */
export interface Portion {
  /** Which shard they are; −1 if the list was not shared out. */
  readonly index: number;
  /** How many they are. */
  readonly samples: number;
  /** The digest of their digests, in the order in which they were seen. */
  readonly digest: Uint8Array;
  /** The digest of each; only of shards that were merged nobody asks for them. */
  readonly digests?: Uint8Array;
}

/** Samples that were seen by one process or several. */
export interface Seen {
  /** How many shards the list was shared out in; 0 if it was not. */
  readonly shards: number;
  /** Who has seen what, in an order of its own: shards by their numbers, others by their digests. */
  readonly portions: readonly Portion[];
  /** The first sample of the first of them, if it can be kept. */
  readonly first?: OnnxFeeds;
}

/** The samples of one process, as it goes through them. */
export class SampleLog {
  private readonly digests: Uint8Array[] = [];

  constructor(private readonly shard: Shard | undefined, before?: Uint8Array) {
    for (let at = 0; at < (before?.length ?? 0); at += SAMPLE_DIGEST_BYTES) {
      this.digests.push(before!.subarray(at, at + SAMPLE_DIGEST_BYTES));
    }
  }

  /** Takes note of one more. */
  add(digest: Uint8Array): void {
    this.digests.push(digest);
  }

  /** All of them; nothing if there was none. */
  async portion(): Promise<Portion | undefined> {
    if (this.digests.length === 0) return undefined;
    const digests = new Uint8Array(this.digests.length * SAMPLE_DIGEST_BYTES);
    this.digests.forEach((digest, i) => digests.set(digest, i * SAMPLE_DIGEST_BYTES));
    const digest = await sha256([digests]);
    return { index: this.shard?.index ?? -1, samples: this.digests.length, digest, digests };
  }
}

/** Whether two processes have seen the same. */
function isSame(a: Portion, b: Portion): boolean {
  return a.index === b.index && a.samples === b.samples && hex(a.digest) === hex(b.digest);
}

function inOrder(a: Portion, b: Portion): number {
  return a.index - b.index || (hex(a.digest) < hex(b.digest) ? -1 : 1);
}

/**
 * How samples that others have seen stand to those that were seen before: whether they are other samples, or were
 * counted already.
 *
 * @throws {OnnxError} if they overlap, or the lists were shared out in different ways; `where` opens the message.
 */
export function isNew(where: string, before: Seen, more: Seen): boolean {
  if (before.portions.length === 0) return true;
  if (before.shards !== more.shards) {
    const way = ({ shards }: Seen) => shards ? `a list in ${shards} shards` : "a list of its own";
    throw new OnnxError(
      `${where} is of ${way(more)}, and what it is to be merged with of ${
        way(before)
      }; calibrate all of it ` +
        `in one way`,
    );
  }
  const known = more.portions.filter((portion) =>
    before.portions.some((other) => isSame(portion, other))
  );
  if (known.length === more.portions.length) return false;
  const twice = more.shards > 0
    ? more.portions.find(({ index }) => before.portions.some((other) => other.index === index))
    : undefined;
  if (known.length > 0 || twice && more.portions.length > 1) {
    const shards = [...known, ...twice ? [twice] : []].map(({ index }) => index);
    throw new OnnxError(
      `${where} has samples that were merged already${
        more.shards > 0 ? `, such as those of shard ${shards[0]}/${more.shards}` : ""
      }, and others beside them; merge the parts that it was merged from`,
    );
  }
  if (twice) {
    throw new OnnxError(
      `${where} is shard ${twice.index}/${more.shards}, but that was given already, with other samples or ` +
        `results; keep the one of the list that is meant`,
    );
  }
  checkApart(where, before, more);
  return true;
}

/** @throws {OnnxError} if a sample of lists that were not shared out is in both. */
function checkApart(where: string, before: Seen, more: Seen): void {
  if (more.shards > 0) return;
  const samples = (seen: Seen) =>
    seen.portions.flatMap(({ digests = new Uint8Array() }) =>
      Array.from(
        { length: digests.length / SAMPLE_DIGEST_BYTES },
        (_, i) => hex(digests.subarray(i * SAMPLE_DIGEST_BYTES, (i + 1) * SAMPLE_DIGEST_BYTES)),
      )
    );
  const known = new Set(samples(before));
  const at = samples(more).findIndex((sample) => known.has(sample));
  if (at < 0) return;
  throw new OnnxError(
    `${where} overlaps with what it is to be merged with: its sample ${at} (counted from 0) is in both; give ` +
      `each sample to one part, or share one list out by shards`,
  );
}

/** Samples that were seen together, once it is known that none was seen twice. */
export function together(a: Seen, b: Seen): Seen {
  const portions = [...a.portions, ...b.portions].sort(inOrder);
  const { shards, first: firstOfB } = b;
  const first = portions[0] === undefined || a.portions.includes(portions[0]) ? a.first : firstOfB;
  // Shards are told apart by their numbers.
  const kept = shards > 0 && portions.length > 1
    ? portions.map(({ index, samples, digest }) => ({ index, samples, digest }))
    : portions;
  return { shards, portions: kept, first };
}

/** How many samples were seen. */
export function countOfSeen({ portions }: Seen): number {
  return portions.reduce((sum, { samples }) => sum + samples, 0);
}

/** The shards that nobody has seen. */
export function missingShards({ shards, portions }: Seen): number[] {
  const there = new Set(portions.map(({ index }) => index));
  const missing: number[] = [];
  for (let index = 0; index < shards && missing.length < MOST_NAMED; index++) {
    if (!there.has(index)) missing.push(index);
  }
  return missing;
}

/** Missing shards that are named. */
const MOST_NAMED = 20;

/** @throws {OnnxError} if shards are missing; `where` opens the message. */
export function checkComplete(where: string, seen: Seen): void {
  const { shards, portions } = seen;
  const missing = missingShards(seen);
  if (missing.length === 0) return;
  const all = shards - portions.length;
  throw new OnnxError(
    `${where}: of ${shards} shards ${all === 1 ? "one is" : `${all} are`} missing: ${
      missing.join(", ")
    }${all > missing.length ? ", …" : ""}; calibrate and merge ${all === 1 ? "it" : "them"} too`,
  );
}
