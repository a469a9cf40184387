/**
 * The sum of each channel.
 *
 * @module
 */
import { ExactSums } from "../../numbers/exact_sum.ts";
import { type Channels, spread } from "./channels.ts";
import { sumsAsTensors, sumsOf } from "./saved_sums.ts";
import { countOf, entryOf, type SavedTensors } from "./statistic.ts";

/** The means and variances of the channels of an activation; what bias correction and batch norms ask for. */
export class ChannelSums {
  /** The class's name, whatever a minifier makes of it. */
  static readonly name: string = "ChannelSums";

  /** The kind. */
  readonly kind = "channelSums";
  /**
   * The names of the tensors that it is saved as.
   *
   * @ignore
   */
  readonly tensorNames: readonly string[] = ["places", "digits", "count"];
  /** Elements that each channel had. */
  count = 0;
  /** The sums of the channels, then those of their squares. */
  private sums: ExactSums;

  /** One that has seen nothing. */
  constructor(
    /** Where the channels lie. */
    readonly channels: Channels,
  ) {
    this.sums = new ExactSums(2 * channels.count);
  }

  /**
   * Takes note of the activation of one sample.
   *
   * @ignore
   */
  observe(data: Float32Array, dims: readonly number[]): void {
    if (data.length === 0) return;
    const { outer, inner } = spread(this.channels, dims);
    const { count } = this.channels;
    for (let c = 0; c < count; c++) {
      let sum = 0;
      let squares = 0;
      for (let o = 0; o < outer; o++) {
        const begin = (o * count + c) * inner;
        for (let at = begin; at < begin + inner; at++) {
          const x = data[at];
          sum += x;
          squares += x * x;
        }
      }
      this.sums.add(c, sum);
      this.sums.add(count + c, squares);
    }
    this.count += outer * inner;
  }

  /** The mean of each channel; NaN if there was no element. */
  means(): Float64Array {
    return Float64Array.from(
      { length: this.channels.count },
      (_, c) => this.sums.value(c) / this.count,
    );
  }

  /** The mean square of each channel; NaN if there was no element. */
  meanSquares(): Float64Array {
    const { count } = this.channels;
    return Float64Array.from({ length: count }, (_, c) => this.sums.value(count + c) / this.count);
  }

  /**
   * Takes in what another one has seen.
   *
   * @ignore
   */
  merge(other: ChannelSums): void {
    this.sums.merge(other.sums);
    this.count += other.count;
  }

  /**
   * The sums and the count.
   *
   * @ignore
   */
  save(): SavedTensors {
    return new Map([
      ...sumsAsTensors(this.sums),
      ["count", entryOf(Float64Array.of(this.count))],
    ]);
  }

  /**
   * One that has seen what was saved.
   *
   * @ignore
   */
  loaded(saved: SavedTensors, samples: number): ChannelSums | undefined {
    const sums = sumsOf(saved, 2 * this.channels.count, samples);
    const count = countOf(saved, "count");
    if (!sums || count === undefined) return undefined;
    const loaded = new ChannelSums(this.channels);
    loaded.sums = sums;
    loaded.count = count;
    return loaded;
  }
}
