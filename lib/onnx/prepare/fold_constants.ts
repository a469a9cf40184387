import type { TensorProto } from "../file/proto.ts";
import { tensorByteSize } from "../file/tensor_data.ts";
import { newModel } from "../graph/new_model.ts";
import { removeUnusedInitializers } from "../graph/unused.ts";
import { OnnxRuntime } from "../run/runtime.ts";
import { type ConstantPart, constantPart } from "./constant_part.ts";
import type { GraphTools } from "./graph_tools.ts";

/** How many times the bytes of its constants a model may have when they are computed: 4 bits become 32. */
const GROWTH = 8;

/** And so many bytes beyond that. */
const MORE = 1 << 16;

/** How often what was computed may tell how much other nodes make. */
const ROUNDS = 8;

/** The bytes of a graph's constants. */
function constantBytes({ editor: { graph } }: GraphTools): number {
  return graph.initializer.reduce((sum, tensor) => sum + tensorByteSize(tensor), 0);
}

/** What a part of a graph comes to; nothing if onnxruntime cannot compute it apart. */
async function compute(
  where: string,
  tools: GraphTools,
  { nodes, needed }: ConstantPart,
): Promise<TensorProto[] | undefined> {
  const { graph, messages } = tools.editor;
  const read = new Set([...nodes].flatMap(({ input }) => input));
  const constants = newModel(messages, {
    name: "constants",
    opset: tools.opset,
    node: [...nodes],
    initializer: graph.initializer.filter(({ name }) => read.has(name)),
    output: [...needed].map(([name, dtype]) => messages.valueInfo(name, dtype)),
  });
  if ([...nodes].some(({ domain }) => domain === "com.microsoft")) {
    constants.setOpset(1, "com.microsoft");
  }
  let results;
  try {
    await using runtime = await OnnxRuntime.open(where, constants, { optimization: "disabled" });
    results = await runtime.run({});
  } catch {
    return undefined;
  }
  return [...needed.keys()].map((name) => {
    const { type, dims, data } = results[name];
    return messages.tensor(name, type, dims, data);
  });
}

/**
 * Computes what depends on constants alone with onnxruntime, and keeps the results as constants, whatever
 * their size: weights may be split, turned and dequantized. What would make the model more than eight
 * times as large as the constants of its file is left to be computed.
 *
 * @param where opens the errors.
 */
export async function foldConstants(where: string, tools: GraphTools): Promise<void> {
  const most = constantBytes(tools) * GROWTH + MORE;
  for (let round = 0; round < ROUNDS; round++) {
    const part = constantPart(tools, most - constantBytes(tools));
    if (part.needed.size === 0) return;
    const results = await compute(where, tools, part);
    if (!results) return;
    const { editor } = tools;
    editor.graph.initializer.push(...results);
    editor.remove(part.nodes);
    editor.apply();
    removeUnusedInitializers(editor.graph);
  }
}
