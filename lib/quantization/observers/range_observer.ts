/**
 * What observers of ranges share: state of a fixed size on the device, one record a block.
 *
 * @module
 */
import type { Device } from "../../backend/backend.ts";
import { collapseBlocks, countBlocks } from "../../backend/blocks.ts";
import { decodeMinMaxState } from "../../backend/minmax_state.ts";
import {
  type DType,
  type DTypeName,
  dtypes,
  int32,
  promoteTypes,
  uint8,
} from "../../numbers/dtype.ts";
import { formatShape, numelOf, sameShape } from "../../numbers/shape.ts";
import { StateError } from "../../nn/state_error.ts";
import { checkSameDevice } from "../../tensor/ops.ts";
import { checkTensor, Tensor, tensor, tensorFromBytes } from "../../tensor/tensor.ts";
import { getBlockSize, qparamShape, reducedShape } from "../affine/granularity.ts";
import { type QParams, qparamsOf } from "../affine/primitives.ts";
import { AffineQuantizedObserverBase } from "./observer.ts";

/** Minima and maxima, one a block. */
export interface Ranges {
  /** The lower ends. */
  readonly min: Float32Array;
  /** The upper ends. */
  readonly max: Float32Array;
}

/** Where a batch stands in the calibration. */
export interface BatchTurn {
  /** Its number, counted from 0. */
  readonly batch: number;
  /** Whether it is the first that is not empty. */
  readonly first: boolean;
}

/**
 * The base class of observers that keep a record a block in 32-bit words on the device. A subclass
 * says what an empty state is, how a batch is folded in, how two states are merged, and which range
 * a state stands for; this class checks batches, and saves, loads and merges.
 *
 * Every state begins with a minimum key and a maximum key for each block and the number of the first
 * batch that held a NaN or an infinity.
 *
 * @example
 * ```ts
 * import { AffineQuantizedMinMaxObserver, RangeObserver } from "@staticquant/staticquant";
 * console.log(AffineQuantizedMinMaxObserver.prototype instanceof RangeObserver); // true
 * ```
 */
export abstract class RangeObserver extends AffineQuantizedObserverBase {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "RangeObserver";

  /** The words on the device; null before any data. */
  protected state: Tensor | null = null;
  /** The shape that scales and zero points will have. */
  protected observedShape: readonly number[] = [];
  /** The dtype of the batches. */
  protected observedDtype: DType | undefined;
  /** How many batches came by, empty ones included. */
  protected batches = 0;
  /** The number of blocks. */
  protected blocks = 0;

  /** The state of `blocks` blocks before any data. */
  protected abstract emptyState(blocks: number): Uint8Array;
  /** Folds a batch into {@linkcode RangeObserver.state}. Enqueued. */
  protected abstract update(
    state: Tensor,
    x: Tensor,
    block: readonly number[],
    turn: BatchTurn,
  ): void;
  /**
   * The state that both parts together would have given; `counts` are their batches. The first may be changed for that,
   * the second may lack zeros as {@linkcode RangeObserver.neededWords} says.
   */
  protected abstract mergeStates(
    a: Uint32Array,
    b: Uint32Array,
    blocks: number,
    counts: readonly [number, number],
  ): Uint32Array;
  /** Words that a saved state of one block has at least; zeros behind them may be missing. All by default. */
  protected neededWords(): number {
    return this.bytesOfOneBlock / 4;
  }
  /** The state of an observer that has seen so many empty batches besides; the same by default. */
  protected joinEmpty({ words }: SavedRange, _batches: number): Uint32Array {
    return words!;
  }
  /** The ranges that a state stands for. */
  protected abstract chooseRanges(words: Uint32Array, blocks: number): Ranges;
  /**
   * What is wrong with a saved state without a bad batch; undefined if this class may have left it. Says nothing
   * by default.
   */
  protected stateProblem(_words: Uint32Array, _blocks: number): string | undefined {
    return undefined;
  }
  /** What must agree for two observers' states to mean the same, beside what all observers have. */
  protected settings(): Record<string, unknown> {
    return {};
  }

