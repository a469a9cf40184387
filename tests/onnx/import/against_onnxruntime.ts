/** Imported models beside onnxruntime. */
import * as ort from "onnxruntime-node";
import { assert, assertEquals } from "@std/assert";
import {
  type Device,
  importOnnx,
  type OnnxModel,
  type OnnxModule,
  readTensor,
  type Tensor,
  tensor,
  type TensorProto,
} from "../../../mod.ts";
import { importedNumbers, importedType } from "../../../lib/onnx/import/node/element_types.ts";
import type { OnnxDataType } from "../../../lib/onnx/file/data_type.ts";
import { messages } from "../files.ts";

/** Values of any type, as both sides take them. */
export type Feeds = Readonly<Record<string, ort.Tensor>>;

/** A tensor of onnxruntime. */
export function feed(
  type: OnnxDataType,
  dims: readonly number[],
  values: readonly number[],
): ort.Tensor {
  return ofProto(messages.tensor("", type, dims, values));
}

/** The same of a message. */
function ofProto(proto: TensorProto): ort.Tensor {
  const { dtype, dims, data } = readTensor(proto);
  return new ort.Tensor(dtype as "float32", data as Float32Array, dims);
}

/** Numbers between −2 and 2 that look random. */
export function noise(dims: readonly number[], seed = 1): ort.Tensor {
  let state = seed * 7919 + 12345;
  const data = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state / 2 ** 30 - 2;
  });
  return new ort.Tensor("float32", data, dims);
}

/** A tensor of this library's with the same numbers. */
export function imported(t: ort.Tensor, device: Device): Tensor {
  const data = importedNumbers(t.data as Float32Array<ArrayBuffer>);
  const dtype = importedType(t.type as OnnxDataType)!;
  return tensor(data, { shape: t.dims, dtype, device });
}

/** What a module gives for onnxruntime's feeds. */
export function runModule(
  module: OnnxModule,
  feeds: Feeds,
  device: Device,
): Record<string, Tensor> {
  const given = Object.fromEntries(
    module.inputs.map(({ name, onHost }) => [
      name,
      imported(feeds[name], onHost ? "cpu" : device),
    ]),
  );
  return module.run(given);
}

/** What onnxruntime gives. */
export async function runFile(bytes: Uint8Array, feeds: Feeds): Promise<Feeds> {
  const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3 });
  const results = await session.run(feeds);
  await session.release();
  return results as Feeds;
}

/**
 * Asserts that bytes are those of onnxruntime but for at most one in 10,000, which is the next: compilers of devices
 * may add in another order where two numbers lie equally near.
 */
export async function assertSameBytes(
  actual: Readonly<Record<string, Tensor>>,
  expected: Feeds,
): Promise<void> {
  for (const [name, wanted] of Object.entries(expected)) {
    const data = await actual[name].data();
    assertEquals(actual[name].shape, wanted.dims, `shape of ${name}`);
    let wrong = 0;
    (wanted.data as Uint8Array).forEach((byte, i) => {
      if (byte === data[i]) return;
      assert(Math.abs(byte - data[i]) === 1, `${name}[${i}] is ${data[i]}, not ${byte}`);
      wrong++;
    });
    assert(wrong * 10_000 <= data.length, `${name}: ${wrong} of ${data.length} bytes differ`);
  }
}

/** Asserts that outputs have the same shapes, types and numbers, within `tolerance` of the greatest. */
export async function assertAgree(
  actual: Readonly<Record<string, Tensor>>,
  expected: Feeds,
  tolerance = 1e-5,
): Promise<void> {
  for (const [name, wanted] of Object.entries(expected)) {
    const got = actual[name];
    assertEquals(got.shape, wanted.dims, `shape of ${name}`);
    assertEquals(got.dtype, importedType(wanted.type as OnnxDataType), `type of ${name}`);
    const data = await got.data();
    const numbers = importedNumbers(wanted.data as Float32Array<ArrayBuffer>);
    const finite = Array.from(numbers, Math.abs).filter(Number.isFinite);
    const scale = finite.reduce((a, b) => Math.max(a, b), 1);
    for (let i = 0; i < numbers.length; i++) {
      if (Object.is(data[i], numbers[i]) || data[i] === numbers[i]) continue;
      const off = Math.abs(data[i] - numbers[i]);
      assert(
        off <= tolerance * scale,
        `${name}[${i}] is ${data[i]}, and onnxruntime has ${numbers[i]}`,
      );
    }
  }
}

/** Asserts that a model gives the same here as in onnxruntime. */
export async function assertSame(
  model: OnnxModel,
  feeds: Feeds,
  device: Device,
  tolerance?: number | "bytes",
): Promise<OnnxModule> {
  const module = await importOnnx(model, { device });
  const expected = await runFile(model.toBytes(), feeds);
  const actual = runModule(module, feeds, device);
  if (tolerance === "bytes") await assertSameBytes(actual, expected);
  else await assertAgree(actual, expected, tolerance);
  return module;
}
