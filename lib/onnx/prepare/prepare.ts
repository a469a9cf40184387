/**
 * Bringing float models into the form that quantizes best.
 *
 * @module
 */
import {
  removeUnusedInitializers,
  removeUnusedNodes,
  removeUnusedValueInfos,
} from "../graph/unused.ts";
import { GraphEditor } from "../graph/graph_editor.ts";
import type { OnnxModel } from "../file/model.ts";
import { foldAffine } from "./fold_affine.ts";
import { foldConstants } from "./fold_constants.ts";
import { flatWeights } from "./flat_weights.ts";
import { fullResize } from "./full_resize.ts";
import { fuseLayerNorm } from "./fuse_layer_norm.ts";
import { GraphTools, type Pass } from "./graph_tools.ts";
import { hoistConstants } from "./hoist_constants.ts";
import { hoistInnerWeights } from "./hoist_inner_weights.ts";
import { inlineFunctions } from "./inline_functions.ts";
import { mergeFactors } from "./merge_factors.ts";
import { nameNodes } from "./name_nodes.ts";
import { plainGemm } from "./plain_gemm.ts";
import { pushScale } from "./push_scale.ts";
import { removeNoOps } from "./remove_no_ops.ts";
import { learnValueTypes } from "../run/value_types.ts";
import { unfoldHardSwish } from "./unfold_hard_swish.ts";
import { unfuse } from "./unfuse.ts";
import { upgradeOpset } from "../upgrade/upgrade_opset.ts";
import { widenFloats } from "./widen.ts";

/** Options of {@linkcode prepareOnnx}. */
export interface PrepareOnnxOptions {
  /**
   * The operator set to bring the model to if it has an older one, from 13 to 21; 17 by default, which has
   * LayerNormalization and runs in every onnxruntime since 1.12.
   */
  opset?: number;
}

/** Each until it finds nothing more, in this order. */
const FUSIONS: readonly Pass[] = [
  unfoldHardSwish,
  fuseLayerNorm,
  plainGemm,
  flatWeights,
  fullResize,
  foldAffine,
  pushScale,
  mergeFactors,
  foldAffine,
];

/**
 * Brings a float model into the form that quantizes best; it computes the same up to the rounding of float32.
 * Its own functions are inlined, its operator set is upgraded, constants become initializers, what depends on
 * constants alone is computed by onnxruntime, which is also asked for types that the file does not tell, and nodes
 * are made part of others: BatchNormalization and sums and products with constants part of the Conv,
 * ConvTranspose, Gemm or MatMul before them, factors part of the Conv after them or one product; layer
 * normalization is put together from its parts. Gemm, MatMul, Resize and HardSwish take the forms that integer kernels
 * have.
 * A model of float16 or bfloat16 computes in float32, as does one of doubles from its first product on; inputs and
 * outputs keep their types, by a Cast each. Of graphs inside of nodes, only the weights are taken out.
 *
 * @param model is not changed.
 * @returns a new model, every node with a name of its own. Initializers that were listed as inputs are constants
 * in it.
 * @throws {OnnxError} if the model cannot be brought to the operator set; see {@linkcode upgradeOpset}.
 *
 * @example
 * ```ts
 * import { exportOnnx, Linear, loadOnnx, prepareOnnx, randn } from "@staticquant/staticquant";
 * const model = await loadOnnx(await exportOnnx(new Linear(4, 2), randn([1, 4])));
 * const prepared = await prepareOnnx(model);
 * console.log(prepared.opset(), prepared.graph.node.map(({ opType }) => opType)); // 21 [ "Gemm" ]
 * ```
 */
export async function prepareOnnx(
  model: OnnxModel,
  options: PrepareOnnxOptions = {},
): Promise<OnnxModel> {
  const known = model.clone();
  inlineFunctions("prepareOnnx", known);
  await learnValueTypes("prepareOnnx", known);
  const prepared = upgradeOpset(known, options.opset ?? 17);
  prepared.setOpset(prepared.opset());
  const { graph, messages } = prepared;
  const editor = new GraphEditor(graph, messages);
  const tools = new GraphTools(editor, prepared.opset());
  const run = (pass: Pass) => {
    while (pass(tools)) editor.apply();
  };
  hoistInnerWeights(editor);
  run(hoistConstants);
  widenFloats(editor);
  run(unfuse);
  run(removeNoOps);
  await foldConstants("prepareOnnx", tools);
  run(removeNoOps);
  FUSIONS.forEach(run);
  removeUnusedNodes(graph);
  nameNodes(graph);
  removeUnusedInitializers(graph);
  removeUnusedValueInfos(graph);
  return prepared;
}