  /** How many batches came by, empty ones included. */
  get batchCount(): number {
    return this.batches;
  }

  /** Whether nothing came by but empty batches, so that there is no range. */
  get isEmpty(): boolean {
    return this.state === null;
  }

  /**
   * Folds a batch into the state. An empty batch is ignored. Enqueued.
   *
   * @param x float.
   * @returns `x` itself.
   * @throws {RangeError} if the batch falls into other blocks than those before it.
   * @throws {TypeError} if `x` is not float.
   */
  override forward(x: Tensor): Tensor {
    checkTensor(this.displayName, x);
    const batch = this.batches;
    if (x.numel === 0) {
      this.batches++;
      return x;
    }
    if (!x.dtype.isFloat) {
      throw new TypeError(`${this.displayName}: observers take float tensors, got ${x.dtype.name}`);
    }
    const block = getBlockSize(x.shape, this.granularity);
    const shape = this.options.keepdim ? reducedShape(x.shape, block) : qparamShape(x.shape, block);
    const blocks = countBlocks(collapseBlocks(x.shape, block));
    const empty = this.state ? undefined : this.emptyState(blocks);
    // One range for all may have the shape () or, from a batch of one row, (1,).
    const alike = this.blocks === blocks && (blocks === 1 || sameShape(shape, this.observedShape));
    if (this.state && !alike) {
      throw new RangeError(
        `${this.displayName}: with ${this.granularity} this batch of shape ${
          formatShape(x.shape)
        } has ` +
          `ranges of shape ${formatShape(shape)}, those before it ${
            formatShape(this.observedShape)
          }; ` +
          `make the batches alike or observe PerTensor`,
      );
    }
    if (this.state && this.state.backend !== x.backend) {
      if (this.state.device === x.device) checkSameDevice(this.displayName, x, this.state);
      throw new Error(
        `${this.displayName}: this batch is on ${x.device}, those before it on ${this.state.device}; ` +
          `bring the batch there with .to("${this.state.device}")`,
      );
    }
    if (empty) {
      this.state = words(empty, x.device);
      this.blocks = blocks;
      this.observedShape = shape;
    }
    this.observedShape = shorter(this.observedShape, shape);
    this.observedDtype = this.observedDtype ? promoteTypes(this.observedDtype, x.dtype) : x.dtype;
    this.update(this.state!, x, block, { batch, first: empty !== undefined });
    this.batches++;
    return x;
  }

  /**
   * The chosen ranges, one a block, in the dtype observed: for a min-max observer the least and the
   * greatest value seen. Waits.
   *
   * @throws {Error} if nothing was seen yet, or a NaN or an infinity was.
   */
  async minMax(): Promise<[min: Tensor, max: Tensor]> {
    const { min, max } = await this.ranges("minMax");
    const options = { shape: this.observedShape, dtype: this.observedDtype, device: this.device };
    return [tensor(min, options), tensor(max, options)];
  }

  /**
   * The scale and the zero point for the chosen ranges; formulas as in `chooseQParamsAffine`. Waits.
   *
   * @throws {Error} if nothing was seen yet, or a NaN or an infinity was: the message says in which
   * batch.
   */
  override async calculateQParams(): Promise<QParams> {
    const { min, max } = await this.ranges("calculateQParams");
    const { mappingType, targetDtype, observedShape, observedDtype, options, device } = this;
    return qparamsOf(
      min,
      max,
      observedDtype!,
      mappingType,
      targetDtype,
      observedShape,
      { device },
      options,
    );
  }

  /** The device that holds the state. */
  private get device(): Device {
    return this.state!.device;
  }

