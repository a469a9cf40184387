/**
 * The samples that a calibration runs.
 *
 * @module
 */
import type { Shard } from "../../data/shard.ts";
import type { OnnxFeeds } from "../run/runtime.ts";

/** Samples, one after the other. */
export type OnnxSamples = Iterable<OnnxFeeds> | AsyncIterable<OnnxFeeds>;

/**
 * Samples of which others are not read: a function that gives only those of a share, in the order of the list; of
 * all without one.
 */
export type ShardedSamples = (shard: Shard | undefined) => OnnxSamples;
