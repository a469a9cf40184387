/**
 * Tensors: numbers of one dtype and shape in the memory of a device.
 *
 * @module
 */
import { plainBytes } from "../numbers/plain_bytes.ts";
import type { Backend, Device, DeviceBuffer, Operand } from "../backend/backend.ts";
import { type ChannelsLast, sameInBoth } from "../backend/channels_last.ts";
import type { Expression } from "../backend/expression.ts";
import { backendFor, checkDevice } from "../backend/registry.ts";
import { checkDType, checkOptions, given } from "../numbers/arguments.ts";
import { type DType, finfo, float32, int8, uint8 } from "../numbers/dtype.ts";
import { decode, encode, type NumberArray, type TypedArray } from "../numbers/encoding.ts";
import { type NestedNumbers, numbersOf } from "./nested_numbers.ts";
import { nextNormal, nextUniform } from "./random.ts";
import { checkShape, formatShape, numelOf, sameShape } from "../numbers/shape.ts";

/** Shared by the tensors that view the same memory; the last one to go frees it. */
class Storage {
  /** Whether it was made while a recording was under way, and has contents only in its replays. */
  readonly recorded: boolean;
  owners = 0;

  constructor(readonly backend: Backend, readonly buffer: DeviceBuffer) {
    this.recorded = backend.isRecording;
  }
}

/** In which order elements lie in memory. */
export type Layout = "contiguous" | "channels last";

/** The memory of a tensor, at least one: the same elements in the layouts that were asked for. */
type Forms = Partial<Record<Layout, Storage>>;

function leave(forms: Forms): void {
  for (const layout of ["contiguous", "channels last"] as const) {
    const storage = forms[layout];
    if (!storage) continue;
    if (--storage.owners === 0) storage.backend.release(storage.buffer);
    forms[layout] = undefined;
  }
}

/** What the bytes of a quantized tensor stand for: `(byte − zeroPoint)·scale`. */
export interface BytesOfTensor {
  /** The distance between neighbours, a positive float32. */
  readonly scale: number;
  /** The byte that stands for 0. */
  readonly zeroPoint: number;
  /** The least byte that there can be; the dtype's by default. */
  readonly quantMin?: number;
  /** The greatest byte that there can be; the dtype's by default. */
  readonly quantMax?: number;
}

/** Bytes that floats are kept as. */
class Quantized {
  /**
   * @param bytes in the tensor's order, maybe in another shape; its owner disposes of it.
   * @param params what they stand for.
   */
  constructor(readonly bytes: Tensor, readonly params: Required<BytesOfTensor>) {}

  /** The same bytes for another tensor. */
  view(): Quantized {
    return new Quantized(this.bytes.reshape(this.bytes.shape).keep(), this.params);
  }

  /** The floats, as an expression of the bytes. */
  get floats(): Expression {
    const { zeroPoint, scale } = this.params;
    return {
      steps: [["sub", "x0", "i0"], ["float", "t0"], ["mul", "t1", "f1"]],
      constants: [zeroPoint, scale],
    };
  }
}

/** Catches the tensors that nobody disposed of. */
const forgotten = new FinalizationRegistry(leave);

/**
 * The tensor that was made last, unless it was disposed of: most are before there is another, and nobody needs to be asked
 * to catch them.
 */
let newest: Tensor | undefined;

/** Its shape, which is frozen: those of a loop are mostly the same, and asking takes longer. */
let lastShape: readonly number[] = Object.freeze([]);

/** Tensors that no {@linkcode tidy} may free. */
const kept = new WeakSet<Tensor>();

/** Tensors made since the innermost {@linkcode tidy} began. */
let scope: Set<Tensor> | undefined;

/**
 * An array of numbers on a device, in row-major order as far as anyone can see: one of rank 2 or more may
 * be kept with its channels last, as convolutions read and write it. Operations on it are enqueued at once and
 * return at once; only {@linkcode Tensor.data} and what is built on it wait. A tensor's numbers do
 * not change.
 *
 * Device memory is freed by `dispose()` or a `using` declaration, and by the garbage collector for
 * whatever was left.
 *
 * @example
 * ```ts
 * import { tensor } from "@staticquant/staticquant";
 * using x = tensor([1, 2, 3, 4], { shape: [2, 2] });
 * console.log(x.shape, await x.data()); // [ 2, 2 ] Float32Array [ 1, 2, 3, 4 ]
 * ```
 */
