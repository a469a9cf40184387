/**
 * Deciding what becomes integers, ranges in mind: one scale for a value and for what is picked out of
 * it is right only if it suits both.
 *
 * @module
 */
import { quote } from "../../numbers/printable.ts";
import type { NodeProto } from "../file/proto.ts";
import { isOp } from "../graph/operator.ts";
import type { GraphFacts } from "./graph_facts.ts";
import { givesFloats, operands, roleOf } from "./operators.ts";
import type { TensorRange } from "./params.ts";
import { type Placement, Placer } from "./placement.ts";
import { neededRanges, type Observed, union, width } from "./value_ranges.ts";

/** What is to become integers, and the ranges that it needs. */
export interface RangedPlacement extends Placement {
  /** The range of the values of one scale, by the name that they have together. */
  readonly ranges: ReadonlyMap<string, TensorRange>;
}

/**
 * How many times wider than itself the range may be that a part of a value is quantized with, by what
 * it costs to have the value in floats instead.
 */
const WIDEST = { free: 2, product: 4, computed: 4, convolved: 8 };

/** A value this many times as large as all others says that there is none. */
const SENTINEL = 100;
/** And is at least so large. */
const LEAST_SENTINEL = 1000;

/**
 * Decides which nodes of a graph compute with integers, and leaves in float what their ranges do not
 * suit: nodes that pick a part out of a value with a far wider range, and nodes that read a value in
 * which a huge number marks what is to be ignored.
 *
 * @param observed what values were seen to hold.
 * @param takes which values become bytes even if they lose by it, as those whose range somebody has chosen.
 * @returns also the ranges. They are missing for values that were not observed.
 */
export function placeWithRanges(
  facts: GraphFacts,
  observed: Observed,
  chosen: (node: NodeProto) => string | undefined,
  stored: (node: NodeProto) => boolean,
  takes: (value: string) => boolean = () => false,
): RangedPlacement {
  const placer = new Placer(facts, chosen, stored);
  const needed = neededRanges(facts, observed);
  refuseConstants(placer, needed);
  refuseDips(placer, needed, takes);
  for (;;) {
    const placement = placer.place();
    const ranges = new Map<string, TensorRange>();
    for (const [value, group] of placement.bytes) {
      const range = union(ranges.get(group), needed.get(value));
      if (range) ranges.set(group, range);
    }
    const rangeOf = (value: string) => ranges.get(placement.bytes.get(value) ?? "");
    const torn = tear(placer, placement, rangeOf, needed);
    if (!refuseSentinels(placer, placement, observed, rangeOf) && !torn) {
      return { ...placement, ranges };
    }
  }
}

/** Leaves in float what picks a part with a far narrower range; says whether there was any. */
function tear(
  placer: Placer,
  placement: Placement,
  rangeOf: Observed,
  needed: ReadonlyMap<string, TensorRange>,
): boolean {
  const { facts } = placer;
  /** The bytes that a value comes from, through nodes that move them or the floats that they stand for. */
  const origins = new Map<string, string>();
  const torn = new Set<string>();
  for (const node of facts.graph.node) {
    if (facts.role(node) !== "moves") continue;
    const [input] = node.input;
    const active = placement.active.has(node);
    const origin = origins.get(input) ??
      (active || placement.produced.has(input) || placement.clipped.has(input) ? input : undefined);
    const whole = origin === undefined ? undefined : rangeOf(origin);
    if (!whole) continue;
    if (!active) node.output.forEach((name) => origins.set(name, origin!));
    // What comes after a node that was left out is looked at again without it.
    if (torn.has(origin!)) {
      node.output.forEach((name) => torn.add(name));
      continue;
    }
    const widths = node.output.map((name) => needed.get(name)).filter((range) =>
      range !== undefined
    )
      .map(width).filter((size) => size > 0);
    const times = width(whole) / Math.min(...widths);
    if (!(times > widest(placer, origin!))) continue;
    const reason =
      `a part that it picks has a range ${times.toPrecision(2)} times narrower than the ` +
      `whole, too narrow for one scale`;
    if (active) placer.leave(node, reason);
    placer.keepFloat(origin!, "what reads its output needs floats, for scales of its parts");
    torn.add(origin!);
    node.output.forEach((name) => torn.add(name));
  }
  return torn.size > 0;
}

/** How much wider a scale may be than a part of a value needs. */
function widest(placer: Placer, value: string): number {
  const { view } = placer.facts;
  let node = view.producer(value);
  while (node && placer.passes(node)) node = view.producer(node.input[0]);
  if (!node || !placer.computes(node)) return WIDEST.free;
  if (givesFloats(node)) return WIDEST.product;
  return roleOf(node) === "multiplies" ? WIDEST.convolved : WIDEST.computed;
}

