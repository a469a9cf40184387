import type { NodeProto } from "../file/proto.ts";
import { intsOf, setAttribute, stringOf } from "../file/attributes.ts";
import { isOp } from "../graph/operator.ts";
import type { GraphTools, Pass } from "./graph_tools.ts";

/** The factors of a Resize that keeps the ratio of the sides, if their products are no different when rounded down. */
function keptRatio(
  policy: string,
  sizes: readonly number[],
  from: readonly (number | undefined)[],
): number[] | undefined {
  const factors = sizes.map((size, i) => Math.fround(size / (from[i] ?? NaN)));
  const factor = policy === "not_larger" ? Math.min(...factors) : Math.max(...factors);
  const exact = from.every((size) => {
    const product = Math.fround(factor * (size ?? NaN));
    return Math.floor(product) === Math.round(product);
  });
  return exact ? factors.fill(factor) : undefined;
}

/** The name of the sizes of all axes, of which some are given and the others those of the input. */
function allSizes(
  { editor, facts }: GraphTools,
  node: NodeProto,
  axes: readonly number[],
  sizes: readonly number[],
): string {
  const [input] = node.input;
  const dims = facts.dims(input)!;
  const wish = `${node.output[0]}/sizes`;
  const ints = (wish: string, values: readonly number[]) =>
    editor.constant(wish, "int64", [values.length], values);
  const whole = dims.map((size, axis) => sizes[axes.indexOf(axis)] ?? size ?? -1);
  if (!whole.includes(-1)) return ints(wish, whole);
  const names = ["shape", "both", "all"].map((what) => editor.name(`${wish}/${what}`));
  const order = dims.map((_, axis) =>
    axes.includes(axis) ? dims.length + axes.indexOf(axis) : axis
  );
  editor.replace(
    node,
    editor.node(names[0], "Shape", [input], [names[0]]),
    editor.node(names[1], "Concat", [names[0], ints(wish, sizes)], [names[1]], { axis: 0 }),
    editor.node(names[2], "Gather", [names[1], ints(`${wish}/order`, order)], [names[2]]),
    node,
  );
  return names[2];
}

/** Has one Resize tell of every axis; says whether it could. */
function tellAll(tools: GraphTools, node: NodeProto): boolean {
  const { editor, facts } = tools;
  const [input, roi = "", scales = "", sizes = ""] = node.input;
  const dims = facts.dims(input);
  const crops = stringOf(node, "coordinate_transformation_mode", "") === "tf_crop_and_resize";
  const given = tools.numbers(scales || sizes);
  if (!dims || !given || roi && crops) return false;
  const axes = (intsOf(node, "axes") ?? dims.map((_, i) => i))
    .map((axis) => axis < 0 ? axis + dims.length : axis);
  if (given.length !== axes.length) return false;
  const policy = stringOf(node, "keep_aspect_ratio_policy", "stretch");
  const keeps = sizes !== "" && policy !== "stretch";
  const factors = keeps ? keptRatio(policy, given, axes.map((axis) => dims[axis])) : given;
  if (!factors) return false;
  if (scales || keeps) {
    const all = dims.map((_, axis) => factors[axes.indexOf(axis)] ?? 1);
    const wish = `${node.output[0]}/scales`;
    node.input = [input, "", editor.constant(wish, "float32", [dims.length], all)];
  } else {
    node.input = [input, "", "", allSizes(tools, node, axes, given)];
  }
  setAttribute(editor.messages, node, "axes", undefined);
  setAttribute(editor.messages, node, "keep_aspect_ratio_policy", undefined);
  return true;
}

/**
 * Has each Resize say what becomes of every axis, where it names some or keeps the ratio of its sides, and what
 * that comes to is known: onnxruntime loses these attributes when it puts channels last.
 */
export const fullResize: Pass = (tools) => {
  let found = false;
  for (const node of tools.editor.graph.node) {
    const partial = isOp(node, "Resize") &&
      (intsOf(node, "axes") || stringOf(node, "keep_aspect_ratio_policy", "stretch") !== "stretch");
    if (partial && tellAll(tools, node)) found = true;
  }
  return found;
};