export class Tensor implements Disposable {
  /** The class's name, whatever a minifier makes of it. */
  static readonly name: string = "Tensor";

  /** Sizes of the dimensions. */
  readonly shape: readonly number[];
  /** The element type. */
  readonly dtype: DType;
  private readonly forms: Forms = {};
  private readonly home: Backend;
  private quantized?: Quantized;
  private gone = false;
  /** What was made of it and is freed with it. */
  private made?: Disposable[];

  /**
   * Wraps a buffer; most users call {@linkcode tensor}, {@linkcode zeros} or {@linkcode randn}.
   *
   * @param backend where `buffer` lives.
   * @param buffer memory that the tensor now owns, or another tensor's storage to share.
   * @param shape sizes of the dimensions.
   * @param dtype the element type.
   */
  constructor(
    backend: Backend,
    buffer: DeviceBuffer | Tensor | Storage | Quantized,
    shape: readonly number[],
    dtype: DType,
  ) {
    if (shape !== lastShape && !Object.isFrozen(shape)) shape = Object.freeze([...shape]);
    this.shape = lastShape = shape;
    this.dtype = dtype;
    this.home = backend;
    if (buffer instanceof Tensor) this.share(buffer);
    else if (buffer instanceof Quantized) this.quantized = buffer;
    else {
      this.own("contiguous", buffer instanceof Storage ? buffer : new Storage(backend, buffer));
    }
    if (newest) forgotten.register(newest, newest.forms, newest);
    newest = this;
    scope?.add(this);
  }

  /**
   * Wraps a buffer in which channels are last, of a tensor (N, C, …).
   *
   * @param backend where `buffer` lives.
   * @param buffer memory that the tensor now owns.
   * @param shape sizes of the dimensions, at least two.
   * @param dtype the element type.
   */
  static channelsLast(
    backend: Backend,
    buffer: DeviceBuffer | Storage,
    shape: readonly number[],
    dtype: DType,
  ): Tensor {
    const t = new Tensor(backend, buffer, shape, dtype);
    const storage = t.forms.contiguous!;
    t.forms["channels last"] = storage;
    if (sameInBoth(shape, dtype)) storage.owners++;
    else delete t.forms.contiguous;
    return t;
  }

  /**
   * A tensor that has another's memory as its own: what lies there in one layout of `x` lies there in `layout`
   * of the new shape. Without a copy only where no zeros fill up rows.
   */
  static view(
    x: Tensor,
    [from, layout]: readonly [from: Layout, layout: Layout],
    shape: readonly number[],
  ): Tensor {
    const storage = x.form(from);
    return layout === "contiguous"
      ? new Tensor(x.home, storage, shape, x.dtype)
      : Tensor.channelsLast(x.home, storage, shape, x.dtype);
  }

  /**
   * A tensor of floats that is kept as bytes, as PyTorch's quantized tensors: `(byte − zeroPoint)·scale`, rounded
   * once to the dtype. Layers that compute with bytes take these as they are; for all others the floats are made
   * when they are first asked for.
   *
   * @param bytes uint8 or int8, whose memory is shared, in the tensor's order.
   * @param params what a byte stands for, and the tensor's shape (that of the bytes by default) and dtype (float32).
   * @throws {TypeError} if these are no bytes, or the dtype is no float one.
   *
   * @example
   * ```ts
   * import { Tensor, tensor, uint8 } from "@staticquant/staticquant";
   * const x = Tensor.fromBytes(tensor([8, 10], { dtype: uint8 }), { scale: 0.5, zeroPoint: 10 });
   * console.log(await x.data(), x.isQuantized, x.qScale(), x.qZeroPoint()); // [ -1, 0 ] true 0.5 10
   * ```
   */
  static fromBytes(
    bytes: Tensor,
    params: BytesOfTensor & { readonly shape?: readonly number[]; readonly dtype?: DType },
  ): Tensor {
    const { scale, zeroPoint, shape = bytes.shape, dtype = float32 } = params;
    const { quantMin = bytes.dtype.min, quantMax = bytes.dtype.max } = params;
    if (bytes.dtype !== uint8 && bytes.dtype !== int8 || !dtype.isFloat) {
      throw new TypeError(
        `Tensor.fromBytes: bytes of uint8 or int8 stand for floats, got ${bytes.dtype.name} for ${dtype.name}`,
      );
    }
    const held = new Quantized(bytes, { scale, zeroPoint, quantMin, quantMax }).view();
    return new Tensor(bytes.backend, held, shape, dtype);
  }

