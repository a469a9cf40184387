/**
 * Leaving in float what keeps onnxruntime from running a quantized model, or from running it right.
 *
 * @module
 */
import { decibels } from "../../plot/format.ts";
import type { OnnxModel } from "../file/model.ts";
import { OnnxError } from "../file/onnx_error.ts";
import type { GraphProto } from "../file/proto.ts";
import type { QuantizedNode } from "../qdq/quantize_graph.ts";
import { culprits } from "./culprits.ts";
import type { Fault, SampleCheck, Verdict } from "./sample_check.ts";

/** A model that was made of a float one, and what became of the nodes. */
export interface MadeModel {
  readonly model: OnnxModel;
  readonly nodes: readonly QuantizedNode[];
}

/** What makes a model of a float one. */
export interface Making<T extends MadeModel> {
  /** Opens the errors. */
  readonly where: string;
  /** The float graph. */
  readonly graph: GraphProto;
  /**
   * Makes it.
   *
   * @param left nodes to leave in float, and why.
   */
  readonly quantize: (left: ReadonlyMap<string, string>) => Promise<T>;
  /** Nodes that are known to be left in float, and why. */
  readonly left: ReadonlyMap<string, string>;
  /** Ends the work. */
  readonly signal?: AbortSignal;
}

/** What was tried last, and is kept. */
export interface Mended<T extends MadeModel> {
  readonly graph: T;
  readonly verdict: Verdict;
  readonly left: ReadonlyMap<string, string>;
}

/** Characters of a message of onnxruntime's that are told. */
const TOLD = 200;

/**
 * A model that onnxruntime runs, with as few nodes in float for it as were found.
 *
 * @param path where onnxruntime is to write what it makes of it.
 * @throws {OnnxError} if onnxruntime does not run it whatever is left in float.
 */
export async function mended<T extends MadeModel>(
  { where, graph: float, quantize, left, signal }: Making<T>,
  check: SampleCheck,
  path?: string,
): Promise<Mended<T>> {
  const graph = await quantize(left);
  const verdict = await check.judge(graph.model, path);
  const { fault } = verdict;
  if (!fault) return { graph, verdict, left };
  const reason = inWords(fault);
  const without = (names: readonly string[]) =>
    new Map([...left, ...names.map((name): [string, string] => [name, reason])]);
  const trial = async (names: readonly string[]) => {
    signal?.throwIfAborted();
    const { model, nodes } = await quantize(without(names));
    return (await check.judge(model)).fault ? undefined : nodes;
  };
  const suspects = graph.nodes.filter(({ quantized }) => quantized);
  const message = fault.kind === "refused" ? fault.message : "";
  const found = await culprits(float, suspects, message, trial);
  if (found) {
    const more = without(found);
    const graph = await quantize(more);
    return { graph, verdict: await check.judge(graph.model, path), left: more };
  }
  if (fault.kind === "wrong") return { graph, verdict, left };
  throw new OnnxError(
    `${where}: onnxruntime does not run the quantized model, whatever stays float in it: ${
      short(fault.message)
    }`,
  );
}

/** A warning for each reason why nodes were left in float. */
export function leftOut(left: ReadonlyMap<string, string>): string[] {
  return [...Map.groupBy(left, ([, reason]) => reason)].map(([reason, nodes]) =>
    `${nodes.map(([name]) => JSON.stringify(name)).join(", ")} stays float: ${reason}`
  );
}

/** A fault as a reason for leaving a node in float. */
export function inWords(fault: Fault): string {
  return fault.kind === "refused"
    ? `onnxruntime does not run the model with it quantized: ${short(fault.message)}`
    : `onnxruntime's integer kernels compute something else, ${decibels(fault.sqnr)} on a ` +
      `calibration sample where the integers stand for ${decibels(fault.exact)}`;
}

function short(message: string): string {
  const line = message.replaceAll(/\s+/g, " ").trim();
  return line.length > TOLD ? `${line.slice(0, TOLD)}…` : line;
}
