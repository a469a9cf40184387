import type { TensorShapeProto } from "./proto.ts";

/**
 * The sizes that a file states of a value: numbers, names of those that only a run tells, and nothing for those
 * that are not stated; nothing at all if not even their number is. A negative number, which some
 * exporters write where only a run tells, states no size, as onnxruntime has it too; nor does a number
 * that no tensor can have. A 0 is a size.
 */
export function valueDims(
  shape: TensorShapeProto | undefined,
): (number | string | undefined)[] | undefined {
  return shape?.dim.map(({ value }) => {
    if (value.case !== "dimValue") return value.value || undefined;
    const size = Number(value.value);
    return size >= 0 && Number.isSafeInteger(size) ? size : undefined;
  });
}