  /** Takes part in a storage. */
  private own(layout: Layout, storage: Storage): Storage {
    storage.owners++;
    return this.forms[layout] = storage;
  }

  /** Takes part in the memory of a tensor with the same elements in the same order. */
  private share(other: Tensor): void {
    const { shape, forms, quantized } = other.live();
    if (quantized) {
      this.quantized = quantized.view();
      return;
    }
    const [n, c] = this.shape;
    const rows = forms["channels last"];
    const samePixels = this.ndim > 1 && shape[0] === n && shape[1] === c;
    if (rows && samePixels) this.own("channels last", rows);
    // Where the rows say it all, the other form is made when it is asked for.
    if (forms.contiguous || !samePixels) this.own("contiguous", other.form("contiguous"));
  }

  /** This tensor, or an error if it was given up. */
  private live(): this {
    if (this.gone) {
      throw new Error(
        `This ${this.dtype.name} tensor of shape ${formatShape(this.shape)} was disposed; ` +
          `clone() it before disposing, or drop the \`using\` that ended its life`,
      );
    }
    return this;
  }

  /** The memory in one layout, brought into it if need be. */
  private form(layout: Layout): Storage {
    const { forms, home, shape, dtype, quantized } = this.live();
    const there = forms[layout];
    if (there) return there;
    const [other] = Object.values(forms);
    if (!other) return this.floats(layout, quantized!);
    if (layout === "channels last" && sameInBoth(shape, dtype)) return this.own(layout, other);
    const operand = { buffer: other.buffer, dtype, shape };
    const made = new Storage(
      home,
      layout === "contiguous"
        ? home.toContiguous({ ...operand, layout: "channels last" })
        : home.toChannelsLast(operand),
    );
    // What only a replay fills must not stay with a tensor that outlives the recording.
    return made.recorded === other.recorded ? this.own(layout, made) : made;
  }

  /** The floats that bytes stand for, in one layout. */
  private floats(layout: Layout, { floats }: Quantized): Storage {
    const { home, shape, dtype } = this;
    using bytes = this.intRepr();
    const made = new Storage(
      home,
      layout === "channels last"
        ? home.pointwise(floats, [bytes.channelsLast], shape, dtype, layout)
        : home.pointwise(floats, [bytes.operand], shape, dtype),
    );
    const [{ recorded }] = Object.values(bytes.forms);
    return made.recorded === recorded ? this.own(layout, made) : made;
  }

  /** Whether its floats are kept as bytes, as PyTorch's `is_quantized`. */
  get isQuantized(): boolean {
    return this.live().quantized !== undefined;
  }

  /** The bytes that floats are kept as, and what they stand for. */
  private bytesAndParams(): Quantized {
    const { quantized } = this.live();
    if (quantized) return quantized;
    throw new TypeError(`${this}: the tensor is not quantized; ask isQuantized first`);
  }

  /**
   * The bytes of a quantized tensor, as PyTorch's `int_repr`: a view, of uint8 or int8. Enqueued.
   *
   * @param shape in which they are wanted; the tensor's by default.
   * @throws {TypeError} if it is not quantized.
   */
  intRepr(shape: readonly number[] = this.shape): Tensor {
    return this.bytesAndParams().bytes.reshape(shape);
  }

  /** The dtype of the bytes of a quantized tensor. @throws {TypeError} if it is not quantized. */
  qDtype(): DType {
    return this.bytesAndParams().bytes.dtype;
  }

  /** What the bytes of a quantized tensor stand for. @throws {TypeError} if it is not quantized. */
  qParams(): Required<BytesOfTensor> {
    return this.bytesAndParams().params;
  }

  /** The distance between neighbours of a quantized tensor. @throws {TypeError} if it is not quantized. */
  qScale(): number {
    return this.qParams().scale;
  }

