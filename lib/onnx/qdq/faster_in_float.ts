/**
 * Which nodes of a placement onnxruntime-web's WASM provider computes faster with floats.
 *
 * @module
 */
import { MinCut } from "../../numbers/min_cut.ts";
import type { GraphProto, NodeProto } from "../file/proto.ts";
import { elementCount } from "../file/tensor_data.ts";
import { ShapeFacts } from "../graph/infer_shapes.ts";
import type { GraphFacts } from "./graph_facts.ts";
import { givesFloats, operands } from "./operators.ts";
import type { Placement } from "./placement.ts";
import { CROSSING, type Sizes, UNKNOWN_SIZE, webTimes } from "./web_times.ts";

/** Elements of a value of which nothing is known. */
const UNKNOWN_ELEMENTS = 4096;

/** The sizes of a graph's values if inputs of open sizes are of middling ones: one sample, of such length and width. */
function middlingSizes(graph: GraphProto, facts: GraphFacts): Sizes {
  const input = graph.input.map((info) => {
    const { type } = info;
    if (type?.value.case !== "tensorType" || !type.value.value.shape) return info;
    const { shape } = type.value.value;
    const dim = shape.dim.map((dim, i) => {
      const known = dim.value.case === "dimValue" && dim.value.value > 0n;
      const value = { case: "dimValue" as const, value: BigInt(i === 0 ? 1 : UNKNOWN_SIZE) };
      return known ? dim : { ...dim, value };
    });
    const sized = { ...type.value.value, shape: { ...shape, dim } };
    return { ...info, type: { ...type, value: { case: "tensorType" as const, value: sized } } };
  });
  const shapes = new ShapeFacts({ ...graph, input });
  const elements = (name: string): number => {
    const dims = shapes.dims(name) ?? facts.dims(name);
    if (!dims) return UNKNOWN_ELEMENTS;
    return elementCount(dims.map((dim) => typeof dim === "number" ? dim : UNKNOWN_SIZE));
  };
  return { dims: (name) => shapes.dims(name) ?? facts.dims(name), elements };
}

/**
 * What an element of a weight is worth in one byte in place of four, in nanoseconds: a file is loaded as well. So a layer
 * that multiplies a single row is quantized, which takes up to 0.1 ms longer for a million weights, if others win much
 * more.
 */
const SMALLER = 0.1;
/**
 * The share of the float nodes' time that may be taken where bytes are chosen for being smaller: the times are known to
 * about a tenth, and nothing is to be slower for it.
 */
const MOST = 0.9;

/** Some nodes in bytes. */
interface Choice {
  readonly inFloat: ReadonlySet<NodeProto>;
  /** The nanoseconds that all nodes take, as a share of what they take with floats. */
  readonly time: number;
}

/**
 * The nodes of a placement that are to stay float so that all nodes together, and making bytes of floats and floats of
 * bytes between them, take least time in onnxruntime-web's WASM provider. A node that is slower with bytes may be worth it
 * between two that are faster, and one that is faster may not be where it stands alone: so a minimum cut decides about
 * all of them at once. Smaller weights are worth time too, as long as all nodes together stay faster than with floats.
 */
export function fasterInFloat(
  facts: GraphFacts,
  placement: Placement,
): ReadonlySet<NodeProto> {
  const sizes = middlingSizes(facts.graph, facts);
  const smaller = cheapest(facts, placement, sizes, SMALLER);
  const { inFloat } = smaller.time <= MOST ? smaller : cheapest(facts, placement, sizes, 0);
  return inFloat;
}

/** The choice that costs least if an element of a weight in a byte saves so many nanoseconds. */
function cheapest(
  facts: GraphFacts,
  { active, clips, produced }: Placement,
  sizes: Sizes,
  smaller: number,
): Choice {
  const { view } = facts;
  const cut = new MinCut();
  const places = new Map<NodeProto, number>();
  const weights = new Map<NodeProto, number>();
  let floats = 0;
  for (const node of [...active, ...clips]) {
    const weight = elementCount(facts.constantDims(node.input[1] ?? "") ?? [0]);
    const { float, bytes } = webTimes(node, sizes, weight);
    floats += float;
    weights.set(node, weight);
    places.set(node, cut.add(bytes, float + smaller * weight));
  }
  const placeOf = (node: NodeProto | undefined) =>
    node === undefined ? cut.second : places.get(node) ?? cut.second;
  const values = new Set([...places.keys()].flatMap(({ input, output }) => [...input, ...output]));
  for (const value of values) {
    if (value === "" || facts.isConstant(value) || !facts.isFloat(value)) continue;
    const maker = view.producer(value);
    const count = sizes.elements(value);
    // Whoever reads bytes has them made, once for all, unless they come as such.
    const bytes = cut.add();
    cut.apart(bytes, placeOf(maker), CROSSING.node + CROSSING.quantize * count);
    // And whoever reads floats has these made of bytes; some kernels of products give floats anyway.
    const numbers = cut.add();
    const free = maker && givesFloats(maker) && !produced.has(value);
    cut.apart(placeOf(maker), numbers, free ? 0 : CROSSING.node + CROSSING.dequantize * count);
    for (const use of view.uses(value)) {
      const place = use.kind === "input" ? places.get(use.node) : undefined;
      if (place !== undefined && use.kind === "input" && operands(use.node).includes(use.index)) {
        cut.apart(place, bytes, Infinity);
      }
      cut.apart(numbers, place ?? cut.second, Infinity);
    }
  }
  const { first: inBytes, cost } = cut.solve();
  const inFloat = [...places].flatMap(([node, place]) => inBytes.has(place) ? [] : [node]);
  const paid = inFloat.reduce((sum, node) => sum + smaller * weights.get(node)!, 0);
  return { inFloat: new Set(inFloat), time: (cost - paid) / floats };
}