  /** Reads the state, or says why there is no range. */
  private async ranges(operation: string): Promise<Ranges> {
    if (!this.state) {
      throw new Error(
        `${this.displayName}: ${operation}() before any data; run sample inputs through the model first`,
      );
    }
    const bytes = await this.state.bytes();
    const { badBatch } = decodeMinMaxState(bytes.subarray(0, 4 * (2 * this.blocks + 1)));
    if (badBatch !== undefined) {
      throw new RangeError(
        `${this.displayName}: batch ${badBatch} of the calibration (counted from 0) holds a NaN or an ` +
          `infinity, which have no range; look at that input and at the layers before this one`,
      );
    }
    return this.chooseRanges(new Uint32Array(bytes.slice().buffer), this.blocks);
  }

  /** What two observers must share to be merged, as text. */
  private signature(): string {
    const { mappingType, targetDtype, granularity, quantMin, quantMax, options } = this;
    return JSON.stringify({
      observer: this.constructor.name,
      mappingType,
      targetDtype: targetDtype.name,
      granularity: String(granularity),
      quantMin,
      quantMax,
      eps: options.eps ?? null,
      keepdim: options.keepdim ?? false,
      ...this.settings(),
    });
  }

  /**
   * What was seen so far, as tensors that `saveSafetensors` can write: the state and a description
   * of it. Together with {@linkcode RangeObserver.loadStateDict} it lets a calibration be
   * interrupted, or be done in several processes.
   *
   * @example
   * ```ts
   * import {
   *   AffineQuantizedMinMaxObserver, loadSafetensors, MappingType, PerTensor, randn, saveSafetensors, uint8,
   * } from "@staticquant/staticquant";
   * const make = () =>
   *   new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, { granularity: new PerTensor() });
   * const observer = make();
   * observer.forward(randn([4, 8]));
   * const file = await saveSafetensors(observer.stateDict());
   * const resumed = make();
   * await resumed.loadStateDict(loadSafetensors(file));
   * ```
   */
  override stateDict(): Record<string, Tensor> {
    const text = describe(this.description());
    return {
      description: tensorFromBytes(text, { shape: [text.length], dtype: uint8, device: "cpu" }),
      ...(this.state ? { state: this.state } : {}),
    };
  }

  /**
   * Takes over a saved state in place of what was seen. Waits.
   *
   * @param dict what {@linkcode RangeObserver.stateDict} gave.
   * @throws {StateError} if it is another kind of observer's, was made with other settings, or is nothing that an
   * observer can have seen; nothing is taken over then.
   */
  override async loadStateDict(dict: Readonly<Record<string, Tensor>>): Promise<void> {
    const fail = (why: string): never => {
      throw new StateError(`${this.displayName}: loadStateDict: ${why}; nothing was loaded`);
    };
    const unknown = Object.keys(dict).filter((key) => key !== "description" && key !== "state");
    if (unknown.length) fail(`unknown key ${shorten(unknown.join(", "))}`);
    const { description, state } = dict;
    if (!(description instanceof Tensor)) {
      return fail(`the key "description" is missing; is this an observer's state dict?`);
    }
    const saved = description.nbytes > MAX_DESCRIPTION_BYTES
      ? undefined
      : parseDescription(await description.bytes());
    if (!saved) return fail("the description is not one that an observer wrote");
    this.checkSignature(saved.signature, fail);
    if (saved.blocks > 0 && !(state instanceof Tensor)) fail(`the key "state" is missing`);
    if (state instanceof Tensor) {
      this.checkSize(saved, state, fail);
      const words = new Uint32Array((await state.bytes()).slice().buffer);
      this.checkWords(saved, words, fail);
    } else if (state !== undefined) fail("the state is no tensor");
    this.state?.dispose();
    this.state = saved.blocks > 0 ? state.clone().keep() : null;
    this.takeDescription(saved);
  }

  /** What is known of the batches. */
  private description(): StateDescription {
    return {
      signature: this.signature(),
      batches: this.batches,
      blocks: this.blocks,
      shape: this.observedShape,
      dtype: this.observedDtype?.name ?? null,
    };
  }

