/**
 * Which nodes compute with integers, and which values become bytes for it.
 *
 * @module
 */
import { quote } from "../../numbers/printable.ts";
import type { NodeProto } from "../file/proto.ts";
import { describeNode } from "../graph/describe_node.ts";
import type { Use } from "../graph/graph_view.ts";
import type { GraphFacts } from "./graph_facts.ts";
import { looksUpInTable } from "./embeddings.ts";
import { DisjointSets } from "./disjoint_sets.ts";
import { oddElement } from "./finite.ts";
import { innerNodes } from "./inner_nodes.ts";
import {
  attributeProblem,
  channelAxis,
  givesFloats,
  hasBias,
  operands,
  type Role,
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
  /** The nodes that are to stay float, whatever stands around them; not those that follow the others. */
  readonly left: ReadonlySet<NodeProto>;
  /** The nodes that read bytes. */
  readonly active: ReadonlySet<NodeProto>;
  /** The values that become bytes, constants of sums and products too, and a name for those of one scale. */
  readonly bytes: ReadonlyMap<string, string>;
  /** The values of those whose producer gives bytes, so that all that reads them has to. */
  readonly produced: ReadonlySet<string>;
  /** The values behind nodes that only clip bytes. */
  readonly clipped: ReadonlySet<string>;
  /** The nodes that only clip what is bytes anyway, if the range allows to leave them out. */
  readonly clips: readonly NodeProto[];
  /** The nodes whose weight becomes integers. */
  readonly weighted: readonly NodeProto[];
  /** The nodes that look up in a table that becomes integers. */
  readonly lookups: readonly NodeProto[];
}

