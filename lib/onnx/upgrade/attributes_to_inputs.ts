/**
 * Numbers that were attributes and became inputs.
 *
 * @module
 */
import { floatOf, floatsOf, intOf } from "../file/attributes.ts";
import { setInput, trimInputs, type UpgradeRule } from "./rewriter.ts";

/** Squeeze and ReduceSum at 13, the other reductions at 18; without axes all are meant, as before. */
export const axesToInput: UpgradeRule = (node, rewriter) => {
  const axes = rewriter.takeInts(node, "axes");
  if (axes) setInput(node, 1, rewriter.ints("axes", axes));
};

/** Unsqueeze at 13, which needs its axes even if there are none. */
export const unsqueezeAxesToInput: UpgradeRule = (node, rewriter) => {
  setInput(node, 1, rewriter.ints("axes", rewriter.takeInts(node, "axes") ?? []));
};

/** Slice at 10. */
export const sliceToInputs: UpgradeRule = (node, rewriter) => {
  for (const [i, name] of ["starts", "ends", "axes"].entries()) {
    const values = rewriter.takeInts(node, name);
    if (values) setInput(node, i + 1, rewriter.ints(name, values));
    else if (name !== "axes") setInput(node, i + 1, rewriter.ints(name, []));
  }
};

/** Split at 13. */
export const splitToInput: UpgradeRule = (node, rewriter) => {
  const sizes = rewriter.takeInts(node, "split");
  if (sizes) setInput(node, 1, rewriter.ints("split", sizes));
};

/** Split at 18, which wants to be told how many parts there are if they are equal. */
export const splitOutputCount: UpgradeRule = (node, rewriter) => {
  if (!node.input[1]) rewriter.set(node, "num_outputs", { i: node.output.length });
};

/** TopK at 10. */
export const topKToInput: UpgradeRule = (node, rewriter) => {
  setInput(node, 1, rewriter.ints("k", [intOf(node, "k", 1)]));
  rewriter.set(node, "k", undefined);
};

/** Clip at 11. A bound that is the greatest float32 was the default, and means none. */
export const clipToInputs: UpgradeRule = (node, rewriter) => {
  const greatest = 3.4028234663852886e38;
  for (const [i, name] of ["min", "max"].entries()) {
    const none = i ? greatest : -greatest;
    const value = floatOf(node, name, none);
    rewriter.set(node, name, undefined);
    if (value !== none) {
      setInput(node, i + 1, rewriter.constant(name, rewriter.dtype(node, 0), [], [value]));
    }
  }
};

/** Pad at 11. */
export const padToInputs: UpgradeRule = (node, rewriter) => {
  const value = floatOf(node, "value", 0);
  setInput(node, 1, rewriter.ints("pads", rewriter.takeInts(node, "pads") ?? []));
  rewriter.set(node, "value", undefined);
  if (value !== 0) {
    setInput(node, 2, rewriter.constant("pad_value", rewriter.dtype(node, 0), [], [value]));
  }
};

/** Dropout at 12. Nothing is dropped without a training mode, as before. */
export const dropoutToInput: UpgradeRule = (node, rewriter) => {
  const ratio = floatOf(node, "ratio", 0.5);
  rewriter.set(node, "ratio", undefined);
  setInput(node, 1, rewriter.constant("ratio", "float32", [], [ratio]));
};

/** Dropout at 10, whose mask became a truth value. */
export const dropoutMask: UpgradeRule = (node, rewriter) => {
  if (!rewriter.usesMoreThanFirst(node)) return;
  throw rewriter.refuse(
    node,
    "its mask changed its type",
    "remove the mask, which serves training",
  );
};

/** Upsample at 9. */
export const upsampleToInput: UpgradeRule = (node, rewriter) => {
  const scales = floatsOf(node, "scales") ?? [];
  setInput(node, 1, rewriter.constant("scales", "float32", [scales.length], scales));
  rewriter.set(node, "scales", undefined);
};

/** DFT at 20, whose axis also got another default. */
export const dftAxisToInput: UpgradeRule = (node, rewriter) => {
  setInput(node, 2, rewriter.constant("axis", "int64", [], [intOf(node, "axis", 1)]));
  rewriter.set(node, "axis", undefined);
  trimInputs(node);
};
