/**
 * Which values of a graph can have their channels divided by factors, so that nothing else changes.
 *
 * @module
 */
import { intOf } from "../file/attributes.ts";
import type { NodeProto } from "../file/proto.ts";
import { elementCount } from "../file/tensor_data.ts";
import { type WeightedNode, weightedNode } from "../calibration/statistics/places.ts";
import { isOp } from "../graph/operator.ts";
import type { Use } from "../graph/graph_view.ts";
import type { GraphFacts } from "../qdq/graph_facts.ts";
import { weightLayout } from "./weight_matrix.ts";

/** A constant that is divided too: an input of a node. */
export interface DividedConstant {
  readonly node: NodeProto;
  readonly index: number;
}

/** Values whose channels are divided together, and what makes up for it. */
export interface ChannelRegion {
  /** The values. */
  readonly values: ReadonlySet<string>;
  /** The layers that make some of them: the rows of their weights, and biases, are divided. */
  readonly makers: readonly WeightedNode[];
  /** Constants with an element for each channel, or one for all, that are divided. */
  readonly constants: readonly DividedConstant[];
  /** The layers that read some of them: the columns of their weights are multiplied. */
  readonly readers: readonly WeightedNode[];
  /** Sums with a constant that a Clip reads, as in HardSwish: they are to see what was before. */
  readonly gates: readonly NodeProto[];
  /** Normalizations and factors that take the division over for nothing; none where layers do. */
  readonly norms: number;
}

/** Operators that give `f(x / s) = f(x) / s` for each element. */
const HOMOGENEOUS = ["Relu", "LeakyRelu", "PRelu", "Identity"];
/** And those that give it for each channel that lies along the second axis: they mix what lies along those behind. */
const POOLINGS = ["MaxPool", "AveragePool", "GlobalAveragePool"];
/** Operators that give what something is multiplied with. */
const GATES = ["Clip", "HardSigmoid", "Sigmoid", "Softmax"];
/** More values are not divided together. */
const MOST_VALUES = 32;

/** Thrown, and caught again, where a value cannot be divided. */
class NotDivisible extends Error {}

/** Follows values. */
class Walk {
  readonly values = new Set<string>();
  readonly makers: WeightedNode[] = [];
  readonly constants: DividedConstant[] = [];
  readonly readers: WeightedNode[] = [];
  readonly gates: NodeProto[] = [];
  norms = 0;
  private readonly open: string[] = [];

  constructor(
    private readonly facts: GraphFacts,
    private readonly axis: number,
    private readonly channels: number,
  ) {}

  /** Whether a value may have all the channels, along their axis: what is broadcast to them has fewer. */
  private isWide(value: string): boolean {
    const dims = this.facts.dims(value);
    const size = dims?.at(this.axis);
    return dims !== undefined && (size === undefined || size === this.channels);
  }

  visit(value: string): void {
    if (this.values.has(value)) return;
    if (!this.isWide(value)) throw new NotDivisible(`${value} has its channels elsewhere`);
    if (this.values.size === MOST_VALUES) throw new NotDivisible("too much hangs together");
    this.values.add(value);
    this.open.push(value);
  }

  run(): void {
    for (let value = this.open.pop(); value !== undefined; value = this.open.pop()) {
      this.comeFrom(value);
      for (const use of this.facts.view.uses(value)) this.goTo(value, use);
    }
    const squared = [...this.values].map((name) => this.facts.view.producer(name)).find((node) =>
      node && isOp(node, "Mul") && node.input.every((name) => this.values.has(name))
    );
    if (squared) throw new NotDivisible(`${squared.name} multiplies it with itself`);
  }

  /** Takes note of a constant that is divided, if it is one with an element a channel or one for all. */
  private divide(node: NodeProto, index: number): void {
    const name = node.input[index];
    if (!name) return;
    const dims = this.facts.constantDims(name);
    const count = dims && elementCount(dims);
    const place = axesBehind(this.facts, node.output[0], this.axis);
    const fits = count === 1 ||
      count === this.channels && dims!.at(-1 - place) === this.channels &&
        dims!.length - place >= 1;
    if (!fits || !this.facts.isFloat(name)) {
      throw new NotDivisible(`${node.name} has a constant that is not one number a channel`);
    }
    const known = this.constants.some((each) => each.node === node && each.index === index);
    if (!known) this.constants.push({ node, index });
  }