/** Why a node that multiplies cannot do so in integers. */
function weightProblem(node: NodeProto, facts: GraphFacts): string | undefined {
  const [, weight, bias] = node.input;
  // onnxruntime's integer kernels leave what they make of nothing as it was in memory.
  if (facts.constantDims(weight)?.includes(0)) return "its weight has no elements";
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

/** Why a node cannot compute in integers with its constants. */
function constantProblem(node: NodeProto, facts: GraphFacts): string | undefined {
  for (const i of operands(node)) {
    using constant = facts.isConstant(node.input[i]) ? facts.constant(node.input[i]) : undefined;
    const odd = constant && oddElement(constant);
    if (odd) return `its constant ${quote(node.input[i])} holds ${odd}, which no range can hold`;
  }
}

/** Why nodes of most operators stay float. */
const NO_KERNEL = "onnxruntime has no integer kernel for its operator";
/** Why what only picks rows does. */
const NO_TABLE = "it looks up in no constant table that bytes make smaller";
/** Why a lookup does though its table is one. */
const TABLE_SHARED = "its table is needed in floats too, so that bytes would make the file larger";

/** Why a node takes no part whose operator could; nothing if it is not about numbers with a point. */
function typeProblem(node: NodeProto, facts: GraphFacts): string | undefined {
  const values = [...operands(node).map((i) => node.input[i]), node.output[0]];
  const open = values.find((name) => facts.dtype(name) === undefined);
  if (open !== undefined) {
    const maker = facts.view.producer(open);
    const domain = maker?.domain ? ` of the domain ${maker.domain}` : "";
    const source = maker && maker !== node ? `, which ${describeNode(maker)}${domain} makes,` : "";
    return `the type of ${quote(open)}${source} is not known`;
  }
  const other = values.map((name) => facts.dtype(name)!).find((dtype) => dtype !== "float32")!;
  return other.includes("float") ? `it computes with ${other}, not float32` : undefined;
}

/**
 * The nodes of a graph by what may become of them. It starts with all that can be quantized;
 * {@linkcode Placer.leave} takes nodes out, and {@linkcode Placer.place} says what the rest comes to.
 */
export class Placer {
  private readonly decisions = new Map<NodeProto, NodeDecision>();
  private readonly roles = new Map<NodeProto, Role>();
  /** Nodes that multiply or compute in integers. */
  private readonly computing = new Set<NodeProto>();
  /** Nodes that let bytes through if there are any. */
  private readonly passing = new Set<NodeProto>();
  /** Nodes of which the weight alone becomes integers. */
  private readonly storing = new Set<NodeProto>();
  /** Those among the nodes in graphs inside of others. */
  private readonly inner: NodeProto[] = [];
  /** Nodes that look up in a table that pays in integers. */
  private readonly lookingUp = new Set<NodeProto>();
  /** Values that products of integers are to give as floats. */
  private readonly floats = new Set<string>();

  /**
   * @param chosen why a node is not to be quantized; nothing if it is.
   * @param stored whether only the weight of a node becomes integers, since it has no kernel for such.
   */
  constructor(
    readonly facts: GraphFacts,
    chosen: (node: NodeProto) => string | undefined,
    stored: (node: NodeProto) => boolean,
  ) {
    for (const node of facts.graph.node) {
      const role = facts.role(node);
      if (!role) {
        const float = node.output.some((name) => facts.isFloat(name));
        const reason = roleOf(node) ? typeProblem(node, facts) : float ? NO_KERNEL : undefined;
        if (reason) this.decisions.set(node, { quantized: false, reason });
        continue;
      }
      this.roles.set(node, role);
      const problem = chosen(node) ?? attributeProblem(node) ??
        (role === "multiplies" || role === "stores" ? weightProblem(node, facts) : undefined) ??
        (role === "computes" ? constantProblem(node, facts) : undefined);
      if (problem) this.decisions.set(node, { quantized: false, reason: problem });
      else if (looksUpInTable(node, facts)) this.lookingUp.add(node);
      else if (role === "looksUp") this.decisions.set(node, { quantized: false, reason: NO_TABLE });
      else if (role === "stores" || stored(node)) this.storing.add(node);
      else if (role === "multiplies" || role === "computes") this.computing.add(node);
      else this.passing.add(node);
    }
    for (const { node, inside, weight } of innerNodes(facts)) {
      const problem = chosen(node) ?? (weight ? undefined : inside);
      if (problem) this.decisions.set(node, { quantized: false, reason: problem });
      else this.inner.push(node);
    }
  }

  /** Leaves a node in float. */
  leave(node: NodeProto, reason: string): void {
    this.decisions.set(node, { quantized: false, reason });
    this.passing.delete(node);
    this.computing.delete(node);
  }

  /** Has a value come as floats, whoever makes it. */
  keepFloat(value: string, reason: string): void {
    const { view } = this.facts;
    let node = view.producer(value);
    for (; node && this.passing.has(node); node = view.producer(node.input[0])) {
      this.leave(node, reason);
    }
    if (!node || !this.computing.has(node)) return;
    if (givesFloats(node)) this.floats.add(node.output[0]);
    else this.leave(node, reason);
  }

  /** Whether a node lets bytes through, where there are any. */
  passes(node: NodeProto): boolean {
    return this.passing.has(node);
  }

  /** Whether a node computes with integers. */
  computes(node: NodeProto): boolean {
    return this.computing.has(node);
  }

  /** The values a node computes with that are no constants. */
  private activations(node: NodeProto): string[] {
    return operands(node).map((i) => node.input[i]).filter((name) => !this.facts.isConstant(name));
  }

  /** Whether a node's integer kernel gives floats, because nobody wants bytes. */
  private endsInFloats(node: NodeProto, wanted: ReadonlySet<string>): boolean {
    return givesFloats(node) && (!wanted.has(node.output[0]) || this.floats.has(node.output[0]));
  }

  /** The values that something reads which computes in integers, maybe after they were moved or clipped. */
  private wanted(): Set<string> {
    const wanted = new Set<string>();
    for (const node of this.facts.graph.node.toReversed()) {
      if (this.computing.has(node)) {
        const needless = this.roles.get(node) !== "multiplies" && !wanted.has(node.output[0]);
        if (needless) this.leave(node, "nothing that reads its output computes with integers");
        else for (const i of operands(node)) wanted.add(node.input[i]);
      } else if (this.passing.has(node) && node.output.some((name) => wanted.has(name))) {
        wanted.add(node.input[0]);
      }
    }
    return wanted;
  }

  /** Leaves out the nodes that would have to be handed bytes which nobody has; says whether there were any. */
  private starve(wanted: ReadonlySet<string>): boolean {
    const given = new Set<string>();
    let found = false;
    for (const node of this.facts.graph.node) {
      if (this.computing.has(node)) {
        const fed = this.roles.get(node) === "multiplies" ||
          this.activations(node).some((name) => given.has(name));
        if (!fed) {
          this.leave(node, "its inputs are floats");
          found = true;
        } else if (!this.endsInFloats(node, wanted)) given.add(node.output[0]);
      } else if (this.passing.has(node) && given.has(node.input[0])) {
        node.output.forEach((name) => given.add(name));
      }
    }
    return found;
  }

  /** What the nodes that are left come to. */
  place(): Placement {
    let wanted = this.wanted();
    while (this.starve(wanted)) wanted = this.wanted();
    const { facts, computing, passing } = this;
    const groups = new DisjointSets();
    const produced = new Set<string>();
    for (const node of computing) {
      const weight = this.isWeighted(node) ? 1 : -1;
      for (const i of operands(node)) if (i !== weight) groups.add(node.input[i]);
      const [output] = node.output;
      if (this.endsInFloats(node, wanted)) continue;
      groups.add(output);
      produced.add(output);
    }
    const active = new Set(computing);
    const clips = new Set<NodeProto>();
    for (const node of facts.graph.node.toReversed()) {
      if (!passing.has(node)) continue;
      const [input] = node.input;
      if (this.roles.get(node) === "clips") {
        // Worth it only right behind what gives bytes anyway.
        const [output] = node.output;
        const only = facts.view.onlyReader(input) && !facts.view.isOutput(output);
        if (!produced.has(input) || !only) continue;
        groups.join(input, output);
        clips.add(node);
        continue;
      }
      if (!node.output.some((name) => groups.has(name))) continue;
      active.add(node);
      for (const name of node.output) {
        if (name === "") continue;
        groups.join(input, name);
        produced.add(name);
      }
    }
    const left = new Set(this.decisions.keys());
    const decisions = new Map(this.decisions);
    for (const node of passing) {
      const quantized = active.has(node) || clips.has(node);
      decisions.set(node, quantized ? { quantized } : { quantized, reason: "its input is float" });
    }
    const lookups = this.lookups();
    for (const node of this.lookingUp) {
      decisions.set(node, { quantized: false, reason: TABLE_SHARED });
    }
    for (const node of [...computing, ...this.storing, ...this.inner, ...lookups]) {
      decisions.set(node, { quantized: true });
    }
    const weighted = facts.graph.node.filter((node) =>
      this.storing.has(node) || computing.has(node) && this.isWeighted(node)
    );
    weighted.push(...this.inner);
    const clipped = new Set([...clips].map(({ output }) => output[0]));
    const bytes = groups.names();
    return {
      ...{ decisions, left, active, bytes, produced },
      ...{ clips: [...clips], clipped, weighted, lookups },
    };
  }

  /** The lookups in tables that nothing needs in floats. */
  private lookups(): NodeProto[] {
    const { view } = this.facts;
    const becomes = (use: Use) =>
      use.kind === "input" &&
      (this.lookingUp.has(use.node) && use.index === 0 ||
        (this.computing.has(use.node) || this.storing.has(use.node)) &&
          operands(use.node).includes(use.index));
    return [...this.lookingUp].filter(({ input }) => view.uses(input[0]).every(becomes));
  }

  private isWeighted(node: NodeProto): boolean {
    return this.roles.get(node) === "multiplies" && this.facts.isConstant(node.input[1]);
  }
}

/**
 * Decides which nodes of a graph compute with integers, as far as the graph tells.
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
