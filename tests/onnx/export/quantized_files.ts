/** What tests of quantized models as files share: onnxruntime and importOnnx compute the same bytes of them. */
import { assert, assertEquals } from "@std/assert";
import {
  type Device,
  type Granularity,
  importOnnx,
  insertObservers_,
  int8,
  isObserved,
  MappingType,
  type Module,
  type OnnxModel,
  type OnnxModule,
  PerAxis,
  quantize_,
  StaticQuantConfig,
  type Tensor,
  uint8,
} from "../../../mod.ts";
import { minMax } from "../../quantization/flow.ts";
import { messages } from "../files.ts";
import {
  assertSameBytes,
  type Feeds,
  noise,
  runFile,
  runModule,
} from "../import/against_onnxruntime.ts";

/** Quantizes a model whose layers hand on bytes. */
export async function quantized(
  model: Module,
  x: Tensor,
  granularity: Granularity = new PerAxis(0),
): Promise<void> {
  const weights = minMax(MappingType.SYMMETRIC, int8, { granularity });
  const activations = minMax(MappingType.ASYMMETRIC, uint8);
  const options = { activationPostProcess: activations };
  insertObservers_(model, activations, weights, undefined, options);
  model.forward(x).dispose();
  const config = new StaticQuantConfig({ targetDtype: uint8, weightDtype: int8 });
  await quantize_(model, config, isObserved);
}

/** Makes every value that is quantized an output of the model; gives their names. */
export function exposeBytes({ graph }: OnnxModel): string[] {
  return graph.node.filter(({ opType }) => opType === "QuantizeLinear").map(
    ({ output: [name] }) => {
      graph.output.push(messages.valueInfo(name, "uint8"));
      return name;
    },
  );
}

/** That a module gives the bytes of onnxruntime. */
export async function checkBytes(
  module: OnnxModule,
  file: OnnxModel,
  names: readonly string[],
  dims: readonly number[],
  device: Device,
): Promise<void> {
  assert(names.length > 5);
  const feeds = { [file.graph.input[0].name]: noise(dims, 3) };
  const expected = await runFile(file.toBytes(), feeds);
  const exposed = await importOnnx(file, { device });
  assertEquals(classes(exposed), classes(module));
  const bytes = Object.fromEntries(names.map((name) => [name, expected[name]])) as Feeds;
  await assertSameBytes(runModule(exposed, feeds, device), bytes);
}

/** The names of the classes of a model's modules. */
export const classes = (model: Module) =>
  [...model.namedModules()].map(([, { constructor: { name } }]) => name);
