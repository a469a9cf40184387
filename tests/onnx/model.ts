/** Reading exported files, and running them as they are. */
import { fromBinary } from "@bufbuild/protobuf";
import { type GraphProto, ModelProtoSchema, TensorProto_DataType } from "onnx-buf";
import * as ort from "onnxruntime-node";
import { assert } from "@std/assert";
import type { Tensor } from "../../mod.ts";

/** The graph in the bytes of a file. */
export function graphIn(bytes: Uint8Array): GraphProto {
  return fromBinary(ModelProtoSchema, bytes).graph!;
}

/** The operations of a graph, in order. */
export function operations(bytes: Uint8Array): string[] {
  return graphIn(bytes).node.map(({ opType }) => opType);
}

/** The element types of a graph's constants, by name. */
export function constantTypes(bytes: Uint8Array): Record<string, string> {
  return Object.fromEntries(
    graphIn(bytes).initializer.map(({ name, dataType }) => [name, TensorProto_DataType[dataType]]),
  );
}

/** The output of a file in onnxruntime, which is told not to round inputs of 4-bit weights. */
export async function runFile(bytes: Uint8Array, x: Tensor): Promise<Float32Array> {
  const session = await ort.InferenceSession.create(bytes, {
    logSeverityLevel: 3,
    extra: { session: { qdq_matmulnbits_accuracy_level: "1" } },
  });
  const input = new ort.Tensor("float32", await x.data() as Float32Array, x.shape);
  const { [session.outputNames[0]]: y } = await session.run({ [session.inputNames[0]]: input });
  await session.release();
  return y.data as Float32Array;
}

/** The operations that onnxruntime makes of a file. */
export async function optimized(bytes: Uint8Array): Promise<string[]> {
  const path = await Deno.makeTempFile({ suffix: ".onnx" });
  try {
    const session = await ort.InferenceSession.create(bytes, {
      graphOptimizationLevel: "extended",
      logSeverityLevel: 3,
      optimizedModelFilePath: path,
    });
    await session.release();
    return operations(await Deno.readFile(path));
  } finally {
    await Deno.remove(path);
  }
}

/** The length of a step if the numbers were quantized to 8 bits. */
export function step(values: ArrayLike<number>): number {
  const list = Array.from(values);
  return (Math.max(...list) - Math.min(...list)) / 255;
}

/** Asserts that numbers differ by `tolerance` at most. */
export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
): void {
  assert(actual.length === expected.length, `${actual.length} numbers, not ${expected.length}`);
  for (let i = 0; i < expected.length; i++) {
    const off = Math.abs(actual[i] - expected[i]);
    assert(
      off <= tolerance,
      `number ${i} is ${actual[i]}, expected ${expected[i]} within ${tolerance}`,
    );
  }
}
