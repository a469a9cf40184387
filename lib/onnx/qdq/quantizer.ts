/**
 * Putting integers in the place of a graph's floats, once it is decided which and with what scales.
 *
 * @module
 */
import type { OnnxModel } from "../file/model.ts";
import type { NodeProto } from "../file/proto.ts";
import type { FloatConstant } from "../graph/float_constant.ts";
import { isOp } from "../graph/operator.ts";
import { leastWeightScale, quantizeBias } from "./biases.ts";
import { Tables } from "./embeddings.ts";
import { offCentre } from "./fit_scales.ts";
import type { GraphFacts } from "./graph_facts.ts";
import { QdqWriter } from "./insert.ts";
import { narrowConstants } from "./narrow_constants.ts";
import { channelAxis, hardSigmoid, hasBias, operands, roleOf } from "./operators.ts";
import { type QuantParams, type QuantSpec, representable } from "./params.ts";
import type { Placement } from "./placement.ts";
import type { Target } from "./targets.ts";
import {
  quantizeBlocks,
  quantizeConstant,
  type QuantizedConstant,
  quantizeWeight,
} from "./weights.ts";

/** Whether quantizing cuts off all that a Relu or Clip does. */
function absorbs(node: NodeProto, facts: GraphFacts, params: QuantParams): boolean {
  const bound = (i: number, none: number) => {
    const name = node.input[i];
    return name ? facts.constant(name)?.data[0] : none;
  };
  const [low, high] = node.opType === "Relu"
    ? [0, Infinity]
    : [bound(1, -Infinity), bound(2, Infinity)];
  if (low === undefined || high === undefined) return false;
  const { min, max } = representable(params);
  // The rounding of the zero point moves the ends by up to half a step, as rounding moves any value.
  const slack = params.scale / 2;
  return min >= low - slack && max <= high + slack;
}

/** Whether a node's weight is a matrix that onnxruntime can multiply with in 4 bits. */
export function takesNibbles(node: NodeProto, facts: GraphFacts): boolean {
  return node.opType === "MatMul" && facts.constantDims(node.input[1])?.length === 2;
}

/** Rows that share a scale in weights of 4 bits. */
const BLOCK = 32;

/** No product of a byte and a weight is larger. */
const MOST_PRODUCT = 255 * 128;

/** How tensors become integers. */
export interface Specs {
  readonly activation: QuantSpec;
  readonly weight: QuantSpec;
  /** Weights of 4 bits, where they are asked for. */
  readonly nibbles: QuantSpec | undefined;
  readonly perChannel: boolean;
  /** What the file is for. */
  readonly target: Target;
}

/** Writes a quantized graph in the place of a float one. */
export class Quantizer {
  private readonly graph;
  private readonly writer: QdqWriter;
  /** By the value and for weights the axis. */
  private readonly constants = new Map<string, string>();
  private readonly tables: Tables;

  constructor(
    private readonly model: OnnxModel,
    private readonly facts: GraphFacts,
    private readonly placement: Placement,
    private readonly params: ReadonlyMap<string, QuantParams>,
    private readonly options: Specs,
    private readonly rounded: ReadonlyMap<string, QuantizedConstant> = new Map(),
  ) {
    this.graph = model.graph;
    this.writer = new QdqWriter(model, options.target.domain);
    this.tables = new Tables(facts, placement.lookups);
  }

  private paramsOf(value: string): QuantParams {
    return this.params.get(this.placement.bytes.get(value)!)!;
  }

  quantize(): void {
    if (this.options.target.spelledOut) this.spellOut();
    this.quantizeWeights();
    this.tables.write(this.writer);
    this.quantizeConstants();
    this.quantizeActivations();
    this.clearTheWay();
    // onnxruntime hands all attributes on to its kernel for bytes, which does not know this one.
    for (const node of this.placement.active) {
      if (node.opType === "AveragePool") this.writer.dropAttribute(node, "dilations");
    }
    this.writer.finish();
    narrowConstants(this.model);
  }

  private spellOut(): void {
    for (const node of this.graph.node) {
      const rank = isOp(node, "Conv") ? this.facts.rank(node.input[0]) : undefined;
      if (rank !== undefined) this.writer.spellOutSteps(node, rank - 2);
    }
  }

  /** The axis with a scale for each index, if there is one. */
  private axisOf(node: NodeProto): number | undefined {
    const axis = channelAxis(node);
    const dims = this.facts.constantDims(node.input[1])!;
    const fits = node.opType === "MatMul" ? dims.length === 2 : axis < dims.length;
    return this.options.perChannel && fits ? axis : undefined;
  }