  /** Takes over what is known of the batches. */
  private takeDescription({ batches, blocks, shape, dtype }: StateDescription): void {
    this.batches = batches;
    this.blocks = blocks;
    this.observedShape = shape;
    this.observedDtype = dtype ? dtypes[dtype] : undefined;
  }

  /** Fails unless a state has the size that its description tells. Nothing is allocated on its word. */
  private checkSize(
    { blocks }: StateDescription,
    { nbytes, dtype }: Pick<Tensor, "nbytes" | "dtype">,
    fail: (why: string) => never,
  ): void {
    if (blocks === 0) fail(`there is a state, but the description tells of no values`);
    const expected = this.stateBytes(blocks);
    if (nbytes === expected && dtype === int32) return;
    fail(
      `the state of ${blocks} blocks takes ${expected} bytes of int32, but there are ` +
        `${nbytes} of ${dtype.name}`,
    );
  }

  /** Bytes that the state of so many blocks takes. */
  private stateBytes(blocks: number): number {
    const [one, two] = [1, 2].map((n) => this.emptyState(n).byteLength);
    return one + (blocks - 1) * (two - one);
  }

  /** Bytes that the state of one block takes, found out once. */
  private get bytesOfOneBlock(): number {
    const known = oneBlock.get(this.constructor) ?? this.stateBytes(1);
    oneBlock.set(this.constructor, known);
    return known;
  }

  /** Fails unless a state is one that this observer can have come to. */
  private checkWords(
    { blocks, batches }: StateDescription,
    words: Uint32Array,
    fail: (why: string) => never,
  ): void {
    const bad = words[2 * blocks];
    if (bad !== NO_BAD && bad >= batches) {
      fail(`of ${batches} batches, number ${bad} is said to hold a NaN or an infinity`);
    }
    const problem = bad === NO_BAD ? this.stateProblem(words, blocks) : undefined;
    if (problem) fail(`${problem}, which no observer comes to`);
  }

  /** Fails unless two signatures agree. */
  private checkSignature(other: string, fail: (why: string) => never): void {
    const [own, theirs] = [this.signature(), other].map((text) =>
      new Map<string, unknown>(Object.entries(JSON.parse(text)))
    );
    for (const key of new Set([...own.keys(), ...theirs.keys()])) {
      const [here, there] = [own, theirs].map((settings) => JSON.stringify(settings.get(key)));
      if (here !== there) {
        fail(`${shorten(key)} is ${shorten(here)} here and ${shorten(there)} there`);
      }
    }
  }

  /**
   * Takes in what another observer of the same kind and settings has seen, as if this one had seen
   * it after its own. Waits.
   *
   * @param other left as it is.
   * @throws {StateError} if kind, settings, or the shape of the ranges differ; this observer is then
   * left as it is.
   *
   * @example
   * ```ts
   * import { AffineQuantizedMinMaxObserver, MappingType, PerTensor, randn, uint8 } from "@staticquant/staticquant";
   * const make = () =>
   *   new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, { granularity: new PerTensor() });
   * const [a, b] = [make(), make()];
   * a.forward(randn([4, 8]));
   * b.forward(randn([4, 8]));
   * await a.merge(b); // the range of both
   * ```
   */
  async merge(other: RangeObserver): Promise<void> {
    const fail = (why: string): never => {
      throw new StateError(`${this.displayName}: merge: ${why}; nothing was merged`);
    };
    this.checkSignature(other.signature(), fail);
    const [own, theirs] = [await this.saved(), await other.saved()];
    const device = (this.state ?? other.state)?.device;
    const merged = this.mergeSaved(own, theirs, fail);
    if (merged.words) {
      this.state?.dispose();
      this.state = words(bytesOf(this.whole(merged)), device!);
    }
    this.takeDescription(merged);
  }

  /**
   * What was seen so far, on the host. Waits.
   *
   * @ignore
   */
  async saved(): Promise<SavedRange> {
    const words = this.state && new Uint32Array((await this.state.bytes()).slice().buffer);
    return { ...this.description(), words: words ?? undefined };
  }