/** Leaves in float the sums and products with constants that bytes would lose. */
function refuseConstants(placer: Placer, needed: ReadonlyMap<string, TensorRange>): void {
  const { facts } = placer;
  for (const node of facts.graph.node) {
    if (!placer.computes(node) || (node.opType !== "Mul" && node.opType !== "Add")) continue;
    for (const name of node.input) {
      const data = facts.isConstant(name) ? facts.constant(name)?.data : undefined;
      if (!data) continue;
      const step = width(rangeOfData(data)) / 255;
      const result = needed.get(node.output[0]);
      const lost = node.opType === "Mul"
        ? mostAreLess(data, 2 * step)
        : result && step > COARSE * width(result) / 255 && mostAreLess(data, width(result));
      if (!lost) continue;
      const which = JSON.stringify(name);
      placer.leave(node, `its constant ${which} has elements too far apart in size for one scale`);
    }
  }
}

/** Functions that give little less than 0 for most numbers below it. */
const DIPPING = ["Gelu", "HardSwish", "Mish", "Swish"];
/** Steps that such a dip needs at least. */
const DIP_STEPS = 2;

/**
 * Leaves in float the products of what an activation function gives that dips below 0 (GELU, SiLU and their like, a
 * product once they are written out), if few values are so large that all others share a step or two. Convolutions
 * have no kernel that reads bytes from one side and floats from the other, so these keep theirs.
 */
function refuseDips(
  placer: Placer,
  needed: ReadonlyMap<string, TensorRange>,
  takes: (value: string) => boolean,
): void {
  const { facts } = placer;
  for (const node of facts.graph.node) {
    if (!placer.computes(node) || !givesFloats(node) || !facts.isConstant(node.input[1])) continue;
    const value = facts.root(node.input[0]);
    const maker = facts.view.producer(value);
    const range = needed.get(node.input[0]);
    if (!range || !maker || !isOp(maker, "Mul") && !isOp(maker, ...DIPPING)) continue;
    if (takes(node.input[0])) continue;
    const below = -range.min / (width(range) / 255);
    if (!(below > 0 && below < DIP_STEPS)) continue;
    placer.leave(
      node,
      `all that its input ${quote(node.input[0])} holds below 0, from ${
        range.min.toPrecision(2)
      }, is less than ${DIP_STEPS} steps of a range up to ${range.max.toPrecision(2)}`,
    );
  }
}

/** How many times as coarse as its sum a constant may be. */
const COARSE = 4;

/** Whether more than a quarter of the elements that are not 0 are less than a limit. */
function mostAreLess(data: Float32Array, limit: number): boolean {
  let [all, less] = [0, 0];
  for (const x of data) {
    if (x === 0) continue;
    all++;
    if (Math.abs(x) < limit) less++;
  }
  return less * 4 > all;
}

/** Leaves in float what would read a mark for "nothing here" in bytes; says whether there was any. */
function refuseSentinels(
  placer: Placer,
  placement: Placement,
  observed: Observed,
  rangeOf: Observed,
): boolean {
  const { facts } = placer;
  let found = false;
  for (const value of placement.bytes.keys()) {
    const range = rangeOf(value);
    if (!range || facts.isConstant(value) || !holdsSentinel(facts, value, range, observed)) {
      continue;
    }
    for (const use of facts.view.uses(value)) {
      if (use.kind !== "input" || !placer.computes(use.node)) continue;
      if (!operands(use.node).includes(use.index)) continue;
      placer.leave(
        use.node,
        `its input ${JSON.stringify(value)} holds ${
          extreme(range)
        } to mark what is to be ignored, ` +
          `which no scale for the rest can hold`,
      );
      found = true;
    }
  }
  return found;
}

/** The end of a range that is farther from 0. */
function extreme({ min, max }: TensorRange): number {
  return -min > max ? min : max;
}

/** Whether a value has the marks in it that a Where, Pad or sum with a mask puts there. */
function holdsSentinel(
  facts: GraphFacts,
  value: string,
  range: TensorRange,
  observed: Observed,
): boolean {
  const mark = extreme(range);
  const rest = mark === range.min ? range.max : range.min;
  if (Math.abs(mark) < Math.max(LEAST_SENTINEL, SENTINEL * Math.abs(rest))) return false;
  let node = facts.view.producer(value);
  while (node && facts.role(node) === "moves") node = facts.view.producer(node.input[0]);
  if (!node) return false;
  const marks = ({ min, max }: TensorRange) => mark < 0 ? min <= mark / 2 : max >= mark / 2;
  const hides = (name: string) => {
    const seen = observed(facts.root(name)) ?? constantRange(facts, name);
    // A mask is 0 where nothing is hidden; a filler is nothing but the mark.
    return seen !== undefined && marks(seen) &&
      (seen.min === seen.max || (seen.min < 0) !== (seen.max > 0));
  };
  if (node.opType === "Where") {
    return node.input.slice(1).some((name) => facts.isConstant(name) && hides(name));
  }
  return (node.opType === "Add" || node.opType === "Sub") && node.input.some(hides);
}

/** The range of a constant. */
function constantRange(facts: GraphFacts, name: string): TensorRange | undefined {
  const data = facts.constant(name)?.data;
  return data?.length ? rangeOfData(data) : undefined;
}

function rangeOfData(data: Float32Array): TensorRange {
  let [min, max] = [data[0], data[0]];
  for (const x of data) {
    if (x < min) min = x;
    if (x > max) max = x;
  }
  return { min, max };
}