  /** A layer whose weight nobody else has. */
  private layer(node: NodeProto): WeightedNode | undefined {
    const weighted = weightedNode(this.facts, node);
    if (!weighted) return undefined;
    const dims = this.facts.constantDims(node.input[1])!;
    const shared = [1, 2].some((i) =>
      node.input[i] && this.facts.view.uses(node.input[i]).length > 1
    );
    if (shared || !weightLayout(weighted, { dims })) {
      throw new NotDivisible(`the weight of ${node.name} is not its own`);
    }
    return weighted;
  }

  /** Whether a node gives as much less of a channel as it gets. */
  private isHomogeneous(node: NodeProto): boolean {
    return isOp(node, ...HOMOGENEOUS) || this.axis === 1 && isOp(node, ...POOLINGS);
  }

  private comeFrom(value: string): void {
    const { facts, values } = this;
    const node = facts.view.producer(value);
    if (!node) throw new NotDivisible(`${value} is an input of the model`);
    if (!isOp(node)) throw new NotDivisible(`${node.name} makes it`);
    if (this.isHomogeneous(node)) return this.visit(node.input[0]);
    const layer = this.layer(node);
    if (layer) {
      if (layer.makes.axis !== this.axis || layer.makes.count !== this.channels) {
        throw new NotDivisible(`${node.name} has its channels elsewhere`);
      }
      if (node.input[2] && facts.constantDims(node.input[2])?.length !== 1) {
        throw new NotDivisible(`the bias of ${node.name} is no vector`);
      }
      this.makers.push(layer);
      return;
    }
    if (node.opType === "LayerNormalization") {
      const last = this.axis === -1 && intOf(node, "axis", -1) === -1;
      if (!last || node.output.length > 1) throw new NotDivisible(`${node.name} makes it`);
      this.divide(node, 1);
      this.divide(node, 2);
      this.norms++;
      return;
    }
    const constant = node.input.findIndex((name) => facts.isConstant(name));
    if (node.opType === "Mul") {
      if (node.input.some((name) => values.has(name))) return;
      if (constant >= 0) {
        this.divide(node, constant);
        this.norms++;
        return;
      }
      const isGate = (name: string) => {
        const maker = facts.view.producer(name);
        return maker !== undefined && isOp(maker, ...GATES);
      };
      const wide = node.input.filter((name) => this.isWide(name));
      return this.visit(wide.find((name) => !isGate(name)) ?? wide[0] ?? node.input[0]);
    }
    if (node.opType !== "Add") throw new NotDivisible(`${node.name} makes it`);
    if (constant >= 0) {
      this.divide(node, constant);
      this.visit(node.input[1 - constant]);
    } else node.input.forEach((name) => this.visit(name));
  }

  private goTo(value: string, use: Use): void {
    const { facts } = this;
    if (use.kind !== "input") throw new NotDivisible(`${value} is needed as it is`);
    const { node, index } = use;
    if (!isOp(node)) throw new NotDivisible(`${node.name} reads it`);
    if (this.isHomogeneous(node) && index === 0) return this.visit(node.output[0]);
    if (node.opType === "Mul") return this.visit(node.output[0]);
    if (node.opType === "Add") {
      const reader = facts.view.onlyReader(node.output[0]);
      const constant = facts.constantDims(node.input[1 - index]);
      const gate = this.axis === 1 && reader && isOp(reader, "Clip") && constant &&
        elementCount(constant) === 1 && (facts.rank(value) ?? 0) > 2;
      if (gate) this.gates.push(node);
      else this.visit(node.output[0]);
      return;
    }
    const layer = index === 0 ? this.layer(node) : undefined;
    const { axis, count } = layer?.reads.channels ?? {};
    if (!layer || axis !== this.axis || count !== this.channels) {
      throw new NotDivisible(`${node.name} needs it as it is`);
    }
    this.readers.push(layer);
  }
}

/** How many axes of a value lie behind that of its channels. */
export function axesBehind(facts: GraphFacts, value: string, axis: number): number {
  return axis < 0 ? -1 - axis : facts.rank(value)! - 1 - axis;
}

/**
 * All that has to be divided and multiplied so that the channels of a layer's input can be divided by any factors.
 *
 * @param layer reads it.
 * @returns why they cannot if so.
 */
export function channelRegion(
  facts: GraphFacts,
  { node, reads: { channels: { axis, count } } }: WeightedNode,
): ChannelRegion | string {
  const walk = new Walk(facts, axis, count);
  try {
    walk.visit(node.input[0]);
    walk.run();
    return walk;
  } catch (error) {
    if (error instanceof NotDivisible) return error.message;
    throw error;
  }
}
