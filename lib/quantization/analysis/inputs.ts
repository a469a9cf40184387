/**
 * The sample inputs that analyses run a model on, and how their progress is followed and stopped.
 *
 * @module
 */
import type { Module } from "../../nn/module.ts";
import { Tensor, tidy } from "../../tensor/tensor.ts";

/** One batch: what `model.forward` takes, a tensor or a list of its arguments. */
export type ModelInput = Tensor | readonly Tensor[];

/**
 * Batches to run a model on: a list, a generator, or anything else that `for await` takes. A list is
 * read as it is; of what another iterable gives, an analysis that needs several passes keeps copies
 * until it is done.
 */
export type ModelInputs = Iterable<ModelInput> | AsyncIterable<ModelInput>;

/** How far a long computation is. */
export interface Progress {
  /** What is being done, for people. */
  readonly step: string;
  /** How many runs of the model are done. */
  readonly done: number;
  /** How many there will be; undefined where that is not known yet. */
  readonly total: number | undefined;
}

/** Options that every analysis takes. */
export interface AnalysisOptions {
  /** Called after each run of the model. What it throws stops the analysis. */
  onProgress?: (progress: Progress) => void;
  /** Stops the analysis: it rejects with the signal's reason, and the model is as it was. */
  signal?: AbortSignal;
}

/** The names of {@linkcode AnalysisOptions}. */
export const ANALYSIS_OPTIONS: readonly string[] = ["onProgress", "signal"];

/** The arguments of `forward` that a batch stands for. */
export type Batch = readonly Tensor[];

/** Follows a computation that runs a model many times. */
export class Runs {
  private done = 0;
  /** How many runs there will be, once that is known. */
  total: number | undefined;

  constructor(private readonly options: AnalysisOptions) {}

  /** Throws if the computation is to be stopped. */
  check(): void {
    this.options.signal?.throwIfAborted();
  }

  /** The model's output for a batch, or why not; everything made on the way but kept is freed. */
  run(model: Module, batch: Batch): Tensor {
    this.check();
    return tidy(() => model.forward(...batch));
  }

  /** Says that a run is done. */
  step(step: string): void {
    this.done++;
    this.options.onProgress?.({ step, done: this.done, total: this.total });
  }
}

/** The batches one after another, each checked. @throws {RangeError} if there is none. */
export async function* batchesOf(where: string, inputs: ModelInputs): AsyncGenerator<Batch> {
  const iterable = typeof inputs === "object" && inputs !== null &&
    (Symbol.iterator in inputs || Symbol.asyncIterator in inputs);
  if (!iterable) {
    const found = inputs as unknown instanceof Tensor ? "one tensor" : String(inputs);
    throw new TypeError(
      `${where}: inputs must be an iterable of tensors or of lists of tensors, got ${found}; ` +
        `put a single batch into a list`,
    );
  }
  let count = 0;
  for await (const input of inputs) {
    const batch = input instanceof Tensor ? [input] : input;
    if (!Array.isArray(batch) || !batch.every((x) => x instanceof Tensor)) {
      throw new TypeError(
        `${where}: input ${count} (counted from 0) is neither a tensor nor a list of tensors`,
      );
    }
    count++;
    yield batch;
  }
  if (count === 0) {
    throw new RangeError(`${where}: inputs gave no batch, so there is nothing to run the model on`);
  }
}

/** Batches that can be run over again; `using` frees what was copied for that. */
export class Batches implements Disposable {
  private constructor(readonly list: readonly Batch[], private readonly copied: boolean) {}

  /** Reads them all. */
  static async from(where: string, inputs: ModelInputs, runs: Runs): Promise<Batches> {
    const copied = !Array.isArray(inputs);
    const list: Batch[] = [];
    try {
      for await (const batch of batchesOf(where, inputs)) {
        runs.check();
        // What a generator gave may be disposed of when it goes on.
        list.push(copied ? batch.map((x) => x.clone().keep()) : batch);
      }
    } catch (error) {
      new Batches(list, copied).dispose();
      throw error;
    }
    return new Batches(list, copied);
  }

  private dispose(): void {
    if (this.copied) this.list.forEach((batch) => batch.forEach((x) => x.dispose()));
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
