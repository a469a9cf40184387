/**
 * The greatest magnitude of each channel.
 *
 * @module
 */
import { type Channels, spread } from "./channels.ts";
import { entryOf, numbersOf, type SavedTensors } from "./statistic.ts";

/** The greatest magnitude that each channel of an activation had; what SmoothQuant asks for. */
export class ChannelMaxima {
  /** The class's name, whatever a minifier makes of it. */
  static readonly name: string = "ChannelMaxima";

  /** The kind. */
  readonly kind = "channelMaxima";
  /**
   * The names of the tensors that it is saved as.
   *
   * @ignore
   */
  readonly tensorNames: readonly string[] = ["maxima"];
  /** One a channel; 0 where nothing was seen. */
  readonly maxima: Float32Array;

  /** One that has seen nothing. */
  constructor(
    /** Where the channels lie. */
    readonly channels: Channels,
  ) {
    this.maxima = new Float32Array(channels.count);
  }

  /**
   * Takes note of the activation of one sample.
   *
   * @ignore
   */
  observe(data: Float32Array, dims: readonly number[]): void {
    if (data.length === 0) return;
    const { outer, inner } = spread(this.channels, dims);
    const { maxima, channels: { count } } = this;
    for (let o = 0, at = 0; o < outer; o++) {
      for (let c = 0; c < count; c++) {
        let most = maxima[c];
        for (const end = at + inner; at < end; at++) {
          const x = Math.abs(data[at]);
          if (x > most) most = x;
        }
        maxima[c] = most;
      }
    }
  }

  /**
   * Takes in what another one has seen.
   *
   * @ignore
   */
  merge(other: ChannelMaxima): void {
    other.maxima.forEach((x, c) => {
      if (x > this.maxima[c]) this.maxima[c] = x;
    });
  }

  /**
   * The maxima.
   *
   * @ignore
   */
  save(): SavedTensors {
    return new Map([["maxima", entryOf(this.maxima)]]);
  }

  /**
   * One that has seen what was saved.
   *
   * @ignore
   */
  loaded(saved: SavedTensors): ChannelMaxima | undefined {
    const maxima = numbersOf(saved, "maxima", "F32", this.channels.count);
    if (!maxima?.every((x) => x >= 0 && x < Infinity && !Object.is(x, -0))) return undefined;
    const loaded = new ChannelMaxima(this.channels);
    loaded.maxima.set(maxima);
    return loaded;
  }
}
