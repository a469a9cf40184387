/**
 * Which nodes compute with integers, and which values become bytes for it.
 *
 * @module
 */
import type { NodeProto } from "../file/proto.ts";
import type { GraphFacts } from "./graph_facts.ts";
import {
  attributeProblem,
  channelAxis,
  givesFloats,
  hasBias,
  operands,
  roleOf,
} from "./operators.ts";

/** What was decided about a node. */
export interface NodeDecision {
  /** Whether it computes with integers, lets bytes through, or has its weight stored in integers. */
  readonly quantized: boolean;
  /** Why not. */
  readonly reason?: string;
}

/** Which nodes and values become integers. */
export interface Placement {
  /** What was decided about each node that could have been quantized. */
  readonly decisions: ReadonlyMap<NodeProto, NodeDecision>;
  /** The nodes that read bytes. */
  readonly active: ReadonlySet<NodeProto>;
  /** The values that become bytes, constants of sums and products too, and those that share a range. */
  readonly bytes: ReadonlyMap<string, string>;
  /** The values of those whose producer gives bytes, so that all that reads them has to. */
  readonly produced: ReadonlySet<string>;
  /** The nodes that only clip what is bytes anyway, if the range allows to leave them out. */
  readonly clips: readonly NodeProto[];
  /** The nodes whose weight becomes integers. */
  readonly weighted: readonly NodeProto[];
}

/** Why a node that multiplies cannot do so in integers. */
function weightProblem(node: NodeProto, facts: GraphFacts): string | undefined {
  const [, weight, bias] = node.input;
  if (node.opType === "MatMul") {
    return facts.isConstant(node.input[0]) && facts.isConstant(weight)
      ? "both of its inputs are constants"
      : undefined;
  }
  if (!facts.isConstant(weight)) return "its weight is no constant";
  if (!hasBias(node)) return undefined;
  const dims = facts.constantDims(bias);
  if (!dims) return "its bias is no constant";
  const channels = facts.constantDims(weight)![channelAxis(node)];
  return dims.length === 1 && dims[0] === channels ? undefined : "its bias is no vector";
}

/** Why nodes of most operators stay float. */
const NO_KERNEL = "onnxruntime has no integer kernel for its operator";

/** Decides for a graph; `chosen` says why a node is not to be quantized. */
class Placer {
  private readonly decisions = new Map<NodeProto, NodeDecision>();
  /** Nodes that multiply or compute in integers. */
  private readonly computing = new Set<NodeProto>();
  /** Nodes that let bytes through if there are any. */
  private readonly passing = new Set<NodeProto>();
  private readonly storing = new Set<NodeProto>();
  /** The values that something which computes in integers reads, maybe after they were moved or clipped. */
  private readonly wanted = new Set<string>();

  constructor(
    private readonly facts: GraphFacts,
    chosen: (node: NodeProto) => string | undefined,
    stored: (node: NodeProto) => boolean,
  ) {
    for (const node of facts.graph.node) {
      const role = facts.role(node);
      if (!role) {
        const float = node.output.some((name) => facts.isFloat(name));
        const reason = roleOf(node) ? "it does not compute with float32" : NO_KERNEL;
        if (float) this.decisions.set(node, { quantized: false, reason });
        continue;
      }
      const problem = chosen(node) ?? attributeProblem(node) ??
        (role === "multiplies" || role === "stores" ? weightProblem(node, facts) : undefined);
      if (problem) this.decisions.set(node, { quantized: false, reason: problem });
      else if (role === "stores" || stored(node)) this.storing.add(node);
      else if (role === "multiplies" || role === "computes") this.computing.add(node);
      else this.passing.add(node);
    }
  }

  /** The values a node computes with that are no constants. */
  private activations(node: NodeProto): string[] {
    return operands(node).map((i) => node.input[i]).filter((name) => !this.facts.isConstant(name));
  }

  /** Whether a node's integer kernel gives floats, because nobody wants bytes. */
  private endsInFloats(node: NodeProto): boolean {
    return givesFloats(node) && !this.wanted.has(node.output[0]);
  }