  /**
   * What an observer of this kind and these settings has saved, once it was checked.
   *
   * @param description the bytes of the description.
   * @param state the words of the state; zeros at the end of one block's may be missing. They are left as they are, and
   * are not to change as long as the result is used.
   * @throws {StateError} as {@linkcode RangeObserver.loadStateDict}.
   * @ignore
   */
  parseSaved(description: Uint8Array, state: Uint32Array | undefined): SavedRange {
    return this.parseState(this.parseDescription(description), state);
  }

  /**
   * The description of a state that an observer of this kind and these settings has saved.
   *
   * @ignore
   */
  parseDescription(description: Uint8Array): StateDescription {
    const saved = description.byteLength > MAX_DESCRIPTION_BYTES
      ? undefined
      : parseDescription(description);
    if (!saved) return this.refuse("the description is not one that an observer wrote");
    this.checkSignature(saved.signature, (why) => this.refuse(why));
    return saved;
  }

  /**
   * A state that suits its description; the words are as for {@linkcode RangeObserver.parseSaved}.
   *
   * @ignore
   */
  parseState(saved: StateDescription, state: Uint32Array | undefined): SavedRange {
    const fail = (why: string) => this.refuse(why);
    if (!state) return saved.blocks === 0 ? saved : fail(`the key "state" is missing`);
    if (saved.blocks === 0) fail(`there is a state, but the description tells of no values`);
    const expected = saved.blocks === 1 ? this.bytesOfOneBlock : this.stateBytes(saved.blocks);
    const missing = expected / 4 - state.length;
    if (missing < 0 || missing > 0 && saved.blocks > 1) {
      fail(`the state takes ${expected} bytes, but there are ${state.byteLength}`);
    }
    // Those that are whole are taken over when they are merged.
    const words = missing === 0
      ? state.slice()
      : padded(state, Math.max(this.neededWords(), state.length));
    this.checkWords(saved, words, fail);
    return { ...saved, words };
  }

  /** Fails to load what was saved. */
  private refuse(why: string): never {
    throw new StateError(`${this.displayName}: ${why}; nothing was loaded`);
  }

  /** All words of a state, in a copy if some are missing. */
  private whole({ words, blocks }: SavedRange): Uint32Array {
    return padded(words!, (blocks === 1 ? this.bytesOfOneBlock : this.stateBytes(blocks)) / 4);
  }

  /**
   * What observers of this kind have seen together, the second after the first. The words of the first may be taken over
   * for that, which spares a copy; the second is left as it is.
   *
   * @ignore
   */
  mergeSaved(a: SavedRange, b: SavedRange, fail: (why: string) => never): SavedRange {
    const batches = a.batches + b.batches;
    if (batches >= NO_BAD) fail(`${batches} batches are more than can be counted`);
    if (!b.words) return { ...a, batches, words: a.words && this.joinEmpty(a, b.batches) };
    // Batches are counted on from the first's, so that a bad one can still be told.
    const at = 2 * b.blocks;
    const theirs = b.words[at] === NO_BAD ? b.words : b.words.slice();
    if (theirs[at] !== NO_BAD) theirs[at] += a.batches;
    if (!a.words) {
      const words = this.joinEmpty({ ...b, words: theirs.slice() }, a.batches);
      return { ...b, batches, words };
    }
    if (a.blocks !== b.blocks || !sameShape(a.shape, b.shape) && a.blocks > 1) {
      fail(`ranges of shape ${formatShape(a.shape)} here and ${formatShape(b.shape)} there`);
    }
    if (a.dtype !== b.dtype) fail(`${a.dtype} batches here and ${b.dtype} ones there`);
    const words = this.mergeStates(this.whole(a), theirs, a.blocks, [a.batches, b.batches]);
    return { ...a, batches, shape: shorter(a.shape, b.shape), words };
  }

  /**
   * Takes over what was checked before.
   *
   * @ignore
   */
  takeSaved(saved: SavedRange, device: Device): void {
    this.state?.dispose();
    this.state = saved.words ? words(bytesOf(this.whole(saved)), device) : null;
    this.takeDescription(saved);
  }
}

