/**
 * Bringing models to a newer operator set.
 *
 * @module
 */
import type { GraphProto } from "../file/proto.ts";
import { subgraphs, walkGraphs } from "../file/subgraphs.ts";
import { GraphEditor } from "../graph/graph_editor.ts";
import { irVersionOf } from "../graph/new_model.ts";
import { isOp } from "../graph/operator.ts";
import { UniqueNames } from "../graph/unique_names.ts";
import { ShapeFacts } from "../graph/infer_shapes.ts";
import type { OnnxModel } from "../file/model.ts";
import { OnnxError } from "../file/onnx_error.ts";
import { NEWEST_OPSET, operatorProblem } from "./operators.ts";
import { describeNode } from "../graph/describe_node.ts";
import { Rewriter } from "./rewriter.ts";
import { OLDEST_OPSET, RULES } from "./rules.ts";

/**
 * Checks that each node's operator is in the operator set that the model declares, so that a wrong file is
 * named before any runtime stumbles over it.
 *
 * @param where opens the error.
 * @throws {OnnxError} if one is not, or if its domain is not imported; names the node.
 */
export function checkOperators(where: string, model: OnnxModel): void {
  const { graph, functions } = model.proto;
  if (!graph) return;
  const domains = new Set(model.proto.opsetImport.map(({ domain }) => domain));
  const local = new Set(functions.map(({ domain, name }) => `${domain}:${name}`));
  for (const node of [...walkGraphs(graph)].flatMap((inner) => inner.node)) {
    const { domain, opType } = node;
    if (local.has(`${domain}:${opType}`)) continue;
    if (isOp(node)) {
      const problem = operatorProblem(opType, model.opset());
      if (!problem) continue;
      throw new OnnxError(
        `${where}: ${
          describeNode(node)
        } ${problem}; export the model anew with an operator set that has it`,
      );
    }
    if (domains.has(domain)) continue;
    throw new OnnxError(
      `${where}: ${
        describeNode(node)
      } is of the domain ${domain}, which the model does not import; ` +
        `add it to opset_import`,
    );
  }
}

/** Brings the nodes of one graph one version on. */
function step(rewriter: Rewriter, version: number): void {
  const { editor } = rewriter;
  const rules = new Map(Object.entries(RULES[version] ?? {}));
  for (const node of editor.graph.node) {
    const rule = isOp(node) ? rules.get(node.opType) : undefined;
    const nodes = rule?.(node, rewriter);
    if (nodes) editor.replace(node, ...nodes);
  }
  editor.apply();
}

/**
 * Brings a model to a newer operator set of ONNX, operator by operator. The result computes the same. Nodes
 * of other domains stay as they are.
 *
 * @param model is not changed.
 * @param target the operator set, from 13 to 21. 4-bit integers need 21.
 * @returns the model itself if it is there already, otherwise a new one that shares the weights' memory.
 * @throws {RangeError} if the target is not one of these.
 * @throws {OnnxError} if an operator is not known, is not in the operator set that the model declares, or
 * cannot be expressed in the new one; the message names the node and says what to do.
 *
 * @example
 * ```ts
 * import { exportOnnx, Linear, loadOnnx, randn, upgradeOpset } from "@staticquant/staticquant";
 * const model = await loadOnnx(await exportOnnx(new Linear(4, 2), randn([1, 4])));
 * console.log(upgradeOpset(model, 13) === model); // true: it has a newer one
 * ```
 */
export function upgradeOpset(model: OnnxModel, target = 13): OnnxModel {
  const where = "upgradeOpset";
  if (!Number.isInteger(target) || target < 13 || target > NEWEST_OPSET) {
    throw new RangeError(
      `${where}: the target is an operator set from 13 to ${NEWEST_OPSET}, got ${target}`,
    );
  }
  checkOperators(where, model);
  const opset = model.opset();
  if (opset >= target) return model;
  if (opset < OLDEST_OPSET) {
    throw new OnnxError(
      `${where}: the model declares operator set ${opset}, and the oldest that is understood is ` +
        `${OLDEST_OPSET}; export it anew with 13 or later`,
    );
  }
  if (model.proto.functions.length) {
    throw new OnnxError(
      `${where}: the model defines operators of its own (${
        model.proto.functions[0].name
      }), which are ` +
        `not brought to another operator set; inline them first`,
    );
  }
  const upgraded = model.clone();
  const { graph, proto } = upgraded;
  const fixed = proto.irVersion < 4n;
  const names = new UniqueNames(graph);
  const rewriters: Rewriter[] = [];
  const visit = (body: GraphProto, outer?: ShapeFacts) => {
    const facts = new ShapeFacts(body, outer, fixed);
    const editor = new GraphEditor(body, upgraded.messages, names);
    rewriters.push(new Rewriter(`${where} (${opset} to ${target})`, editor, facts));
    for (const node of body.node) subgraphs(node).forEach((inner) => visit(inner, facts));
  };
  visit(graph);
  for (let version = opset + 1; version <= target; version++) {
    for (const rewriter of rewriters) step(rewriter, version);
  }
  if (fixed) {
    // Later versions take an initializer that is listed as an input for a default that callers may replace.
    const constants = new Set(graph.initializer.map(({ name }) => name));
    graph.input = graph.input.filter(({ name }) => !constants.has(name));
  }
  const needed = BigInt(irVersionOf(target));
  if (proto.irVersion < needed) proto.irVersion = needed;
  upgraded.setOpset(target);
  return upgraded;
}
