/**
 * What `inspect` prints.
 *
 * @module
 */
import type { TensorInfo } from "../data/sample.ts";
import { stat } from "../files/disk.ts";
import { loadOnnx } from "../onnx/file/model_file.ts";
import {
  type InspectedOperator,
  inspectOnnx,
  type OnnxInspection,
} from "../onnx/inspect/inspect_onnx.ts";
import { formatBytes, formatNumber, formatShare } from "../plot/format.ts";
import { Table } from "../plot/table.ts";
import { factLines } from "./facts.ts";

/**
 * Looks into a model.
 *
 * @param path an ONNX file.
 * @param json whether to print JSON.
 * @param columns of the terminal.
 * @returns what is to be printed.
 */
export async function inspect(path: string, json: boolean, columns: number): Promise<string> {
  const found = await inspectOnnx(await loadOnnx(path));
  const { size } = await stat(path);
  if (json) return `${JSON.stringify(asJson(path, size, found), null, 2)}\n`;
  const tables = [values(found), operators(found)].map((table) => table.toText(columns));
  const why = reasons(found);
  const parts = [
    factLines(facts(path, size, found), columns),
    ...tables,
    ...why.length ? [`why not all\n${factLines(why, columns)}`] : [],
  ];
  return `${parts.join("\n\n")}\n`;
}

/** With null for sizes that are not told. */
function asJson(file: string, fileBytes: number, { inputs, outputs, ...found }: OnnxInspection) {
  const told = ({ dims, ...info }: TensorInfo) => ({ ...info, dims: dims ?? null });
  return { file, fileBytes, ...found, inputs: inputs.map(told), outputs: outputs.map(told) };
}

function facts(path: string, size: number, found: OnnxInspection): [string, string][] {
  const { constants, irVersion, opset, producer, nodes, quantized } = found;
  const sets = Object.entries(opset).map(([domain, version]) => `${domain} ${version}`);
  const types = Object.entries(constants.byType).sort(([, a], [, b]) => b - a)
    .map(([type, bytes]) => `${type} ${formatBytes(bytes)}`);
  return [
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
    ...quantized ? [] : [["quantizable", quantizable(found)] as [string, string]],
  ];
}

function quantizable({ operators, prepared, problem }: OnnxInspection): string {
  if (problem) return `nothing: ${problem}`;
  const sum = (what: "prepared" | "quantizable") =>
    operators.reduce((total, row) => total + row[what], 0);
  const after = prepared ? ` after constants and fusions are folded` : "";
  return `${sum("quantizable")} of ${sum("prepared")} nodes${after}`;
}

function values({ inputs, outputs }: OnnxInspection): Table {
  const row = (kind: string) => ({ name, dtype, dims }: TensorInfo) => ({
    " ": kind,
    name,
    type: dtype,
    shape: dims ? `[${dims.map((size) => size ?? "?").join(", ")}]` : "any",
  });
  return new Table([...inputs.map(row("input")), ...outputs.map(row("output"))]);
}

/** A row for each operator. */
function operators({ operators, constants, prepared, problem }: OnnxInspection): Table {
  const rows = operators.map((row) => ({
    operator: row.domain ? `${row.domain}.${row.op}` : row.op,
    nodes: row.count,
    parameters: row.parameters || null,
    bytes: row.bytes ? formatBytes(row.bytes) : null,
    share: row.bytes ? formatShare(row.bytes, constants.bytes) : null,
    ...problem ? {} : verdict(row),
  }));
  const note = problem || prepared
    ? undefined
    : "as the file is; with --allow-ffi as quantize prepares it";
  return new Table(rows, { note });
}

function verdict({ count, prepared, quantizable }: InspectedOperator): Record<string, string> {
  if (prepared === 0) return { quantizable: "" };
  const left = prepared === count ? "" : count === 0 ? " made by fusing" : " left";
  return { quantizable: `${quantizable} of ${prepared}${left}` };
}

/** Why operators stay as they are: each reason with those it holds for. */
function reasons({ operators, problem }: OnnxInspection): [string, string][] {
  if (problem) return [];
  const found = operators.flatMap(({ op, prepared, reasons }) =>
    (prepared === 0 ? ["folded or fused away"] : reasons).map((reason) => ({ op, reason }))
  );
  const byReason = Map.groupBy(found, ({ reason }) => reason);
  return [...byReason].map(([reason, all]) => [`  ${reason}:`, all.map(({ op }) => op).join(", ")]);
}