  /** The byte that stands for 0 in a quantized tensor. @throws {TypeError} if it is not quantized. */
  qZeroPoint(): number {
    return this.qParams().zeroPoint;
  }

  /** The number of elements. */
  get numel(): number {
    return numelOf(this.shape);
  }

  /** The number of dimensions. */
  get ndim(): number {
    return this.shape.length;
  }

  /** Bytes that the elements take. */
  get nbytes(): number {
    return this.numel * this.dtype.itemSize;
  }

  /** The device that holds the elements. */
  get device(): Device {
    return this.home.device;
  }

  /** Whether the memory was given back. */
  get disposed(): boolean {
    return this.gone;
  }

  /** The backend that computes on this tensor. @throws {Error} if it was disposed. */
  get backend(): Backend {
    return this.live().home;
  }

  /** The memory, contiguous, as backends take it. @throws {Error} if it was disposed. */
  get operand(): Operand {
    return { buffer: this.form("contiguous").buffer, dtype: this.dtype, shape: this.shape };
  }

  /** The memory with channels last, for a shape (N, C, …). @throws {Error} if it was disposed. */
  get channelsLast(): ChannelsLast {
    const { shape, dtype } = this;
    if (shape.length < 2) {
      throw new RangeError(
        `channelsLast: a tensor with channels has shape (N, C, …), got ${formatShape(shape)}`,
      );
    }
    return { buffer: this.form("channels last").buffer, dtype, shape, layout: "channels last" };
  }

  /** Whether the elements lie in memory with channels last, so that asking for them copies nothing. */
  get isChannelsLast(): boolean {
    const { forms, quantized, shape } = this.live();
    if (forms["channels last"]) return true;
    return !forms.contiguous && sameShape(quantized!.bytes.shape, shape) &&
      quantized!.bytes.isChannelsLast;
  }

  /** Frees the memory, unless a view of it is still alive. Doing so twice is harmless. */
  dispose(): void {
    if (this.gone) return;
    this.gone = true;
    scope?.delete(this);
    if (newest === this) newest = undefined;
    else forgotten.unregister(this);
    leave(this.forms);
    this.quantized?.bytes.dispose();
    this.made?.forEach((each) => each[Symbol.dispose]());
  }

  /**
   * Has something that was made of the tensor, and is of no use without it, freed with it.
   *
   * @ignore
   */
  freeWith<Made extends Disposable>(made: Made): Made {
    (this.made ??= []).push(made);
    return made;
  }

  /** The same as {@linkcode Tensor.dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /**
   * Waits for the elements and copies them to the host: a Float32Array for every float dtype (it
   * holds float16 and bfloat16 exactly), else the integer array of the dtype's width.
   *
   * @throws {Error} if the tensor was disposed or the device was lost.
   */
  async data(): Promise<TypedArray> {
    return decode(await this.bytes(), this.dtype);
  }

  /** Waits for the elements and copies their bytes, in the dtype's own layout, to the host. */
  async bytes(): Promise<Uint8Array> {
    return await this.backend.read(this.operand.buffer);
  }

  /**
   * Waits for the only element.
   *
   * @throws {RangeError} if there is not exactly one.
   */
  async item(): Promise<number> {
    if (this.numel !== 1) {
      throw new RangeError(
        `item: a tensor of shape ${formatShape(this.shape)} has ${this.numel} elements, not one; ` +
          `use data()`,
      );
    }
    return (await this.data())[0];
  }

  /** The numbers in another dtype; the tensor itself if it has that one. Enqueued. */
  to(dtype: DType): Tensor;
  /** The numbers on another device; the tensor itself if it is there. */
  to(device: Device): Promise<Tensor>;
  to(target: DType | Device): Tensor | Promise<Tensor> {
    if (target === this.dtype) return this;
    if (typeof target === "string") return this.toDevice(checkDevice("to", target));
    checkDType("to", "the target", target);
    const { backend } = this;
    return new Tensor(backend, backend.cast(this.operand, target), this.shape, target);
  }

  /** Goes through the host. */
  private async toDevice(device: Device): Promise<Tensor> {
    const backend = backendFor(device);
    if (backend === this.backend) return this;
    return new Tensor(backend, backend.upload(await this.bytes()), this.shape, this.dtype);
  }

