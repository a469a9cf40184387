/**
 * Recurrent nets, one step after the other.
 *
 * @module
 */
import type { Argument } from "../../../backend/expression.ts";
import { float32 } from "../../../numbers/dtype.ts";
import { Formula } from "../../../tensor/formula.ts";
import { cat, flip, permute, slice } from "../../../tensor/movement.ts";
import { linear } from "../../../tensor/ops.ts";
import { add } from "../../../tensor/pointwise.ts";
import { runCell } from "../../../tensor/recurrent.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import type { NodeProto } from "../../file/proto.ts";
import { hostTensor } from "../node/host_values.ts";
import { FLOATS, int, type NodeAttributes, text, TEXTS } from "../node/node_attributes.ts";
import type { OperatorCall, OperatorRule, OperatorRules } from "../node/operator_rule.ts";

/** Functions between gates, by the names that files give them. */
const FUNCTIONS = new Map([["sigmoid", "sigmoid"], ["tanh", "tanh"], ["relu", "relu"]] as const);

type GateFunction = typeof FUNCTIONS extends ReadonlyMap<string, infer Name> ? Name : never;

/** What one direction works with. */
interface Direction {
  /** (gates·hidden, input) and (gates·hidden, hidden). */
  readonly w: Tensor;
  readonly r: Tensor;
  /** (gates·hidden,) each. */
  readonly wb: Tensor;
  readonly rb: Tensor;
  /** (3·hidden,), or nothing. */
  readonly peepholes: Tensor | undefined;
  readonly functions: readonly GateFunction[];
  /** Sums of gates are kept between its negative and it. */
  readonly clip: number;
}

/** A state, (batch, hidden) each. */
type State = readonly Tensor[];

/** The next state, from the input's part of the gates, (batch, gates·hidden), and the last state. */
type Cell = (x: Tensor, state: State, direction: Direction) => State;

/** The part of a row's gates with this number. */
function gate(gates: Tensor, hidden: number, i: number): Tensor {
  return slice(gates, 1, i * hidden, (i + 1) * hidden);
}

/** Applies a gate's function to a sum. */
function applied(f: Formula, name: GateFunction, sum: Argument, { clip }: Direction): Argument {
  const kept = clip === Infinity ? sum : f.apply("minimum", f.apply("maximum", sum, -clip), clip);
  return f.apply(name, kept);
}

/** `Σ a·b` of pairs and single tensors, then a gate's function. */
function gateOf(
  name: GateFunction,
  direction: Direction,
  parts: readonly (Tensor | readonly [Tensor, Tensor])[],
): Tensor {
  const f = new Formula(name);
  const terms = parts.map((part) =>
    Array.isArray(part)
      ? f.apply("mul", f.read(part[0], "float"), f.read(part[1], "float"))
      : f.read(part as Tensor, "float")
  );
  applied(f, name, terms.reduce((a, b) => f.apply("add", a, b)), direction);
  const [first] = parts;
  return f.result((Array.isArray(first) ? first[0] : first as Tensor).dtype);
}

const rnnCell: Cell = (x, [h], direction) => {
  const { r, rb, functions } = direction;
  return [gateOf(functions[0], direction, [x, linear(h, r, rb)])];
};

const gruCell = (linearBeforeReset: boolean): Cell => (x, [h], direction) => {
  const { r, rb, functions } = direction;
  const size = h.shape[1];
  const own = linear(h, r, rb);
  const [z, reset] = [0, 1].map((i) =>
    gateOf(functions[0], direction, [gate(x, size, i), gate(own, size, i)])
  );
  const part = gate(x, size, 2);
  let next: Tensor;
  if (linearBeforeReset) {
    next = gateOf(functions[1], direction, [part, [reset, gate(own, size, 2)]]);
  } else {
    const f = new Formula("GRU");
    f.apply("mul", f.read(reset, "float"), f.read(h, "float"));
    const rh = slice(r, 0, 2 * size, 3 * size);
    const bias = slice(rb, 0, 2 * size, 3 * size);
    next = gateOf(functions[1], direction, [part, linear(f.result(h.dtype), rh, bias)]);
  }
  // (1 − z)·next + z·h
  const f = new Formula("GRU");
  const [a, b, c] = [z, next, h].map((t) => f.read(t, "float"));
  f.apply("add", f.apply("mul", f.apply("sub", 1, a), b), f.apply("mul", a, c));
  return [f.result(h.dtype)];
};

