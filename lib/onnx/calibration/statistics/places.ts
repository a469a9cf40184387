/**
 * Where in a graph there is something to learn: what nodes with weights read and make.
 *
 * @module
 */
import { intOf, intsOf, stringOf } from "../../file/attributes.ts";
import type { NodeProto } from "../../file/proto.ts";
import { isOp } from "../../graph/operator.ts";
import { ChannelMaxima } from "../../../quantization/statistics/channel_maxima.ts";
import { ChannelSums } from "../../../quantization/statistics/channel_sums.ts";
import type { Channels } from "../../../quantization/statistics/channels.ts";
import { Covariance, LONGEST_ROW } from "../../../quantization/statistics/covariance.ts";
import { type ReadRows, rowLength, type RowWindow } from "../../../quantization/statistics/rows.ts";
import type { Statistic, StatisticKind } from "../../../quantization/statistics/statistic.ts";

/** What is asked of a graph. */
export interface GraphQuestions {
  readonly graph: { readonly node: readonly NodeProto[] };
  isFloat(name: string): boolean;
  constantDims(name: string): readonly number[] | undefined;
}

/** A node with a constant weight: how it takes rows out of its input, and where the channels of its output lie. */
export interface WeightedNode {
  readonly node: NodeProto;
  readonly reads: ReadRows;
  readonly makes: Channels;
}

/** A statistic, and the value that it is of. */
export interface Place {
  readonly value: string;
  readonly statistic: Statistic;
}

/** The most products of one activation that are kept. */
const MOST_PRODUCTS = LONGEST_ROW * (LONGEST_ROW + 1) / 2;

/** How a node multiplies its first input with a constant weight; nothing if it does not. */
export function weightedNode(facts: GraphQuestions, node: NodeProto): WeightedNode | undefined {
  const { opType, input, output } = node;
  if (!isOp(node) || input.length < 2) return undefined;
  if (!facts.isFloat(input[0]) || facts.constantDims(input[0])) return undefined;
  const weight = facts.constantDims(input[1]);
  if (!weight || weight.length < 2 || !facts.isFloat(output[0])) return undefined;
  const plain = (axis: number, count: number): ReadRows => ({
    channels: { axis, count },
    groups: 1,
  });
  if (opType === "MatMul") {
    const [k, n] = weight.slice(-2);
    return { node, reads: plain(-1, k), makes: { axis: -1, count: n } };
  }
  if (opType === "Gemm") {
    const turned = intOf(node, "transB", 0) !== 0;
    const [k, n] = turned ? weight.toReversed() : weight;
    const axis = intOf(node, "transA", 0) !== 0 ? 0 : -1;
    return { node, reads: plain(axis, k), makes: { axis: -1, count: n } };
  }
  const groups = intOf(node, "group", 1);
  if (opType === "ConvTranspose") {
    const reads = plain(1, weight[0]);
    return { node, reads, makes: { axis: 1, count: weight[1] * groups } };
  }
  if (opType !== "Conv" || weight.length < 3) return undefined;
  const reads: ReadRows = {
    channels: { axis: 1, count: weight[1] * groups },
    groups,
    window: windowOf(node, weight.slice(2)),
  };
  return { node, reads, makes: { axis: 1, count: weight[0] } };
}

/** The window of a convolution; none if it reads every element of its input once. */
function windowOf(node: NodeProto, kernel: readonly number[]): RowWindow | undefined {
  const ones = kernel.map(() => 1);
  const strides = intsOf(node, "strides") ?? ones;
  const dilations = intsOf(node, "dilations") ?? ones;
  const auto = stringOf(node, "auto_pad", "NOTSET");
  const given = intsOf(node, "pads") ?? kernel.flatMap(() => [0, 0]);
  const pads = auto === "SAME_UPPER" || auto === "SAME_LOWER"
    ? auto
    : kernel.map((_, i): [number, number] => {
      return auto === "VALID" ? [0, 0] : [given[i], given[i + kernel.length]];
    });
  const padded = typeof pads !== "string" && pads.some(([a, b]) => a !== 0 || b !== 0);
  const plain = [kernel, strides].every((sizes) => sizes.every((size) => size === 1)) && !padded;
  return plain ? undefined : { kernel, strides, dilations, pads };
}

/**
 * The name by which {@linkcode OnnxCalibration.learned} has the covariance that a node reads: that of its input, and
 * for a convolution with a window or groups how it takes rows out of it.
 */
export function covarianceKey({ node, reads: { groups, window } }: WeightedNode): string {
  const [value] = node.input;
  return window || groups > 1 ? `${value} ${JSON.stringify({ groups, ...window })}` : value;
}

/**
 * What there is to learn in a graph, by kind and name. Of a value that is read along different dimensions, maxima and
 * sums are those along the first.
 *
 * @param from the values to learn something of; all by default.
 */
export function placesOf(
  facts: GraphQuestions,
  kinds: readonly StatisticKind[],
  from?: ReadonlySet<string>,
): ReadonlyMap<StatisticKind, ReadonlyMap<string, Place>> {
  const found = new Map(kinds.map((kind) => [kind, new Map<string, Place>()]));
  const add = (kind: StatisticKind, key: string, value: string, make: () => Statistic) => {
    const places = found.get(kind);
    if (!places || places.has(key) || from && !from.has(value)) return;
    places.set(key, { value, statistic: make() });
  };
  for (const node of facts.graph.node) {
    const weighted = weightedNode(facts, node);
    if (!weighted) continue;
    const { reads, makes } = weighted;
    const [[value], [output]] = [node.input, node.output];
    add("channelMaxima", value, value, () => new ChannelMaxima(reads.channels));
    add("channelSums", value, value, () => new ChannelSums(reads.channels));
    add("channelSums", output, output, () => new ChannelSums(makes));
    const size = rowLength(reads);
    const fits = size <= LONGEST_ROW && reads.groups * size * (size + 1) / 2 <= MOST_PRODUCTS;
    if (fits && node.opType !== "ConvTranspose") {
      add("covariance", covarianceKey(weighted), value, () => new Covariance(reads));
    }
  }
  return found;
}
