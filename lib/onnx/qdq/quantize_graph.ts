/**
 * From a float graph and the ranges of its values to a quantized graph.
 *
 * @module
 */
import { quote } from "../../numbers/printable.ts";
import type { OnnxModel } from "../file/model.ts";
import { OnnxError } from "../file/onnx_error.ts";
import { walkGraphs } from "../file/subgraphs.ts";
import { PRODUCER } from "../graph/new_model.ts";
import { upgradeOpset } from "../upgrade/upgrade_opset.ts";
import type { NodeProto } from "../file/proto.ts";
import { activationParams, overrideProblem, type TensorOverride } from "./activation_params.ts";
import { factorScales } from "./factor_scales.ts";
import { fasterInFloat } from "./faster_in_float.ts";
import { checkFinite } from "./finite.ts";
import { GraphFacts } from "./graph_facts.ts";
import type { QuantParams, TensorRange } from "./params.ts";
import { placeWithRanges } from "./ranged_placement.ts";
import { Quantizer, type Specs, takesNibbles } from "./quantizer.ts";
import { checkSelection, nodeName, type NodeSelection } from "./selection.ts";
import type { QuantizedConstant } from "./weights.ts";

/** What was done to a node. */
export interface QuantizedNode {
  /** The node's name, or if it has none that of its first output. */
  readonly name: string;
  /** The operator. */
  readonly opType: string;
  /** Whether it computes with integers, lets bytes through, or has its weight stored in integers. */
  readonly quantized: boolean;
  /** Why not. */
  readonly reason?: string;
}

/** What became of an activation. */
export interface QuantizedActivation extends QuantParams, TensorRange {
  /** The value's name. */
  readonly name: string;
}

/** A quantized graph and what was decided for it. */
export interface QuantizedGraph {
  /** The model that it is in. */
  readonly model: OnnxModel;
  /** The nodes that can be quantized, in the graph's order, then those in graphs inside of nodes, and whether they
   * were. */
  readonly nodes: readonly QuantizedNode[];
  /** The activations that are bytes now. */
  readonly activations: readonly QuantizedActivation[];
}

/** What to make of a float graph. */
export interface QuantizeGraphOptions {
  /** How tensors become integers. */
  readonly specs: Specs;
  /** Which nodes a caller wants to be quantized. */
  readonly selection: NodeSelection;
  /** What a caller knows better of values, by their names. */
  readonly overrides: ReadonlyMap<string, TensorOverride>;
  /** Nodes that are left in float for another reason, by {@linkcode nodeName}. */
  readonly left: ReadonlyMap<string, string>;
  /** The operators that are quantized if the selection names none; by default all that gain by it. */
  readonly operators?: readonly string[];
  /** Whether weights become integers where that loses more than it should, for the smallest file. */
  readonly smallest?: boolean;
  /** Weights that were rounded before, by the names of constants; all others are rounded to the nearest. */
  readonly weights?: ReadonlyMap<string, QuantizedConstant>;
}

/** Why a node stays float for browsers. */
const FASTER = "onnxruntime-web computes it, and what stands around it, faster with floats";

/**
 * Quantizes a copy of a float model's graph.
 *
 * @param where opens the errors.
 * @param float is not changed.
 * @param ranges of the values that were observed.
 * @throws {OnnxError} if a name is not known, or the range of a value is not.
 */
export function quantizeGraph(
  where: string,
  float: OnnxModel,
  ranges: ReadonlyMap<string, TensorRange>,
  { specs, selection, overrides, left, weights, smallest, operators }: QuantizeGraphOptions,
): QuantizedGraph {
  const upgraded = specs.nibbles ? upgradeOpset(float, 21) : float;
  const model = upgraded === float ? float.clone() : upgraded;
  const facts = new GraphFacts(model.graph);
  const chosen = checkSelection(where, facts, selection, operators);
  const place = (floats: ReadonlySet<NodeProto>) =>
    placeWithRanges(
      facts,
      (name) => ranges.get(name),
      (node) => left.get(nodeName(node)) ?? chosen(node) ?? (floats.has(node) ? FASTER : undefined),
      (node) => specs.nibbles !== undefined && takesNibbles(node, facts),
      (value) => smallest === true || overrides.has(value),
    );
  const all = place(new Set());
  for (const [name, override] of overrides) {
    const problem = overrideProblem(override, specs.activation.type);
    if (problem) {
      throw new RangeError(`${where}: what tensorOverrides says of ${quote(name)} ${problem}`);
    }
    // What is left in float may be why it becomes none.
    if (!all.bytes.has(name) && left.size === 0) {
      throw new OnnxError(
        `${where}: tensorOverrides names ${
          JSON.stringify(name)
        }, which is no value that becomes integers`,
      );
    }
  }
  const placement = specs.target.fasterInFloat ? place(fasterInFloat(facts, all)) : all;
  checkFinite(where, facts, [...placement.weighted, ...placement.lookups]);
  const params = activationParams(placement, facts, specs.activation, overrides);
  const nodes = [...walkGraphs(model.graph)].flatMap(({ node }) => node).flatMap((node) => {
    const decision = placement.decisions.get(node);
    return decision ? [{ name: nodeName(node), opType: node.opType, ...decision }] : [];
  });
  const activations = [...placement.bytes].filter(([value]) => !facts.isConstant(value))
    .map(([name, group]) => ({ name, ...params.get(group)! }));
  new Quantizer(model, facts, placement, params, specs, weights).quantize();
  factorScales(model);
  Object.assign(model.proto, PRODUCER);
  return { model, nodes, activations };
}