  private quantizeWeights(): void {
    const { facts, placement, writer } = this;
    // Nodes that share a weight share its integers, whose scales suit the biases of all.
    const groups = Map.groupBy(
      placement.weighted,
      (node) => `${node.input[1]} ${this.axisOf(node)}`,
    );
    for (const nodes of groups.values()) {
      const name = nodes[0].input[1];
      const axis = this.axisOf(nodes[0]);
      using weight = facts.constant(name)!;
      const { nibbles } = this.options;
      if (nibbles && nodes.every((node) => takesNibbles(node, facts))) {
        const read = writer.addConstant(name, quantizeBlocks(weight, nibbles, BLOCK));
        for (const node of nodes) node.input[1] = read;
        continue;
      }
      const channels = axis === undefined ? 1 : weight.dims[axis];
      const least = new Float64Array(channels);
      for (const node of nodes.filter((node) => this.isIntegerBias(node))) {
        const bias = facts.constant(node.input[2])!.data;
        const products = MOST_PRODUCT * weight.data.length / channels;
        leastWeightScale(bias, this.paramsOf(node.input[0]).scale, channels, products)
          .forEach((scale, c) => least[c] = Math.max(least[c], scale));
      }
      const quantized = this.roundedBefore(name, axis, least) ??
        quantizeWeight(weight, this.options.weight, axis, least, this.inputMean(nodes));
      const read = this.writeWeight(name, weight, quantized);
      for (const node of nodes) {
        if (this.isIntegerBias(node)) {
          const { scale } = this.paramsOf(node.input[0]);
          const { data } = facts.constant(node.input[2])!;
          const bias = quantizeBias(data, scale, quantized.scale);
          node.input[2] = writer.addBias(node.input[2], bias.integers, bias.scale);
        }
        if (node.opType === "Gemm" && placement.active.has(node)) writer.spellOutBeta(node);
        node.input[1] = read;
      }
    }
  }

  /** A weight that was rounded before, if it fits these options and the biases that go with it. */
  private roundedBefore(
    name: string,
    axis: number | undefined,
    least: Float64Array,
  ): QuantizedConstant | undefined {
    const rounded = this.rounded.get(name);
    const fits = rounded?.axis === axis && rounded?.type === this.options.weight.type;
    return fits && rounded!.scale.every((scale, c) => scale >= least[c]) ? rounded : undefined;
  }

  /** Adds a weight in integers, or reads those of a table that is the same; returns the name of its values. */
  private writeWeight(name: string, weight: FloatConstant, quantized: QuantizedConstant): string {
    const { tables, writer } = this;
    tables.share(name, quantized);
    const tied = tables.tied(weight, quantized);
    return tied
      ? writer.addTransposed(name, tied.name, tied.table)
      : writer.addConstant(name, quantized);
  }

  /** How far off 0 what nodes multiply lies, the least of them. */
  private inputMean(nodes: readonly NodeProto[]): number {
    const means = nodes.map((node) => {
      const integers = this.placement.active.has(node);
      return integers ? offCentre(representable(this.paramsOf(node.input[0]))) : 0;
    });
    return Math.min(...means);
  }

  private isIntegerBias(node: NodeProto): boolean {
    return this.options.target.integerBiases && hasBias(node) && this.placement.active.has(node);
  }

  /** Constants that are added, multiplied and put beside activations. */
  private quantizeConstants(): void {
    const { facts, placement, writer } = this;
    for (const node of placement.active) {
      for (const i of operands(node)) {
        const name = node.input[i];
        if (!placement.bytes.has(name) || !facts.isConstant(name)) continue;
        let read = this.constants.get(name);
        if (read === undefined) {
          using constant = facts.constant(name)!;
          const quantized = quantizeConstant(constant, this.options.activation);
          read = writer.addConstant(name, quantized);
          this.constants.set(name, read);
        }
        node.input[i] = read;
      }
    }
  }

  /** Lets onnxruntime see the products that give floats to a Relu, Clip or sum. */
  private clearTheWay(): void {
    const { facts, placement, writer } = this;
    const weighted = new Set(placement.weighted);
    for (const node of this.graph.node) {
      const [output] = node.output;
      const product = node.opType === "MatMul" || node.opType === "Gemm";
      const integers = placement.active.has(node) || weighted.has(node);
      if (!product || !integers || placement.produced.has(output)) continue;
      const reader = facts.view.onlyReader(output);
      if (!reader) continue;
      if (weighted.has(node) && placement.active.has(node) && isOp(reader, "Add")) {
        const rank = facts.rank(output);
        if (rank === 2) writer.respellMatMul(node);
        else if (rank && rank > 2) this.raiseVectors(reader, rank);
      }
      if (facts.role(reader) !== "clips") continue;
      const [, low, high] = reader.input;
      if (reader.opType === "Relu" || low || high) writer.respellClip(reader, [low, high]);
    }
  }

