/**
 * Runs ONNX's own operator tests on both backends:
 * `deno run -A scripts/onnx_operator_tests.ts FOLDER [--only TEXT] [--device cpu] [--docs]`.
 *
 * FOLDER has a folder for each case, as the `onnx` package writes them: `model.onnx` and
 * `test_data_set_0/{input,output}_J.pb`. A case counts if every operator in it is one that `importOnnx`
 * claims. `--docs` writes `docs/operators.md`.
 *
 * @module
 */
import { join } from "node:path";
import {
  type Device,
  type DType,
  importOnnx,
  init,
  OnnxError,
  type Tensor,
  tensor,
} from "../mod.ts";
import { domainName } from "../lib/onnx/file/check_model.ts";
import { loadMessages } from "../lib/onnx/file/messages.ts";
import { loadOnnx } from "../lib/onnx/file/model_file.ts";
import type { NodeProto, TensorProto } from "../lib/onnx/file/proto.ts";
import { walkGraphs } from "../lib/onnx/file/subgraphs.ts";
import { readTensor, tensorType } from "../lib/onnx/file/tensor_data.ts";
import { valueType } from "../lib/onnx/graph/graph_view.ts";
import { importedNumbers, importedType } from "../lib/onnx/import/node/element_types.ts";
import { importedOperators } from "../lib/onnx/import/operator_table.ts";
import { root } from "./paths.ts";

/** How far a number may be off, relative to what it should be; ONNX's own tests allow 1e-3. */
const RELATIVE = 1e-3;
const STRICT = 1e-5;
const ABSOLUTE = 1e-7;

/** The types of which all cases must pass. */
const REQUIRED = new Set(["float32", "int8", "uint8", "int32", "int64", "bool"]);

/** Cases that are left out, by how their names begin, and why. */
const LEFT_OUT = new Map([
  ["test_training_dropout", "they drop what NumPy's random numbers choose"],
]);

/** What became of a case on a device. */
interface Outcome {
  readonly status: "passed" | "failed" | "refused";
  readonly why?: string;
  /** Whether it even holds within {@linkcode STRICT}. */
  readonly strict?: boolean;
}

/** A case that counts. */
interface Case {
  readonly name: string;
  /** The operator that is tested: that of the only node, or of the function that was written out. */
  readonly operator: string;
  readonly required: boolean;
  readonly outcomes: Map<Device, Outcome>;
}

const messages = await loadMessages("operator tests");

async function readProto(path: string): Promise<TensorProto> {
  const { onnx: { TensorProtoSchema }, protobuf: { fromBinary } } = messages;
  return fromBinary(TensorProtoSchema, await Deno.readFile(path));
}

/** The tensors `input_0.pb`, `input_1.pb`, … of a folder; nothing if one is no tensor. */
async function readAll(folder: string, kind: string): Promise<TensorProto[] | undefined> {
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name)
    .filter((name) => name.startsWith(`${kind}_`));
  try {
    return await Promise.all(names.map((_, i) => readProto(join(folder, `${kind}_${i}.pb`))));
  } catch {
    return undefined;
  }
}

/** Why an output is wrong; nothing if it is right. */
async function difference(
  actual: Tensor,
  expected: TensorProto,
  relative: number,
): Promise<string | undefined> {
  const { dims, data } = readTensor(expected);
  if (dims.join() !== actual.shape.join()) return `shape [${actual.shape}], not [${dims}]`;
  const type = importedType(tensorType(expected)) as DType;
  if (actual.dtype !== type) return `type ${actual.dtype.name}, not ${type.name}`;
  const [got, wanted] = [await actual.data(), importedNumbers(data)];
  for (let i = 0; i < wanted.length; i++) {
    const same = got[i] === wanted[i] || Number.isNaN(got[i]) && Number.isNaN(wanted[i]);
    if (same || Math.abs(got[i] - wanted[i]) <= ABSOLUTE + relative * Math.abs(wanted[i])) continue;
    return `element ${i} is ${got[i]}, not ${wanted[i]}`;
  }
}

async function runCase(folder: string, device: Device): Promise<Outcome> {
  let module;
  try {
    module = await importOnnx(join(folder, "model.onnx"), { device });
  } catch (error) {
    const why = (error as Error).message.split("\n").slice(-1)[0].trim();
    return { status: error instanceof OnnxError ? "refused" : "failed", why };
  }
  try {
    const data = join(folder, "test_data_set_0");
    const [inputs, outputs] = [await readAll(data, "input"), await readAll(data, "output")];
    if (!inputs || !outputs) return { status: "refused", why: "inputs or outputs are no tensors" };
    const given = module.inputs.map((info, i): Tensor => {
      const { dims, data } = readTensor(inputs[i]);
      const on = info.onHost ? "cpu" : device;
      return tensor(importedNumbers(data), { shape: dims, dtype: info.dtype, device: on });
    });
    const feeds = Object.fromEntries(module.inputs.map(({ name }, i) => [name, given[i]]));
    const results = Object.values(module.run(feeds));
    let strict = true;
    for (const [i, wanted] of outputs.entries()) {
      const why = await difference(results[i], wanted, RELATIVE);
      if (why) return { status: "failed", why: `output ${i}: ${why}` };
      strict &&= !await difference(results[i], wanted, STRICT);
    }
    return { status: "passed", strict };
  } catch (error) {
    return { status: "failed", why: (error as Error).message.split("\n")[0] };
  }
}

