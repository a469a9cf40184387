/**
 * Softmax, LogSoftmax and Hardmax at 13.
 *
 * @module
 */
import { intOf } from "../file/attributes.ts";
import type { UpgradeRule } from "./rewriter.ts";

/**
 * Before 13 all dimensions from the axis on were one, and the axis was 1 unless given; from 13 on an axis
 * is one dimension, and the last unless given. Both are the same if every dimension after the axis
 * has one element; otherwise, or if that is not known, the input is flattened for the while.
 */
export const flattenedAxis: UpgradeRule = (node, rewriter) => {
  const axis = intOf(node, "axis", 1);
  const [input] = node.input;
  const [output] = node.output;
  const dims = rewriter.facts.dims(input);
  const single = axis === -1 || dims &&
      dims.slice(axis < 0 ? axis + dims.length : axis).slice(1).every((dim) => dim === 1);
  if (single) {
    rewriter.set(node, "axis", { i: axis });
    return;
  }
  const shape = rewriter.value(`${input}/shape`);
  const flat = rewriter.value(`${input}/flat`);
  const result = rewriter.value(`${output}/flat`);
  node.input[0] = flat;
  node.output[0] = result;
  rewriter.set(node, "axis", { i: 1 });
  return [
    rewriter.node(node, "Shape", [input], [shape]),
    rewriter.node(node, "Flatten", [input], [flat], { axis: { i: axis } }),
    node,
    rewriter.node(node, "Reshape", [result, shape], [output]),
  ];
};
