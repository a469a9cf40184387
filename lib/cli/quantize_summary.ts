/**
 * What `quantize` prints at the end.
 *
 * @module
 */
import { quote } from "../numbers/printable.ts";
import { decibels, formatBytes, percent } from "../plot/format.ts";
import { Table } from "../plot/table.ts";
import type { AutoQuantizeResult } from "../onnx/accuracy/auto_quantize.ts";
import type { BestMethod } from "../onnx/calibration/best_method.ts";
import type { OnnxComparison } from "../onnx/accuracy/comparison.ts";
import type { QuantizeStaticResult } from "../onnx/quantize_static.ts";
import { factLines } from "./facts.ts";
import { withFlags } from "./options.ts";

/** What is to be told. */
export interface QuantizeParts {
  readonly file: string;
  readonly out: string;
  /** Of the float model. */
  readonly bytes: number;
  readonly quantizedBytes: number;
  /** Samples calibrated on. */
  readonly samples: number;
  readonly nodes: QuantizeStaticResult["nodes"];
  /** The names that several nodes of the float model shared. */
  readonly renamed: readonly string[];
  /** The judgement on samples held out. */
  readonly comparison?: OnnxComparison;
  /** What was done to meet a target. */
  readonly auto?: AutoQuantizeResult;
  /** The nodes that were measured to be faster in float. */
  readonly fasterInFloat?: readonly string[];
  /** The method that was measured to be best. */
  readonly bestMethod?: BestMethod;
  /** What is to be known of the model; only in JSON, for text has it on standard error. */
  readonly warnings: readonly string[];
}

/** As JSON. */
export function quantizeJson({ comparison, auto, ...parts }: QuantizeParts): string {
  const heldOut = comparison && {
    samples: comparison.samples,
    sqnr: comparison.sqnr,
    outputs: comparison.outputs.map(({ name, sqnr, top1 }) => ({ name, sqnr, top1 })),
  };
  const target = auto && {
    sqnr: auto.targetSqnr,
    reached: auto.reached,
    steps: auto.steps,
    leftOut: auto.leftOut,
  };
  return JSON.stringify({ ...parts, heldOut, target }, null, 2);
}

/** As text. */
export function quantizeSummary(parts: QuantizeParts, columns: number): string {
  const { out, bytes, quantizedBytes, samples, nodes, comparison, auto } = parts;
  const quantized = nodes.filter(({ quantized }) => quantized).length;
  const rows: [string, string][] = [
    ["written", out],
    [
      "size",
      `${formatBytes(quantizedBytes)}, ${percent(quantizedBytes / bytes)} of ${formatBytes(bytes)}`,
    ],
    ["quantized", `${quantized} of ${nodes.length} nodes, calibrated on ${count(samples)}`],
  ];
  if (parts.renamed.length > 0) {
    rows.push([
      "renamed",
      `nodes that shared the name ${
        parts.renamed.slice(0, 3).map(quote).join(" or ")
      }; onnxruntime does not take ` +
      `the float file for it`,
    ]);
  }
  if (parts.bestMethod) {
    const { method, sqnr, samples } = parts.bestMethod;
    const other = method === "mse" ? "minmax" : "mse";
    rows.push([
      "method",
      `${method}, ${decibels(sqnr[method])} beside ${decibels(sqnr[other])} with ${other}, on ${
        count(samples)
      } that it was calibrated on${
        sqnr[method] < sqnr[other] ? ", where the difference may be chance" : ""
      }`,
    ]);
  }
  if (parts.fasterInFloat) {
    rows.push([
      "for speed",
      `${parts.fasterInFloat.length} nodes stay float; --json lists them, for a recipe's nodesToExclude`,
    ]);
  }
  for (const { name, sqnr, top1 } of comparison?.outputs ?? []) {
    const agreement = top1 === null ? "" : `, top-1 agreement ${percent(top1)}`;
    rows.push([
      "SQNR",
      `${decibels(sqnr)} at ${name}${agreement}, on ${count(comparison!.samples)} held out`,
    ]);
  }
  if (auto) {
    const steps = auto.steps.map(({ step, sqnr }) => `${step} ${decibels(sqnr)}`);
    rows.push(["tried", steps.join(", ")]);
    const names = auto.leftOut.map(({ node }) => node).join(", ");
    rows.push([
      "target",
      `${decibels(auto.targetSqnr)} ${reached(auto)}` +
      (names ? `; left float for it: ${names}` : ""),
    ]);
  }
  return `${factLines(rows, columns)}\n\n${operators(nodes).toText(columns)}`;
}

function reached({ reached, quantizedNodes }: AutoQuantizeResult): string {
  if (!reached) return "missed";
  return quantizedNodes > 0 ? "met" : "met with every node in float only";
}

function count(samples: number): string {
  return `${samples} ${samples === 1 ? "sample" : "samples"}`;
}

/** A row for each operator. */
function operators(nodes: QuantizeStaticResult["nodes"]): Table {
  const all = new Map<string, { nodes: number; quantized: number; reasons: Set<string> }>();
  for (const { opType, quantized, reason } of nodes) {
    const row = all.get(opType) ?? { nodes: 0, quantized: 0, reasons: new Set() };
    all.set(opType, row);
    row.nodes++;
    if (quantized) row.quantized++;
    else if (reason) row.reasons.add(reason);
  }
  const rows = [...all].sort(([a, x], [b, y]) =>
    y.quantized - x.quantized || y.nodes - x.nodes || (a < b ? -1 : 1)
  );
  return new Table(rows.map(([operator, { nodes, quantized, reasons }]) => ({
    operator,
    nodes,
    quantized,
    "why not": withFlags([...reasons].join("; ")),
  })));
}
