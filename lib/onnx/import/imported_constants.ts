import type { Backend } from "../../backend/backend.ts";
import { backendFor } from "../../backend/registry.ts";
import { type DType, dtypes } from "../../numbers/dtype.ts";
import { decode, encode } from "../../numbers/encoding.ts";
import { numelOf } from "../../numbers/shape.ts";
import { setKnownNumber } from "../../tensor/known_number.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { TensorProto } from "../file/proto.ts";
import { readTensor, tensorDims, tensorType } from "../file/tensor_data.ts";
import { constantType, type FloatType, importedNumbers } from "./node/element_types.ts";
import { hostNumbers } from "./node/host_values.ts";
import type { WeightForm } from "./node/operator_rule.ts";

/** Shape and element type of a constant. */
export interface ConstantType {
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/**
 * The constants of a model as tensors: on the host, on the device, or both, each made when it is first asked
 * for and once.
 */
export class ImportedConstants {
  private readonly protos = new Map<string, TensorProto>();
  private readonly folded = new Map<string, Tensor>();
  private readonly made = new Map<string, Tensor>();
  readonly host: Backend = backendFor("cpu");

  /**
   * No constants yet.
   *
   * @param backend where weights go.
   * @param float what float32 becomes.
   */
  constructor(readonly backend: Backend, private readonly float: FloatType) {}

  /** Takes note of a constant of the file, whose element type is one that tensors have here. */
  add(name: string, proto: TensorProto): void {
    this.protos.set(name, proto);
  }

  /** Takes note of a constant that was computed ahead, on the host. */
  addFolded(name: string, t: Tensor): void {
    this.folded.set(name, t);
  }

  /** Whether there is a constant of that name. */
  has(name: string): boolean {
    return this.protos.has(name) || this.folded.has(name);
  }

  /** Shape and type of a constant. */
  type(name: string): ConstantType | undefined {
    const folded = this.folded.get(name);
    if (folded) return folded;
    const proto = this.protos.get(name);
    return proto &&
      { shape: tensorDims(proto), dtype: constantType(tensorType(proto), this.float)! };
  }

  /** The numbers of a constant. */
  numbers(name: string): ArrayLike<number> {
    const folded = this.folded.get(name);
    return folded ? hostNumbers(folded) : importedNumbers(readTensor(this.protos.get(name)!).data);
  }

  /** A constant on the host. */
  onHost(name: string): Tensor {
    return this.folded.get(name) ?? this.on(this.host, name, "same");
  }

  /** A constant on the device. */
  onDevice(name: string, form: WeightForm = "same"): Tensor {
    return this.on(this.backend, name, form);
  }

  /** A tensor of the host on the device, in a form; the caller's own. */
  moved(t: Tensor, form: WeightForm = "same"): Tensor {
    return made(this.backend, hostNumbers(t), t, form);
  }

  private on(backend: Backend, name: string, form: WeightForm): Tensor {
    const key = JSON.stringify([backend.device, name, form]);
    const known = this.made.get(key);
    if (known) return known;
    const type = this.type(name)!;
    backend.checkFits(
      numelOf(type.shape) * type.dtype.itemSize,
      `constant ${JSON.stringify(name)}`,
    );
    const t = made(backend, this.numbers(name), type, form);
    this.made.set(key, t);
    return t;
  }
}

/** A tensor of numbers, in a form. */
function made(
  backend: Backend,
  numbers: ArrayLike<number>,
  { shape, dtype }: ConstantType,
  form: WeightForm,
): Tensor {
  const turned = form === "transposed";
  const bytes = encode(turned ? transposed(numbers, shape[0], shape[1]) : numbers, dtype);
  const sizes = turned ? [shape[1], shape[0]] : form === "flat" ? [numelOf(shape)] : shape;
  const t = new Tensor(backend, backend.upload(bytes), sizes, dtypes[dtype.name]);
  if (t.numel === 1) setKnownNumber(t, decode(bytes, dtype)[0]);
  return t;
}

/** A matrix with rows and columns swapped. */
function transposed(values: ArrayLike<number>, rows: number, columns: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      result[column * rows + row] = values[row * columns + column];
    }
  }
  return result;
}
