/**
 * Changing tensors of a model, all or none.
 *
 * @module
 */
import type { Module } from "../../nn/module.ts";
import { type DType, finfo } from "../../numbers/dtype.ts";
import { type Tensor, tensor } from "../../tensor/tensor.ts";

/** New numbers for tensor fields, gathered on the host until all are known. */
export class Edits {
  private readonly fields = new Map<
    Module,
    Map<string, { readonly old: Tensor; values: Float64Array; made?: Tensor }>
  >();

  /** The numbers of a field, to be changed in place. */
  async values(module: Module, field: string): Promise<Float64Array> {
    const fields = this.fields.get(module) ?? new Map();
    this.fields.set(module, fields);
    if (!fields.has(field)) {
      const old = (module as unknown as Record<string, Tensor>)[field];
      fields.set(field, { old, values: Float64Array.from(await old.data()) });
    }
    return fields.get(field).values;
  }

  /** The new tensors, made once. */
  *tensors(): Generator<{ module: Module; field: string; value: Tensor }> {
    for (const [module, fields] of this.fields) {
      for (const [field, entry] of fields) {
        const { old: { shape, dtype, device }, values } = entry;
        entry.made ??= tensor(values, { shape, dtype, device }).keep();
        yield { module, field, value: entry.made };
      }
    }
  }
}

/** The least SQNR in decibels that rounding alone explains in a dtype, with room for deep models. */
export function roundingFloor(dtype: DType): number {
  return -20 * Math.log10(finfo(dtype).eps) - 30;
}