  /**
   * A view of the same elements in another shape, given as sizes or as a list of them; one size may be
   * −1, to be found out.
   *
   * @throws {RangeError} if the number of elements differs.
   */
  reshape(...sizes: number[] | [readonly number[]]): Tensor {
    const [first] = sizes;
    const shape = (Array.isArray(first) ? first : sizes) as readonly number[];
    const known = shape.filter((size) => size !== -1);
    const whole = known.length === shape.length - 1
      ? shape.map((size) => size === -1 ? this.numel / numelOf(known) : size)
      : shape;
    if (
      numelOf(whole) !== this.numel || !whole.every((size) => Number.isInteger(size) && size >= 0)
    ) {
      throw new RangeError(
        `reshape: shape ${
          formatShape(this.shape)
        } holds ${this.numel} elements, which do not fill ` +
          `${formatShape(shape)}`,
      );
    }
    return new Tensor(this.backend, this, whole, this.dtype);
  }

  /** Takes this tensor out of every enclosing {@linkcode tidy}: it is meant to outlive them. */
  keep(): this {
    kept.add(this);
    return this;
  }

  /** A copy in memory of its own. */
  clone(): Tensor {
    const { forms, home, shape, dtype, quantized } = this.live();
    if (quantized) {
      using copy = quantized.bytes.clone();
      return Tensor.fromBytes(copy, { ...quantized.params, shape, dtype });
    }
    if (forms.contiguous) return new Tensor(home, home.copy(forms.contiguous.buffer), shape, dtype);
    return Tensor.channelsLast(home, home.copy(forms["channels last"]!.buffer), shape, dtype);
  }

  /**
   * Refuses JavaScript's operators, which would make text or NaN of tensors; in templates, and for
   * `String(t)`, a tensor is what {@linkcode Tensor.toString} says.
   *
   * @throws {TypeError} unless text is asked for.
   */
  [Symbol.toPrimitive](hint: string): string {
    if (hint === "string") return this.toString();
    throw new TypeError(
      `${this}: JavaScript's operators do not compute on tensors; use functions, such as add(a, b), ` +
        `sub(a, b), mul(a, b), eq(a, b) or lt(a, b), and \`await t.item()\` for a number`,
    );
  }

  /** What kind of tensor this is; its elements are shown by {@linkcode Tensor.data}. */
  toString(): string {
    const state = this.gone ? "disposed" : this.device;
    return `Tensor(shape=[${this.shape.join(", ")}], dtype=${this.dtype.name}, device=${state})`;
  }
}

/** Throws a TypeError unless `value`, an input of `where`, is a Tensor. */
export function checkTensor(where: string, value: unknown): asserts value is Tensor {
  if (value instanceof Tensor) return;
  const numbers = Array.isArray(value) || ArrayBuffer.isView(value);
  throw new TypeError(
    `${where}: the input must be a Tensor, got ${given(value)}` +
      (numbers ? "; make it one with tensor(…)" : ""),
  );
}

/** Options of the functions that make tensors. */
export interface TensorOptions {
  /** The element type; float32 by default. */
  dtype?: DType;
  /** The device; by default what {@linkcode init} chose. */
  device?: Device;
}

/**
 * A tensor of the given numbers.
 *
 * @param data a number, a typed array, or lists nested as deep as the shape; true counts as 1, false as 0,
 * and a BigInt as the number nearest to it. Floats are rounded to the dtype, to nearest even; integers
 * must lie in its range.
 * @param options the shape (that of `data` by default), dtype and device.
 * @throws {RangeError} if `data` does not fill the shape, is ragged, or leaves an integer dtype.
 * @throws {TypeError} if an element is no number, such as text or a hole in a list; the message says where.
 *
 * @example
 * ```ts
 * import { tensor, uint8 } from "@staticquant/staticquant";
 * const a = tensor([[1, 2, 3], [4, 5, 6]]); // float32, shape (2, 3)
 * const b = tensor(new Uint8Array(6), { shape: [2, 3], dtype: uint8 });
 * console.log(String(a), String(b));
 * ```
 */
