/**
 * All that is learnt of a graph's activations beside their ranges.
 *
 * @module
 */
import type { SafetensorsEntry } from "../../../files/safetensors.ts";
import type { SeenActivation } from "../activation_reader.ts";
import { type GraphQuestions, type Place, placesOf } from "./places.ts";
import type { ChannelMaxima } from "../../../quantization/statistics/channel_maxima.ts";
import type { ChannelSums } from "../../../quantization/statistics/channel_sums.ts";
import type { Covariance } from "../../../quantization/statistics/covariance.ts";
import type { Statistic, StatisticKind } from "../../../quantization/statistics/statistic.ts";

/** The statistics by their kinds. */
export interface Statistics {
  /** The greatest magnitudes. */
  channelMaxima: ChannelMaxima;
  /** The sums and those of squares. */
  channelSums: ChannelSums;
  /** The products of rows. */
  covariance: Covariance;
}

/** A statistic by the prefix of its tensors' names in a file. */
function prefix(kind: StatisticKind, key: string): string {
  return `${kind}:${key}/`;
}

/** Statistics of a graph by kind and name. */
export class Learnt {
  /** The values that something is learnt of, each once. */
  readonly values: readonly string[];

  private constructor(
    private readonly places: ReadonlyMap<StatisticKind, ReadonlyMap<string, Place>>,
  ) {
    this.values = [...new Set([...this.all()].map(({ value }) => value))];
  }

  /** Statistics that have seen nothing. */
  static of(
    facts: GraphQuestions,
    kinds: readonly StatisticKind[],
    from?: readonly string[],
  ): Learnt {
    return new Learnt(placesOf(facts, kinds, from && new Set(from)));
  }

  /** Each statistic once. */
  private *all(): Generator<Place & { readonly kind: StatisticKind; readonly key: string }> {
    for (const [kind, places] of this.places) {
      for (const [key, place] of places) yield { kind, key, ...place };
    }
  }

  /** The statistics of a kind by name; nothing if these are not learnt. */
  get<Kind extends StatisticKind>(kind: Kind): ReadonlyMap<string, Statistics[Kind]> | undefined {
    const places = this.places.get(kind);
    return places &&
      new Map([...places].map(([key, { statistic }]) => [key, statistic as Statistics[Kind]]));
  }

  /** Takes note of the activations of one sample, by the names of values. */
  observe(seen: ReadonlyMap<string, Pick<SeenActivation, "data" | "dims">>): void {
    for (const { value, statistic } of this.all()) {
      const { data, dims } = seen.get(value)!;
      statistic.observe(data, dims);
    }
  }

  /** Takes in what was learnt elsewhere of the same graph; together of no more samples than a sum takes numbers. */
  merge(other: Learnt): void {
    for (const { kind, key, statistic } of this.all()) {
      statistic.merge(other.places.get(kind)!.get(key)!.statistic);
    }
  }

  /** Whether other statistics are of the same kinds and values. */
  isLike(other: Learnt): boolean {
    const names = (learnt: Learnt) => [...learnt.all()].map(({ kind, key }) => prefix(kind, key));
    const [own, theirs] = [names(this), new Set(names(other))];
    return own.length === theirs.size && own.every((name) => theirs.has(name));
  }

  /** All tensors, by names in a file. */
  *save(): Generator<[name: string, entry: SafetensorsEntry]> {
    for (const { kind, key, statistic } of this.all()) {
      for (const [name, entry] of statistic.save()) yield [prefix(kind, key) + name, entry];
    }
  }

  /**
   * Statistics that have seen what was saved; the name of one that cannot have come to that.
   *
   * @param tensors such as {@linkcode Learnt.save} gives; those are taken out that belong to statistics.
   */
  loaded(tensors: Map<string, SafetensorsEntry>, samples: number): Learnt | string {
    const loaded = new Map<StatisticKind, Map<string, Place>>(
      [...this.places.keys()].map((kind) => [kind, new Map()]),
    );
    for (const { kind, key, value, statistic } of this.all()) {
      const own = new Map<string, SafetensorsEntry>();
      for (const name of statistic.tensorNames) {
        const entry = tensors.get(prefix(kind, key) + name);
        tensors.delete(prefix(kind, key) + name);
        if (entry) own.set(name, entry);
      }
      const one = statistic.loaded(own, samples) as Statistic | undefined;
      if (!one) return `${kind} of ${value}`;
      loaded.get(kind)!.set(key, { value, statistic: one });
    }
    return new Learnt(loaded);
  }
}