  /** Whether a node computes from bytes to bytes, while a product is worth it on its own. */
  private mustBeFed(node: NodeProto): boolean {
    return this.computing.has(node) && this.facts.role(node) !== "multiplies";
  }

  /** Has a node that could compute in integers stay float. */
  private leaveOut(node: NodeProto, reason: string): void {
    this.computing.delete(node);
    this.decisions.set(node, { quantized: false, reason });
  }

  /**
   * Leaves out the nodes that would have to be handed bytes which nobody has: one walk in the order in which they
   * run, so that what stands before a node is settled.
   */
  private leaveOutUnfed(): void {
    const given = new Set<string>();
    for (const node of this.facts.graph.node) {
      if (this.mustBeFed(node) && !this.activations(node).some((name) => given.has(name))) {
        this.leaveOut(node, "its inputs are floats");
      }
      // A product gives bytes to whoever wants them.
      const gives = this.computing.has(node) ||
        this.passing.has(node) && given.has(node.input[0]);
      if (gives) { for (const name of node.output) given.add(name); }
    }
  }

  /** Leaves out the nodes that give bytes which nobody wants; one walk from the end. */
  private leaveOutUnwanted(): void {
    const { wanted, computing, passing } = this;
    for (const node of this.facts.graph.node.toReversed()) {
      const isWanted = node.output.some((name) => wanted.has(name));
      if (this.mustBeFed(node) && !isWanted) {
        this.leaveOut(node, "nothing that reads its output computes with integers");
      }
      if (computing.has(node)) {
        for (const i of operands(node)) wanted.add(node.input[i]);
      } else if (passing.has(node) && isWanted) {
        wanted.add(node.input[0]);
      }
    }
  }

  /** Decides. */
  place(): Placement {
    this.leaveOutUnfed();
    this.leaveOutUnwanted();
    const { facts, computing, passing } = this;
    const needed = new Set<string>();
    const produced = new Set<string>();
    for (const node of computing) {
      const weight = facts.role(node) === "multiplies" && facts.isConstant(node.input[1]) ? 1 : -1;
      for (const i of operands(node)) if (i !== weight) needed.add(node.input[i]);
      const [output] = node.output;
      if (this.endsInFloats(node)) continue;
      needed.add(output);
      produced.add(output);
    }
    const active = new Set(computing);
    const clips = new Set<NodeProto>();
    for (const node of facts.graph.node.toReversed()) {
      if (!passing.has(node)) continue;
      const [input] = node.input;
      if (facts.role(node) === "clips") {
        // Worth it only right behind what gives bytes anyway.
        if (
          !produced.has(input) || !facts.view.onlyReader(input) ||
          facts.view.isOutput(node.output[0])
        ) continue;
        needed.add(node.output[0]);
        clips.add(node);
        continue;
      }
      if (!node.output.some((name) => needed.has(name))) continue;
      active.add(node);
      needed.add(input);
      for (const name of node.output) {
        if (name === "") continue;
        needed.add(name);
        produced.add(name);
      }
    }
    for (const node of passing) {
      const quantized = active.has(node) || clips.has(node);
      this.decisions.set(
        node,
        quantized ? { quantized } : { quantized, reason: "its input is float" },
      );
    }
    for (const node of [...computing, ...this.storing]) {
      this.decisions.set(node, { quantized: true });
    }
    const weighted = facts.graph.node.filter((node) =>
      this.storing.has(node) ||
      computing.has(node) && facts.role(node) === "multiplies" && facts.isConstant(node.input[1])
    );
    const bytes = new Map([...needed].map((name) => [name, facts.rangeSource(facts.root(name))]));
    return { decisions: this.decisions, active, bytes, produced, clips: [...clips], weighted };
  }
}

/**
 * Decides which nodes of a graph compute with integers.
 *
 * @param chosen why a node is not to be quantized; nothing if it is.
 * @param stored whether only the weight of a node becomes integers, since it has no kernel for such; none by
 * default.
 */
export function placeQuantization(
  facts: GraphFacts,
  chosen: (node: NodeProto) => string | undefined,
  stored: (node: NodeProto) => boolean = () => false,
): Placement {
  return new Placer(facts, chosen, stored).place();
}