  /**
   * Gives vectors that are added to a stack of matrices its rank, which changes nothing, for onnxruntime would make
   * one Gemm of floats of the product and the sum with a vector.
   */
  private raiseVectors(sum: NodeProto, rank: number): void {
    for (const [i, name] of sum.input.entries()) {
      if (this.facts.constantDims(name)?.length !== 1) continue;
      using vector = this.facts.constant(name);
      if (vector) this.writer.raise(sum, i, vector, rank);
    }
  }

  /** Whether a node hands on floats, in another order or shape or cut off. */
  private handsOn(node: NodeProto): boolean {
    const role = roleOf(node);
    return (role === "moves" || role === "clips") && !this.placement.active.has(node);
  }

  /** Whether a value comes out of DequantizeLinear, or will once onnxruntime has moved that past what hands it on. */
  private comesFromBytes(value: string): boolean {
    const { bytes, produced, clipped } = this.placement;
    for (let name = value;;) {
      if (bytes.has(name) && (produced.has(name) || clipped.has(name))) return true;
      const node = this.facts.view.producer(name);
      if (!node || !this.handsOn(node)) return false;
      name = node.input[0];
    }
  }

  /**
   * Whether onnxruntime would take a node that is to stay float for an integer one, were QuantizeLinear to stand
   * right behind a value. It moves that to before what hands on its input, drops clips that it does too, puts constants
   * that are added or multiplied into the product before them, and quantizes float weights between bytes.
   */
  private endsInIntegers(value: string): boolean {
    const { facts, placement: { left, active } } = this;
    let node = facts.view.producer(value);
    for (; node && this.handsOn(node); node = facts.view.producer(node.input[0])) {
      // A clip may go where bytes end as it does.
      const isBytes = roleOf(node) === "clips" && absorbs(node, facts, this.paramsOf(value));
      if (left.has(node) && !isBytes) return true;
    }
    const role = node && roleOf(node);
    if (!node || active.has(node) || role === undefined || role === "looksUp") return false;
    const inputs = this.activations(node);
    const before = inputs.length === 1 ? facts.view.producer(inputs[0]) : undefined;
    if (before && !active.has(before) && roleOf(before) === "multiplies") {
      inputs.splice(0, 1, ...this.activations(before));
    }
    return inputs.length > 0 && inputs.every((name) => this.comesFromBytes(name));
  }

  /** The values a node computes with that are no constants. */
  private activations(node: NodeProto): string[] {
    return operands(node).map((i) => node.input[i]).filter((name) => !this.facts.isConstant(name));
  }

  /** Writes a HardSigmoid as a sum, if quantizing what it gives cuts off what it does; says whether it did. */
  private writeSum(node: NodeProto): boolean {
    const params = this.paramsOf(node.output[0]);
    const { min, max } = representable(params);
    const slack = params.scale / 2;
    if (min < -slack || max > 1 + slack) return false;
    const { alpha, beta } = hardSigmoid(node);
    const shift = { dims: [], data: Float32Array.of(beta / alpha) };
    const quantized = quantizeConstant(shift, this.options.activation);
    const read = this.writer.addConstant(`${node.output[0]}_shift`, quantized);
    this.writer.produceSum(node, alpha, read, params);
    return true;
  }

  private quantizeActivations(): void {
    const { facts, placement, writer } = this;
    const absorbed = new Map<string, NodeProto>();
    for (const clip of placement.clips) {
      if (absorbs(clip, facts, this.paramsOf(clip.output[0]))) absorbed.set(clip.input[0], clip);
    }
    const gone = new Set([...absorbed.values()].map(({ output }) => output[0]));
    const offered = new Map<string, string>();
    for (const value of placement.bytes.keys()) {
      if (facts.isConstant(value) || gone.has(value)) continue;
      const producer = facts.view.producer(value);
      const clip = absorbed.get(value);
      if (clip) {
        writer.produce(producer!, value, clip.output[0], this.paramsOf(clip.output[0]));
        writer.remove(clip);
      } else if (placement.produced.has(value)) {
        if (isOp(producer!, "HardSigmoid") && this.writeSum(producer!)) continue;
        writer.produce(producer!, value, value, this.paramsOf(value));
      } else {
        const uses = facts.view.uses(value);
        // A product that gives floats to some has its kernel only where no QuantizeLinear is next to it.
        const apart = producer && placement.active.has(producer) ||
          uses.every((use) => use.kind === "input" && placement.active.has(use.node)) &&
            this.endsInIntegers(value);
        offered.set(value, writer.offer(producer, value, this.paramsOf(value), apart));
      }
    }
    for (const node of placement.active) {
      for (const i of operands(node)) node.input[i] = offered.get(node.input[i]) ?? node.input[i];
    }
  }
}
