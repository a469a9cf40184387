/**
 * How the range of a value is kept while samples run, saved, merged and chosen.
 *
 * @module
 */
import type { CpuBackend } from "../../backend/cpu/backend.ts";
import { backendFor } from "../../backend/registry.ts";
import type { SafetensorsEntry } from "../../files/safetensors.ts";
import { deepcopy } from "../../nn/module.ts";
import { StateError } from "../../nn/state_error.ts";
import { float32 } from "../../numbers/dtype.ts";
import {
  type Histogram,
  HistogramObserverBase,
} from "../../quantization/observers/histogram_observer.ts";
import { AffineQuantizedMinMaxObserver } from "../../quantization/observers/min_max_observer.ts";
import type { AffineQuantizedObserverBase } from "../../quantization/observers/observer.ts";
import {
  describe,
  RangeObserver,
  type SavedRange,
  type StateDescription,
} from "../../quantization/observers/range_observer.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { TensorRange } from "../qdq/params.ts";
import type { SeenActivation } from "./activation_reader.ts";
import { AVERAGE_TENSORS, IndexedAverage } from "./indexed_average.ts";

/** Tensors of one value, by the ends of their names. */
export type Entries = ReadonlyMap<string, SafetensorsEntry>;

/** What is kept of one value. */
export interface RangeRecord {
  /** Takes note of the value in the sample at this place of the list. */
  observe(seen: SeenActivation, index: number): void;
  /** The range that it stands for. */
  range(): Promise<TensorRange>;
  /** What was counted; nothing of a value that was not seen. */
  histogram?(): Promise<Histogram | undefined>;
  /** What was seen, in the form of its method. */
  saved(): Promise<unknown>;
}

/** A way to choose ranges. What was seen of a value has a form of its own, which can be written and merged. */
export interface RangeMethod {
  /** Whether no more is asked of a value than its least and greatest number. */
  readonly needsOnlyRange: boolean;
  /** Whether it matters where in the list of all samples one stands. */
  readonly inOrder: boolean;
  /** The ends of the names of a value's tensors. */
  readonly tensorNames: readonly string[];
  /** What is kept of one value; of one that was `saved`. */
  record(saved?: unknown): RangeRecord;
  /**
   * What was seen, from a file.
   *
   * @throws {StateError} if that is nothing that can be seen in so many samples.
   */
  parse(entries: Entries, samples: number): unknown;
  /** What was seen together. */
  merge(a: unknown, b: unknown): unknown;
  /** What was seen, for a file. */
  write(saved: unknown): Entries;
}

/** An array as a float32 tensor that shares its memory. */
function view(data: Float32Array, dims: readonly number[]): Tensor {
  const bytes = new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
  const cpu = backendFor("cpu") as CpuBackend;
  return new Tensor(cpu, cpu.adopt(bytes), dims, float32);
}

/** Ranges by an observer, a copy for each value. */
export class ObserverMethod implements RangeMethod {
  readonly needsOnlyRange: boolean;
  readonly inOrder = false;
  readonly tensorNames = ["description", "state"];
  /** The description that was read last. */
  private last: { readonly bytes: Uint8Array; readonly told: StateDescription } | undefined;

  /** Copies of an observer that has seen nothing. */
  constructor(readonly observer: AffineQuantizedObserverBase) {
    this.needsOnlyRange = observer.constructor === AffineQuantizedMinMaxObserver;
  }

  /** The observer, if its state can be saved. */
  private get mergeable(): RangeObserver {
    const { observer } = this;
    if (observer instanceof RangeObserver) return observer;
    throw new TypeError(
      `a ${observer.constructor.name} cannot be saved, and so cannot be loaded or merged`,
    );
  }

  record(saved?: unknown): RangeRecord {
    const observer = deepcopy(this.observer);
    if (saved) (observer as RangeObserver).takeSaved(saved as SavedRange, "cpu");
    return new ObservedRange(observer, () => this.mergeable);
  }

  parse(entries: Entries, samples: number): SavedRange {
    const [description, state] = this.tensorNames.map((name) => entries.get(name));
    const { mergeable } = this;
    if (!description || state && state.dtype !== "I32") {
      throw new StateError(
        `${mergeable.displayName}: the description is missing or the state is no int32`,
      );
    }
    const told = this.described(description.bytes);
    if (told.batches !== samples) {
      throw new StateError(`it was seen in ${told.batches} samples of ${samples}`);
    }
    return mergeable.parseState(told, state && wordsOf(state.bytes));
  }

