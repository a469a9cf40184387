/**
 * What `inspect` prints.
 *
 * @module
 */
import { formatBytes, formatNumber, formatShare } from "../plot/format.ts";
import { Table } from "../plot/table.ts";
import { loadOnnx } from "../onnx/file/model_file.ts";
import {
  type ModelSummary,
  summarizeModel,
  type ValueSummary,
} from "../onnx/inspect/model_summary.ts";
import {
  type Quantizable,
  type QuantizableNodes,
  quantizableNodes,
} from "../onnx/inspect/quantizable.ts";

/**
 * Looks into a model.
 *
 * @param path an ONNX file.
 * @param json whether to print JSON.
 * @returns what is to be printed.
 */
export async function inspect(path: string, json: boolean): Promise<string> {
  const model = await loadOnnx(path);
  const { size } = await Deno.stat(path);
  const summary = summarizeModel(model);
  const found = summary.quantized ? NOTHING : await quantizableNodes(model);
  if (json) return `${JSON.stringify(asJson(path, size, summary, found), null, 2)}\n`;
  return `${
    [
      facts(path, size, summary, found),
      values(summary),
      operators(summary, found),
    ].join("\n\n")
  }\n`;
}

/** What can be quantized in a model that is quantized already. */
const NOTHING: QuantizableNodes = {
  operators: new Map(),
  prepared: false,
  problem: "the model is quantized already",
};

function asJson(
  file: string,
  fileBytes: number,
  summary: ModelSummary,
  { operators: found, prepared, problem }: QuantizableNodes,
) {
  const operators = summary.operators.map((row) => {
    const { nodes = 0, quantizable = 0, reasons = [] } = found.get(keyOf(row)) ?? {};
    return { ...row, prepared: nodes, quantizable, reasons };
  });
  return { file, fileBytes, ...summary, operators, prepared, problem };
}

function keyOf({ op, domain }: { op: string; domain: string }): string {
  return `${domain}:${op}`;
}

function facts(
  path: string,
  size: number,
  { constants, irVersion, opset, producer, nodes, quantized }: ModelSummary,
  { operators, prepared, problem }: QuantizableNodes,
): string {
  const sets = Object.entries(opset).map(([domain, version]) => `${domain} ${version}`);
  const types = Object.entries(constants.byType).sort(([, a], [, b]) => b - a)
    .map(([type, bytes]) => `${type} ${formatBytes(bytes)}`);
  const sum = (what: "nodes" | "quantizable") =>
    [...operators.values()].reduce((total, row) => total + row[what], 0);
  const after = prepared ? ` after constants and fusions are folded` : "";
  const rows: [string, string][] = [
    ["file", `${path}, ${formatBytes(size)}`],
    ["operator sets", `${sets.join(", ")} (IR version ${irVersion})`],
    ...producer ? [["made by", producer] as [string, string]] : [],
    [
      "constants",
      `${formatNumber(constants.elements)} numbers in ${constants.tensors} tensors` +
      (types.length ? `: ${types.join(", ")}` : ""),
    ],
    ["nodes", formatNumber(nodes)],
    ["quantized", quantized ? "yes, already" : "no"],
    ...quantized ? [] : [[
      "quantizable",
      problem ? `nothing: ${problem}` : `${sum("quantizable")} of ${sum("nodes")} nodes${after}`,
    ] as [string, string]],
  ];
  return rows.map(([name, value]) => `${name.padEnd(14)}${value}`).join("\n");
}

function values({ inputs, outputs }: ModelSummary): string {
  const row = (kind: string) => ({ name, dtype, dims }: ValueSummary) => ({
    " ": kind,
    name,
    type: dtype,
    shape: dims ? `[${dims.map((size) => size ?? "?").join(", ")}]` : "any",
  });
  return new Table([...inputs.map(row("input")), ...outputs.map(row("output"))]).toString();
}

/** A row for each operator, those that preparing adds at the end. */
function operators(
  { operators, constants }: ModelSummary,
  { operators: found, prepared, problem }: QuantizableNodes,
): string {
  const own = new Set(operators.map(keyOf));
  const added = [...found.keys()].filter((key) => !own.has(key)).map((key) => ({
    ...{ domain: key.slice(0, key.indexOf(":")), op: key.slice(key.indexOf(":") + 1) },
    ...{ count: 0, parameters: 0, bytes: 0 },
  }));
  const rows = [...operators, ...added].map((row) => ({
    operator: row.domain ? `${row.domain}.${row.op}` : row.op,
    nodes: row.count,
    parameters: row.parameters || null,
    bytes: row.bytes ? formatBytes(row.bytes) : null,
    share: row.bytes ? formatShare(row.bytes, constants.bytes) : null,
    ...problem ? {} : verdict(found.get(keyOf(row)), row.count),
  }));
  const note = problem || prepared
    ? undefined
    : "as the file is; with --allow-ffi as quantize prepares it";
  return new Table(rows, { note }).toString();
}

function verdict(found: Quantizable | undefined, count: number): Record<string, string> {
  if (!found) return { quantizable: "", "why not": "folded or fused away" };
  const { nodes, quantizable, reasons } = found;
  const left = nodes === count ? "" : count === 0 ? " made by fusing" : " left";
  return {
    quantizable: `${quantizable} of ${nodes}${left}`,
    "why not": reasons.join("; "),
  };
}
