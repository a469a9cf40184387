/**
 * Keeping a file small where constants stay floats.
 *
 * @module
 */
import { bfloat16, float16 } from "../../numbers/dtype.ts";
import { roundTo } from "../../numbers/rounding.ts";
import { dataTypeCode } from "../file/data_type.ts";
import type { OnnxModel } from "../file/model.ts";
import { tensorByteSize, writeTensor } from "../file/tensor_data.ts";
import { floatConstant } from "../graph/float_constant.ts";
import { GraphEditor } from "../graph/graph_editor.ts";

/** Constants of fewer bytes are left alone. */
const LEAST_BYTES = 1 << 14;

/** Types of half the size. */
const HALVES = [{ name: "float16", dtype: float16 }, {
  name: "bfloat16",
  dtype: bfloat16,
}] as const;

/**
 * Stores large float32 constants in half the bytes where no number changes by it, as those of a float16 model, with
 * a Cast behind, which onnxruntime computes when it loads the model. Scales stay as they are.
 *
 * @param model is changed.
 */
export function narrowConstants({ graph, messages }: OnnxModel): void {
  const editor = new GraphEditor(graph, messages);
  const scales = new Set(
    graph.node.filter(({ opType }) => opType === "DequantizeLinear")
      .flatMap(({ input }) => input),
  );
  const listed = new Set(graph.input.map(({ name }) => name));
  for (const tensor of graph.initializer) {
    const { name } = tensor;
    if (scales.has(name) || listed.has(name) || tensorByteSize(tensor) < LEAST_BYTES) continue;
    using constant = floatConstant(tensor);
    const half = constant &&
      HALVES.find(({ dtype }) => constant.data.every((x) => Object.is(roundTo(dtype, x), x)));
    if (!half) continue;
    writeTensor(tensor, half.name, constant.dims, constant.data);
    tensor.name = editor.name(`${name}_${half.name}`);
    const to = { to: dataTypeCode("float32") };
    editor.prepend(editor.node(`${name}/Cast`, "Cast", [tensor.name], [name], to));
  }
  editor.apply();
}
