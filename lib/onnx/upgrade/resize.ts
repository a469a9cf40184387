/**
 * Upsample and Resize.
 *
 * @module
 */
import { stringOf } from "../file/attributes.ts";
import { readTensor } from "../file/tensor_data.ts";
import { setInput, type UpgradeRule } from "./rewriter.ts";

/** Sets what Resize assumed before 11 and says since. */
function said(
  node: Parameters<UpgradeRule>[0],
  rewriter: Parameters<UpgradeRule>[1],
  nearest: string,
): void {
  rewriter.set(node, "coordinate_transformation_mode", { s: "asymmetric" });
  if (stringOf(node, "mode", "nearest") === "nearest") {
    rewriter.set(node, "nearest_mode", { s: nearest });
  }
  setInput(node, 2, node.input[1]);
  node.input[1] = "";
}

/** Upsample became Resize at 10; it is brought to the form of 11 at once, since it only ever enlarges. */
export const upsampleToResize: UpgradeRule = (node, rewriter) => {
  node.opType = "Resize";
  said(node, rewriter, "floor");
};

/**
 * Resize at 11. Before, the nearest neighbour was the one below where it enlarged and the one above where
 * it shrank.
 */
export const resizeCoordinates: UpgradeRule = (node, rewriter) => {
  if (node.input.length > 2) return; // an Upsample, which has this form already
  if (stringOf(node, "mode", "nearest") !== "nearest") return said(node, rewriter, "");
  const scales = rewriter.tensor(node, 1);
  const values = scales ? Array.from(readTensor(scales).data as Float32Array) : [];
  const shrinks = values.some((scale) => scale < 1);
  if (!scales || shrinks && values.some((scale) => scale > 1)) {
    throw rewriter.refuse(
      node,
      scales
        ? "it enlarges one dimension and shrinks another"
        : "whether it enlarges or shrinks is only known when it runs",
      "export the model anew with operator set 11 or later",
    );
  }
  said(node, rewriter, shrinks ? "ceil" : "floor");
};

/** Resize at 13 lost one way to count coordinates. */
export const resizeHalfPixel: UpgradeRule = (node, rewriter) => {
  if (stringOf(node, "coordinate_transformation_mode", "") !== "tf_half_pixel_for_nn") return;
  throw rewriter.refuse(
    node,
    'coordinate_transformation_mode "tf_half_pixel_for_nn" was removed',
    "export the model anew with another one",
  );
};
