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

/** What no two portions have: of shards the number, of others what they saw. */
function keyOf({ index, digest }: Portion): string {
  return index >= 0 ? String(index) : hex(digest);
}

/** The digest of each sample, as text. */
function* samplesIn({ digests = new Uint8Array() }: Portion): Generator<string> {
  for (let at = 0; at < digests.length; at += SAMPLE_DIGEST_BYTES) {
    yield String.fromCharCode(...digests.subarray(at, at + SAMPLE_DIGEST_BYTES));
  }
}

/** What several processes have seen, to which more is added; what that costs does not grow. */
export class SeenTogether {
  private readonly portions = new Map<string, Portion>();
  /** The samples of lists that were not shared out. */
  private readonly samples = new Set<string>();
  private of = 0;
  private sum = 0;
  /** The portion that comes first, and the first sample of it. */
  private first: { readonly of: Portion; readonly sample: OnnxFeeds | undefined } | undefined;

  /** What was seen before; nothing by default. */
  constructor(seen: Seen = { shards: 0, portions: [] }) {
    this.add(seen);
  }

  /** How many samples were seen. */
  get count(): number {
    return this.sum;
  }

  /** How many shards the list was shared out in; 0 if it was not. */
  get shards(): number {
    return this.of;
  }

  /**
   * Adds what others have seen, unless it was counted already.
   *
   * @returns whether it is new.
   * @throws {OnnxError} if they overlap, or the lists were shared out in different ways; `where` opens the message.
   */
  take(where: string, more: Seen): boolean {
    const isNew = this.isNew(where, more);
    if (isNew) this.add(more);
    return isNew;
  }

  /** All of it. */
  seen(): Seen {
    const { shards, first } = this;
    const portions = [...this.portions.values()].sort(inOrder);
    // Shards are told apart by their numbers.
    const kept = shards > 0 && portions.length > 1
      ? portions.map(({ index, samples, digest }) => ({ index, samples, digest }))
      : portions;
    return { shards, portions: kept, first: first?.sample };
  }

  private add({ shards, portions, first }: Seen): void {
    if (portions.length === 0) return;
    this.of = shards;
    for (const portion of portions) {
      this.portions.set(keyOf(portion), portion);
      this.sum += portion.samples;
      if (shards === 0) { for (const sample of samplesIn(portion)) this.samples.add(sample); }
    }
    const [earliest] = portions;
    if (!this.first || inOrder(earliest, this.first.of) < 0) {
      this.first = { of: earliest, sample: first };
    }
  }

  private isNew(where: string, more: Seen): boolean {
    if (this.portions.size === 0) return true;
    if (this.shards !== more.shards) {
      const way = (shards: number) => shards ? `a list in ${shards} shards` : "a list of its own";
      throw new OnnxError(
        `${where} is of ${way(more.shards)}, and what it is to be merged with of ${
          way(this.shards)
        }; calibrate all of it in one way`,
      );
    }
    const known = more.portions.filter((portion) => {
      const other = this.portions.get(keyOf(portion));
      return other !== undefined && isSame(portion, other);
    });
    if (known.length === more.portions.length) return false;
    const twice = more.shards > 0
      ? more.portions.find((portion) => this.portions.has(keyOf(portion)))
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
    this.checkApart(where, more);
    return true;
  }

  /** @throws {OnnxError} if a sample of lists that were not shared out is in both. */
  private checkApart(where: string, more: Seen): void {
    if (more.shards > 0) return;
    let at = 0;
    for (const portion of more.portions) {
      for (const sample of samplesIn(portion)) {
        if (this.samples.has(sample)) {
          throw new OnnxError(
            `${where} overlaps with what it is to be merged with: its sample ${at} (counted from 0) is in both; ` +
              `give each sample to one part, or share one list out by shards`,
          );
        }
        at++;
      }
    }
  }
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
