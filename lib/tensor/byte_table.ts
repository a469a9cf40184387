/**
 * Any function of one byte as a table of the 256 bytes that it gives: made on the host, once, by the very
 * functions that compute on floats.
 *
 * @module
 */
import type { CpuBackend } from "../backend/cpu/backend.ts";
import type { Device } from "../backend/backend.ts";
import { backendFor } from "../backend/registry.ts";
import { checkDType, checkOptions, given } from "../numbers/arguments.ts";
import { type DType, int8, uint8 } from "../numbers/dtype.ts";
import { formatShape } from "../numbers/shape.ts";
import { type ByteParams, checkBytes, checkParams } from "./byte_params.ts";
import { Formula } from "./formula.ts";
import { dequantizeLinear, quantizeLinear } from "./quantize_linear.ts";
import { checkTensor, type Tensor, tensorFromBytes, tidy } from "./tensor.ts";

/** Options of {@linkcode byteTable}. */
export interface ByteTableOptions {
  /** What the bytes that are looked up stand for. */
  x: ByteParams;
  /** What the bytes that are found stand for. */
  y: ByteParams;
  /** The dtype of the bytes that are looked up, uint8 or int8; uint8 by default. */
  dtype?: DType;
  /** That of the bytes that are found; the same by default. */
  outputDtype?: DType;
  /** Where the table is wanted; by default what {@linkcode init} chose. */
  device?: Device;
}

/** All bytes in order, as tables have them. */
const ALL = Uint8Array.from({ length: 256 }, (_, i) => i);

/**
 * The table of a function: for each byte, the one that `quantizeLinear(fn(dequantizeLinear(x)))` gives, as
 * onnxruntime has QLinearSigmoid, QLinearLeakyRelu, and what it fuses into them. Computed at once, on the CPU.
 *
 * @param fn a function of a float32 tensor, element by element, such as a layer's forward.
 * @returns 256 bytes: byte `b` of an unsigned dtype stands at `b`, that of a signed one at `b & 255`.
 * @throws {RangeError} if a parameter is none, or `fn` gives another shape.
 * @throws {TypeError} if `fn` is no function of tensors, or a dtype not one of bytes.
 *
 * @example
 * ```ts
 * import { byteTable, hardswish, lookup, tensor, uint8 } from "@staticquant/staticquant";
 * const params = { scale: 0.5, zeroPoint: 8 };
 * const table = byteTable((x) => hardswish(x), { x: params, y: params });
 * console.log(await lookup(tensor([2, 8, 20], { dtype: uint8 }), table).data()); // [ 8, 8, 20 ]
 * ```
 */
export function byteTable(fn: (x: Tensor) => Tensor, options: ByteTableOptions): Tensor {
  const where = "byteTable";
  if (typeof fn !== "function") {
    throw new TypeError(`${where}: expected a function of a tensor, got ${given(fn)}`);
  }
  checkOptions(where, options ?? null, ["x", "y", "dtype", "outputDtype", "device"]);
  const { dtype = uint8, outputDtype = dtype, device } = options;
  for (const each of [dtype, outputDtype]) {
    checkDType(where, "dtype", each);
    if (each === uint8 || each === int8) continue;
    throw new TypeError(`${where}: a table is of uint8 or int8, got ${each.name}`);
  }
  const x = checkParams(where, "x", options.x, dtype);
  const y = checkParams(where, "y", options.y, outputDtype);
  const cpu = backendFor("cpu");
  const bytes = tidy(() => {
    const all = tensorFromBytes(ALL, { shape: [256], dtype, device: "cpu" });
    const values = fn(dequantizeLinear(all, x));
    checkTensor(where, values);
    if (values.numel !== 256 || values.backend !== cpu) {
      throw new RangeError(
        `${where}: the function must give a tensor of the shape and device of its input, (256,) on the ` +
          `CPU, got ${values}`,
      );
    }
    const found = quantizeLinear(values, { ...y, dtype: outputDtype });
    return (cpu as CpuBackend).view(found.operand.buffer).slice();
  });
  return tensorFromBytes(bytes, { shape: [256], dtype: outputDtype, device });
}

/**
 * For each byte of `x` the byte that a table has for it. Enqueued.
 *
 * @param x uint8 or int8, of any shape.
 * @param table 256 bytes, as {@linkcode byteTable} gives them.
 * @returns the shape of `x`, the dtype of the table.
 * @throws {RangeError} if the table has another size.
 * @throws {TypeError} if one of them holds no bytes.
 * @throws {Error} if they live on different devices.
 *
 * @example
 * ```ts
 * import { lookup, tensor, uint8 } from "@staticquant/staticquant";
 * const negative = tensor(Uint8Array.from({ length: 256 }, (_, i) => 255 - i), { dtype: uint8 });
 * console.log(await lookup(tensor([0, 7], { dtype: uint8 }), negative).data()); // [ 255, 248 ]
 * ```
 */
export function lookup(x: Tensor, table: Tensor): Tensor {
  checkBytes("lookup", x);
  checkBytes("lookup: the table", table);
  if (table.ndim !== 1 || table.numel !== 256) {
    throw new RangeError(
      `lookup: a table has 256 bytes, one for each, got shape ${formatShape(table.shape)}`,
    );
  }
  const formula = new Formula("lookup");
  const byte = formula.read(x, "int");
  formula.apply("lookup", formula.table(table), byte);
  return formula.result(table.dtype);
}