  /** A description from a file; values that were seen in as many samples have the same. */
  private described(bytes: Uint8Array): StateDescription {
    const { last } = this;
    if (last && isSame(last.bytes, bytes)) return last.told;
    const told = this.mergeable.parseDescription(bytes);
    this.last = { bytes: bytes.slice(), told };
    return told;
  }

  merge(a: SavedRange, b: SavedRange): SavedRange {
    return this.mergeable.mergeSaved(a, b, (why) => {
      throw new StateError(`${this.mergeable.displayName}: ${why}`);
    });
  }

  write(saved: SavedRange): Entries {
    const text = describe(saved);
    const entries = new Map<string, SafetensorsEntry>([
      ["description", { dtype: "U8", shape: [text.length], bytes: text }],
    ]);
    if (saved.words) entries.set("state", withoutZeros(saved.words));
    return entries;
  }
}

/** A state of a file as words, which may begin at any byte there. */
function wordsOf(bytes: Uint8Array): Uint32Array {
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  return new Uint32Array(buffer, byteOffset, byteLength / 4);
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  let same = 0;
  while (same < a.length && a[same] === b[same]) same++;
  return a.length === b.length && same === a.length;
}

/** Words without the zeros at their end: the bins behind the range, and the high words of few counts. */
function withoutZeros(words: Uint32Array): SafetensorsEntry {
  let length = words.length;
  while (length > 0 && words[length - 1] === 0) length--;
  const bytes = new Uint8Array(words.buffer, words.byteOffset, 4 * length).slice();
  return { dtype: "I32", shape: [length], bytes };
}

/** A value that is observed. */
class ObservedRange implements RangeRecord {
  constructor(
    private readonly observer: AffineQuantizedObserverBase,
    private readonly mergeable: () => RangeObserver,
  ) {}

  observe({ data, dims }: SeenActivation): void {
    // Those that are saved count empty ones too, as samples are counted.
    if (data.length === 0 && !(this.observer instanceof RangeObserver)) return;
    using x = view(data, dims);
    this.observer.forward(x);
  }

  async range(): Promise<TensorRange> {
    const { observer } = this;
    if (observer instanceof RangeObserver) {
      // No batch but empty ones: the value is never more than nothing.
      if (observer.isEmpty) return { min: 0, max: 0 };
      const [min, max] = await observer.minMax();
      return { min: await min.item(), max: await max.item() };
    }
    const [scale, zeroPoint] = await observer.calculateQParams();
    const [s, z] = [await scale.item(), await zeroPoint.item()];
    return { min: (observer.quantMin - z) * s, max: (observer.quantMax - z) * s };
  }

  get histogram(): (() => Promise<Histogram | undefined>) | undefined {
    const { observer } = this;
    if (!(observer instanceof HistogramObserverBase)) return undefined;
    return async () => observer.isEmpty ? undefined : (await observer.histograms())[0];
  }

  saved(): Promise<SavedRange> {
    this.mergeable();
    return (this.observer as RangeObserver).saved();
  }
}

/** Ranges by an average over the samples of a list, the later ones counting more. */
export class AverageMethod implements RangeMethod {
  readonly needsOnlyRange = true;
  readonly inOrder = true;
  readonly tensorNames = AVERAGE_TENSORS;

  /** An average that moves towards each sample by this share of the way. */
  constructor(private readonly constant: number) {}

  record(saved?: unknown): RangeRecord {
    const copy = (other: IndexedAverage) => new IndexedAverage(this.constant).merged(other);
    // One that was saved may be merged elsewhere, so it is not added to.
    const average = copy(saved as IndexedAverage ?? new IndexedAverage(this.constant));
    return {
      observe: ({ data, range }, index) => {
        if (data.length > 0) average.add(range!, index);
      },
      range: () => Promise.resolve(average.range()),
      saved: () => Promise.resolve(copy(average)),
    };
  }

  parse(entries: Entries, samples: number): IndexedAverage {
    const average = IndexedAverage.load(entries, this.constant, samples);
    if (average) return average;
    throw new StateError(`it is no average of ${samples} samples`);
  }

  merge(a: IndexedAverage, b: IndexedAverage): IndexedAverage {
    return a.merged(b);
  }

  write(saved: IndexedAverage): Entries {
    return saved.save();
  }
}