const lstmCell = (inputForget: boolean): Cell => (x, [h, c], direction) => {
  const { r, rb, functions: [gates, candidate, output], peepholes } = direction;
  const size = h.shape[1];
  const sums = add(x, linear(h, r, rb));
  const peephole = (i: number, state: Tensor): [Tensor, Tensor][] =>
    peepholes ? [[slice(peepholes, 0, i * size, (i + 1) * size), state]] : [];
  const i = gateOf(gates, direction, [gate(sums, size, 0), ...peephole(0, c)]);
  const f = inputForget ? i : gateOf(gates, direction, [gate(sums, size, 2), ...peephole(2, c)]);
  const formula = new Formula("LSTM");
  const read = (t: Tensor) => formula.read(t, "float");
  const made = applied(formula, candidate, read(gate(sums, size, 3)), direction);
  const forget = inputForget ? formula.apply("sub", 1, read(i)) : read(f);
  formula.apply("add", formula.apply("mul", forget, read(c)), formula.apply("mul", read(i), made));
  const next = formula.result(c.dtype);
  const o = gateOf(gates, direction, [gate(sums, size, 1), ...peephole(1, next)]);
  const last = new Formula("LSTM");
  last.apply("mul", last.read(o, "float"), last.apply(output, last.read(next, "float")));
  return [last.result(h.dtype), next];
};

/** The functions of a direction; those that the operator has where the node names none. */
function functionsOf(
  attributes: NodeAttributes,
  direction: number,
  otherwise: readonly GateFunction[],
): GateFunction[] {
  const count = otherwise.length;
  const named = attributes.texts("activations")?.slice(direction * count, (direction + 1) * count);
  return named?.length === count
    ? named.map((name) => FUNCTIONS.get(name.toLowerCase() as GateFunction)!)
    : [...otherwise];
}

/** Why a node is not computed here. */
function refused(_: NodeProto, attributes: NodeAttributes): string | undefined {
  const other = attributes.texts("activations")?.find((name) =>
    !FUNCTIONS.has(name.toLowerCase() as GateFunction)
  );
  return other === undefined
    ? undefined
    : `has the activation ${other}, and only ${[...FUNCTIONS.keys()].join(", ")} are computed here`;
}

/** An operator's cell and how it is called. */
interface Recurrent {
  readonly gates: number;
  /** How many tensors a state is. */
  readonly states: number;
  readonly functions: readonly GateFunction[];
  readonly cell: (attributes: NodeAttributes) => Cell;
  /** The backend's own cell, if it is that. */
  readonly fast: (attributes: NodeAttributes) => FastCell | undefined;
}

/** A cell of the backend's, and the order in which it has the gates. */
interface FastCell {
  readonly cell: "lstm" | "gru";
  readonly order: readonly number[];
}

/** Zeros where another tensor is. */
function zeros(call: OperatorCall, x: Tensor, shape: readonly number[]): Tensor {
  const count = shape.reduce((a, b) => a * b, 1);
  return call.onto(x, hostTensor(new Float32Array(count), shape, x.dtype));
}

/** What a direction works with, from the node's inputs. */
function directionOf(call: OperatorCall, d: number, { gates, functions }: Recurrent): Direction {
  const { attributes } = call;
  const [, w, r, b, , , , p] = call.inputs.map((t) =>
    t && t.ndim > 1 ? slice(t, 0, d, d + 1).reshape(t.shape.slice(1)) : t
  );
  const rows = w!.shape[0];
  const size = rows / gates;
  const biases = b ?? zeros(call, w!, [2 * rows]);
  return {
    w: w!,
    r: r!,
    wb: slice(biases, 0, 0, rows),
    rb: slice(biases, 0, rows, 2 * rows),
    peepholes: p && p.shape[0] === 3 * size ? p : undefined,
    functions: functionsOf(attributes, d, functions),
    clip: attributes.has("clip") ? attributes.float("clip") : Infinity,
  };
}

/** All outputs of a direction, (length, batch, hidden), and its last state. */
function walk(x: Tensor, start: State, direction: Direction, cell: Cell) {
  const [length, batch] = x.shape;
  const parts = linear(x, direction.w, direction.wb);
  let state = start;
  const outputs: Tensor[] = [];
  for (let t = 0; t < length; t++) {
    const part = slice(parts, 0, t, t + 1).reshape(batch, -1);
    state = cell(part, state, direction);
    outputs.push(state[0].reshape([1, ...state[0].shape]));
  }
  return { outputs: cat(outputs, 0), state };
}

/** The gates of a matrix or a row in another order. */
function ordered(t: Tensor, order: readonly number[], size: number): Tensor {
  return cat(order.map((i) => slice(t, 0, i * size, (i + 1) * size)), 0);
}