export function tensor(
  data: NestedNumbers | NumberArray,
  options: TensorOptions & { shape?: readonly number[] } = {},
): Tensor {
  checkOptions("tensor", options, ["shape", "dtype", "device"]);
  const { dtype = float32, device } = options;
  checkDType("tensor", "dtype", dtype);
  const { values, shape: found } = numbersOf("tensor", data);
  const shape = options.shape ?? found;
  checkShape(shape, "tensor");
  if (values.length !== numelOf(shape)) {
    throw new RangeError(
      `tensor: ${values.length} numbers do not fill shape ${formatShape(shape)}, which holds ${
        numelOf(shape)
      }`,
    );
  }
  if (!dtype.isFloat) checkIntegers(values, dtype);
  return upload(encode(values, dtype), shape, dtype, device);
}

function checkIntegers(values: NumberArray, dtype: DType): void {
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (!Number.isInteger(value) || value < dtype.min || value > dtype.max) {
      throw new RangeError(
        `tensor: element ${i} is ${value}, but ${dtype.name} holds integers from ${dtype.min} to ${dtype.max}`,
      );
    }
  }
}

function upload(
  bytes: Uint8Array,
  shape: readonly number[],
  dtype: DType,
  device: Device | undefined,
): Tensor {
  const backend = backendFor(device);
  return new Tensor(backend, backend.upload(bytes), shape, dtype);
}

/**
 * A tensor of elements given as bytes in the dtype's own layout, little-endian.
 *
 * @throws {RangeError} if the bytes do not fill the shape.
 *
 * @example
 * ```ts
 * import { bfloat16, tensorFromBytes } from "@staticquant/staticquant";
 * const one = tensorFromBytes(new Uint8Array([0x80, 0x3f]), { shape: [1], dtype: bfloat16 });
 * console.log(await one.item()); // 1
 * ```
 */
export function tensorFromBytes(
  bytes: Uint8Array,
  options: TensorOptions & { shape: readonly number[] },
): Tensor {
  const where = "tensorFromBytes";
  checkOptions(where, options, ["shape", "dtype", "device"]);
  const { shape, dtype = float32, device } = options;
  if (!(bytes instanceof Uint8Array)) {
    throw new TypeError(`${where}: the bytes must be a Uint8Array, got ${given(bytes)}`);
  }
  checkDType(where, "dtype", dtype);
  checkShape(shape, where);
  if (bytes.byteLength !== numelOf(shape) * dtype.itemSize) {
    throw new RangeError(
      `tensorFromBytes: ${bytes.byteLength} bytes do not fill shape ${formatShape(shape)} of ` +
        `${dtype.name}, which takes ${numelOf(shape) * dtype.itemSize}`,
    );
  }
  return upload(plainBytes(bytes), shape, dtype, device);
}

/** A tensor of `fill`'s numbers; what cannot be on the device is refused before anything is made. */
function filled(
  where: string,
  shape: readonly number[],
  options: TensorOptions,
  fill: (values: Float32Array) => unknown,
): Tensor {
  const { dtype = float32, device } = options;
  checkDType(where, "dtype", dtype);
  checkShape(shape, where);
  const numel = numelOf(shape);
  backendFor(device).checkFits(numel * dtype.itemSize, where);
  const values = new Float32Array(numel);
  fill(values);
  return tensor(values, { dtype, device, shape });
}

const FILLED = ["dtype", "device"];

/** Puts the numbers of a stream into `values`. */
function draw(values: Float32Array, next: () => number): void {
  for (let i = 0; i < values.length; i++) values[i] = next();
}

/**
 * A tensor of zeros.
 *
 * @example
 * ```ts
 * import { zeros } from "@staticquant/staticquant";
 * console.log(await zeros([2]).data()); // Float32Array [ 0, 0 ]
 * ```
 */
export function zeros(shape: readonly number[], options: TensorOptions = {}): Tensor {
  checkOptions("zeros", options, FILLED);
  return filled("zeros", shape, options, () => {});
}

/**
 * A tensor of ones.
 *
 * @example
 * ```ts
 * import { ones } from "@staticquant/staticquant";
 * console.log(await ones([2]).data()); // Float32Array [ 1, 1 ]
 * ```
 */