function operatorOf({ domain, opType }: NodeProto): string {
  return domainName(domain) ? `${domain}:${opType}` : opType;
}

/** The operator that a case tests, and the types in it; nothing if it uses one that is not claimed. */
async function describeCase(folder: string, name: string, claimed: ReadonlySet<string>) {
  const model = await loadOnnx(join(folder, "model.onnx")).catch(() => undefined);
  if (!model) return undefined;
  const nodes = [...walkGraphs(model.graph)].flatMap(({ node }) => node);
  const operators = [
    ...new Set(
      nodes.map(({ domain, opType }) => domainName(domain) ? `${domain}:${opType}` : opType),
    ),
  ];
  const functions = model.proto.functions.map(({ domain, name }) =>
    domain ? `${domain}:${name}` : name
  );
  if (operators.some((each) => !claimed.has(each) && !functions.includes(each))) return undefined;
  const values = [...model.graph.input, ...model.graph.output];
  const types = values.map(({ type }) => valueType(type)?.dtype ?? "other");
  const alone = model.graph.node.length === 1 && model.proto.functions.length === 0;
  const operator = alone ? operatorOf(model.graph.node[0]) : "(functions written out)";
  return { name, operator, required: types.every((type) => REQUIRED.has(type)) };
}

function flag(name: string): string | undefined {
  const at = Deno.args.indexOf(name);
  return at < 0 ? undefined : Deno.args[at + 1] ?? "";
}

/** Counts of an operator's cases on all devices. */
function tally(cases: readonly Case[], devices: readonly Device[]) {
  const has = (each: Case, status: string) =>
    devices.some((device) => each.outcomes.get(device)?.status === status);
  const passed = cases.filter((each) => !has(each, "failed") && !has(each, "refused"));
  return {
    cases: cases.length,
    passed: passed.length,
    failed: cases.filter((each) => has(each, "failed")).length,
    refused: cases.filter((each) => has(each, "refused") && !has(each, "failed")).length,
  };
}

function byOperator(cases: readonly Case[]): Map<string, Case[]> {
  const groups = new Map<string, Case[]>();
  for (const each of cases) groups.set(each.operator, [...groups.get(each.operator) ?? [], each]);
  return new Map([...groups].sort(([a], [b]) => a < b ? -1 : 1));
}

function docs(groups: ReadonlyMap<string, Case[]>, devices: readonly Device[]): string {
  const rows = importedOperators().map((operator) => {
    const all = groups.get(operator) ?? [];
    const [own, other] = [true, false].map((required) =>
      tally(all.filter((each) => each.required === required), devices).passed
    );
    return `| ${operator.replace(":", " ")} | ${own || "–"} | ${other || "–"} |`;
  });
  const composed = [...groups].filter(([operator]) => operator.startsWith("("))
    .flatMap(([, cases]) => cases.filter(({ required }) => required));
  const { passed } = tally(composed, devices);
  return `# Operators that importOnnx computes

Written by \`scripts/onnx_operator_tests.ts --docs\`: each operator of ONNX (as operator sets 7 to 28 have
it) and of onnxruntime's domain that \`importOnnx\` takes, and how many of ONNX's own tests of it pass on
the CPU backend and on WebGPU: all of those whose inputs and outputs are float32, int8, uint8, int32,
int64 or bool; and how many of those of other types. Beside them, ${passed} tests of functions written out as several of these operators pass. A dash
is an operator that those tests have not; it is tested beside onnxruntime here, as all are. Left out are tests of
Dropout that train (${
    [...LEFT_OUT.values()].join("; ")
  }). Numbers agree within ${STRICT} of what they should be,
where ONNX's own tests allow ${RELATIVE}.

| operator | tests | of other types |
| --- | --- | --- |
${rows.join("\n")}
`;
}

async function main(): Promise<void> {
  const [folder] = Deno.args;
  const only = flag("--only");
  const device = flag("--device");
  const devices: Device[] = device ? [device as Device] : ["cpu", "webgpu"];
  const claimed = new Set([...importedOperators(), "Upsample"]);
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  const cases: Case[] = [];
  for (const name of names) {
    if ([...LEFT_OUT.keys()].some((start) => name.startsWith(start))) continue;
    const described = await describeCase(join(folder, name), name, claimed);
    const wanted = !only || described?.operator === only || name.includes(only);
    if (described && wanted) cases.push({ ...described, outcomes: new Map() });
  }
  for (const device of devices) {
    await init({ device });
    for (const each of cases) {
      const outcome = await runCase(join(folder, each.name), device);
      each.outcomes.set(device, outcome);
      if (outcome.status === "passed" && outcome.strict) continue;
      if (outcome.status === "refused" && !each.required && !only) continue;
      const status = outcome.status === "passed" ? `beyond ${STRICT}` : outcome.status;
      console.log(`${device} ${each.name} ${status}: ${outcome.why ?? ""}`);
    }
  }
  const groups = byOperator(cases);
  const table = [...groups].map(([operator, all]) => ({
    operator,
    ...tally(all.filter(({ required }) => required), devices),
    "other types passed": tally(all.filter(({ required }) => !required), devices).passed,
    "of": all.filter(({ required }) => !required).length,
  }));
  console.table(Object.fromEntries(table.map(({ operator, ...row }) => [operator, row])));
  console.log(tally(cases.filter(({ required }) => required), devices));
  if (Deno.args.includes("--docs")) {
    await Deno.writeTextFile(join(root, "docs/operators.md"), docs(groups, devices));
  }
}

await main();