/** The same as {@linkcode walk} by the backend's own cell, where that is the one that is asked for. */
function walkFast(
  x: Tensor,
  start: State,
  direction: Direction,
  { cell, order }: FastCell,
  reverse: boolean,
) {
  const [hidden, state = null] = start;
  const size = hidden.shape[1];
  const { w, wb, r, rb } = direction;
  const [weightIh, biasIh, weight, bias] = [w, wb, r, rb].map((t) => ordered(t, order, size));
  const products = linear(x, weightIh, biasIh);
  const args = { cell, weight, bias, hidden, state, batchFirst: false, reverse };
  const result = runCell(cell, products, args);
  return { outputs: result.output, state: [result.hidden, ...result.state ? [result.state] : []] };
}

/** Whether a direction is what the backend's own cell computes. */
function isPlain(x: Tensor, { functions, clip, peepholes }: Direction, kind: Recurrent): boolean {
  return x.dtype === float32 && clip === Infinity && !peepholes &&
    functions.every((name, i) => name === kind.functions[i]);
}

function recurrent(kind: Recurrent, attributes: OperatorRule["attributes"]): OperatorRule {
  return {
    inputs: [3, kind.states === 2 ? 8 : 6],
    outputs: 1 + kind.states,
    host: [4],
    attributes: {
      activation_alpha: FLOATS,
      activation_beta: FLOATS,
      activations: TEXTS,
      clip: { kind: "float" },
      direction: text("forward", "forward", "reverse", "bidirectional"),
      hidden_size: int(),
      layout: int(0),
      ...attributes,
    },
    refuse: refused,
    compute: (call) => computeAll(call, kind),
  };
}

function computeAll(call: OperatorCall, kind: Recurrent): Tensor[] {
  const { attributes } = call;
  const batchFirst = attributes.int("layout") !== 0;
  const x = batchFirst ? permute(call.input(0), [1, 0, 2]) : call.input(0);
  const [length, batch] = x.shape;
  const lengths = call.numbers(4);
  if (lengths?.some((each) => each !== length)) {
    throw new RangeError("its sequences have different lengths; run them one after the other");
  }
  const directions = call.input(1).shape[0];
  const size = call.input(2).shape[2];
  const cell = kind.cell(attributes);
  const results = Array.from({ length: directions }, (_, d) => {
    const direction = directionOf(call, d, kind);
    const start = Array.from({ length: kind.states }, (_, i) => {
      const given = call.inputs[5 + i];
      if (!given) return zeros(call, x, [batch, size]);
      return slice(given, batchFirst ? 1 : 0, d, d + 1).reshape(batch, size);
    });
    const back = attributes.text("direction") === "reverse" || d === 1;
    const fast = kind.fast(attributes);
    if (fast && isPlain(x, direction, kind)) return walkFast(x, start, direction, fast, back);
    const { outputs, state } = walk(back ? flip(x, [0]) : x, start, direction, cell);
    return { outputs: back ? flip(outputs, [0]) : outputs, state };
  });
  const all = cat(results.map(({ outputs }) => outputs.reshape(length, 1, batch, size)), 1);
  const last = Array.from(
    { length: kind.states },
    (_, i) => cat(results.map(({ state }) => state[i].reshape(1, batch, size)), 0),
  );
  return batchFirst
    ? [permute(all, [2, 0, 1, 3]), ...last.map((t) => permute(t, [1, 0, 2]))]
    : [all, ...last];
}

/** Recurrent nets. */
export const RECURRENT: OperatorRules = {
  RNN: recurrent({
    gates: 1,
    states: 1,
    functions: ["tanh"],
    cell: () => rnnCell,
    fast: () => undefined,
  }, {}),
  GRU: recurrent({
    gates: 3,
    states: 1,
    functions: ["sigmoid", "tanh"],
    cell: (attributes) => gruCell(attributes.int("linear_before_reset") !== 0),
    fast: (attributes) =>
      attributes.int("linear_before_reset") ? { cell: "gru", order: [1, 0, 2] } : undefined,
  }, { linear_before_reset: int(0) }),
  LSTM: recurrent({
    gates: 4,
    states: 2,
    functions: ["sigmoid", "tanh", "tanh"],
    cell: (attributes) => lstmCell(attributes.int("input_forget") !== 0),
    fast: (attributes) =>
      attributes.int("input_forget") ? undefined : { cell: "lstm", order: [0, 2, 3, 1] },
  }, { input_forget: int(0) }),
};