export function ones(shape: readonly number[], options: TensorOptions = {}): Tensor {
  checkOptions("ones", options, FILLED);
  return filled("ones", shape, options, (values) => values.fill(1));
}

/**
 * A tensor drawn from the standard normal distribution, by the stream of {@linkcode manualSeed}.
 *
 * @example
 * ```ts
 * import { bfloat16, randn } from "@staticquant/staticquant";
 * console.log(String(randn([1, 64], { dtype: bfloat16 })));
 * ```
 */
export function randn(shape: readonly number[], options: TensorOptions = {}): Tensor {
  checkOptions("randn", options, FILLED);
  return filled("randn", shape, options, (values) => draw(values, nextNormal));
}

/**
 * A tensor drawn uniformly from [low, high), by default [0, 1), by the stream of
 * {@linkcode manualSeed}.
 *
 * @example
 * ```ts
 * import { rand } from "@staticquant/staticquant";
 * console.log(String(rand([3])));
 * ```
 */
export function rand(
  shape: readonly number[],
  options: TensorOptions & { low?: number; high?: number } = {},
): Tensor {
  checkOptions("rand", options, [...FILLED, "low", "high"]);
  const { low = 0, high = 1, dtype = float32 } = options;
  checkDType("rand", "dtype", dtype);
  // As many bits as the dtype's mantissa holds, so that none is rounded up to 1.
  const levels = 1 / finfo(dtype).eps * 2;
  const next = () => low + (high - low) * (Math.floor(nextUniform() * levels) / levels);
  return filled("rand", shape, options, (values) => draw(values, next));
}

/**
 * Runs `fn` and frees every tensor made inside it but those it returns: alone, or anywhere in what it
 * returns, such as lists, objects, Maps and Sets of any depth. For models whose `forward` makes tensors
 * on the way.
 *
 * @param fn synchronous, since what others do meanwhile must not be swept up.
 * @throws {TypeError} if `fn` is no function, or gives a Promise.
 *
 * @example
 * ```ts
 * import { Linear, randn, tidy } from "@staticquant/staticquant";
 * const layer = new Linear(4, 4);
 * using y = tidy(() => layer.forward(layer.forward(randn([1, 4]))));
 * console.log(y.shape); // [ 1, 4 ]
 * ```
 */
export function tidy<T>(fn: () => T): T {
  if (typeof fn !== "function") {
    throw new TypeError(`tidy: expected a function to run, got ${given(fn)}`);
  }
  if (Object.prototype.toString.call(fn) === "[object AsyncFunction]") throw asynchronous();
  const outer = scope;
  const made = new Set<Tensor>();
  scope = made;
  let result: T | undefined;
  try {
    result = fn();
  } finally {
    scope = outer;
    const pending = isPromise(result);
    // What waits goes on with its tensors; the garbage collector frees them.
    const returned = pending ? made : tensorsIn(result, made);
    for (const t of made) {
      if (kept.has(t)) continue;
      if (!returned.has(t)) t.dispose();
      else if (!pending) outer?.add(t);
    }
  }
  if (!isPromise(result)) return result;
  result.catch(() => {}); // told of the mistake already
  throw asynchronous();
}

function asynchronous(): TypeError {
  return new TypeError(
    "tidy: the function is asynchronous, but what others make while it waits must not be freed; await " +
      "outside of tidy, or free what it makes with `using` or dispose()",
  );
}

function isPromise(value: unknown): value is Promise<unknown> {
  return value instanceof Promise;
}

/** Those of `wanted` that lie anywhere in `value`. */
function tensorsIn(value: unknown, wanted: ReadonlySet<Tensor>): Set<Tensor> {
  const found = new Set<Tensor>();
  const seen = new Set<unknown>();
  const open = [value];
  while (open.length && found.size < wanted.size) {
    const at = open.pop();
    if (typeof at !== "object" || at === null || seen.has(at)) continue;
    seen.add(at);
    if (at instanceof Tensor) {
      if (wanted.has(at)) found.add(at);
    } else if (at instanceof Map) open.push(...at.keys(), ...at.values());
    else if (at instanceof Set) open.push(...at);
    else if (!ArrayBuffer.isView(at)) open.push(...Object.values(at));
  }
  return found;
}