const NO_BAD = 0xffffffff;

/** Of the shapes that one range for all may have, the same in whatever order they came. */
function shorter(a: readonly number[], b: readonly number[]): readonly number[] {
  return b.length < a.length ? b : a;
}

/** Bytes that the state of one block takes, by the class of the observer. */
const oneBlock = new WeakMap<object, number>();

/** A description takes some hundred bytes; settings of a class of one's own may be longer. */
const MAX_DESCRIPTION_BYTES = 1 << 16;
/** Brackets in a description: more would be nested deeper than can be compared. */
const MAX_BRACKETS = 1000;
const MAX_RANK = 64;

/** Brings the minima, maxima and first bad batch of two states together, in the first. */
export function mergeMinMaxPrefix(a: Uint32Array, b: Uint32Array, blocks: number): void {
  for (let i = 0; i <= 2 * blocks; i++) {
    const least = i < blocks || i === 2 * blocks;
    a[i] = least ? Math.min(a[i], b[i]) : Math.max(a[i], b[i]);
  }
}

/** Words with zeros behind them, in a copy if there are to be any. */
function padded(words: Uint32Array, length: number): Uint32Array {
  if (words.length === length) return words;
  const all = new Uint32Array(length);
  all.set(words);
  return all;
}

function words(bytes: Uint8Array, device: Device): Tensor {
  return tensorFromBytes(bytes, { shape: [bytes.byteLength / 4], dtype: int32, device }).keep();
}

/** What a saved state says of itself. */
export interface StateDescription {
  /** Of which kind the observer is, and with which options it observes. */
  readonly signature: string;
  /** How many batches were observed. */
  readonly batches: number;
  /** How many blocks there are. */
  readonly blocks: number;
  /** Where the parameters of blocks lie. */
  readonly shape: readonly number[];
  /** The dtype observed; null before any batch. */
  readonly dtype: DTypeName | null;
}

/** What an observer has seen, on the host. */
export interface SavedRange extends StateDescription {
  /** The words of its state; none before any data. Zeros at the end of one block's may be missing. */
  readonly words?: Uint32Array;
}

/** The description of a saved state, as it is written. */
export function describe(
  { signature, batches, blocks, shape, dtype }: StateDescription,
): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify({ signature, batches, blocks, shape, dtype }));
}

function bytesOf({ buffer, byteOffset, byteLength }: Uint32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** The description in `bytes`, or undefined if it is not one. */
function parseDescription(bytes: Uint8Array): StateDescription | undefined {
  const text = new TextDecoder().decode(bytes);
  if (text.split(/[[{]/).length > MAX_BRACKETS) return undefined;
  try {
    const { signature, batches, blocks, shape, dtype } = JSON.parse(text);
    const settings = typeof signature === "string" ? JSON.parse(signature) : undefined;
    if (typeof settings !== "object" || settings === null || Array.isArray(settings)) {
      return undefined;
    }
    const isCount = (n: unknown) => Number.isSafeInteger(n) && (n as number) >= 0;
    // Batches are counted in 32 bits on the device.
    if (!isCount(batches) || batches >= NO_BAD || !isCount(blocks)) return undefined;
    if (!Array.isArray(shape) || shape.length > MAX_RANK || !shape.every(isCount)) return undefined;
    const known = typeof dtype === "string" && Object.hasOwn(dtypes, dtype)
      ? dtypes[dtype as DTypeName]
      : undefined;
    const valid = blocks === 0
      ? dtype === null && shape.length === 0
      : known?.isFloat && batches > 0 && numelOf(shape) === blocks;
    return valid ? { signature, batches, blocks, shape, dtype } : undefined;
  } catch (error) {
    // No JSON, or an object that lacks all of this.
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
}

/** A setting for a message. */
function shorten(text: string | undefined): string {
  return text === undefined ? "not told" : text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
