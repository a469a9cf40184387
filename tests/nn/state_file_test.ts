import { assertEquals, assertThrows } from "@std/assert";
import { init, loadSafetensors, SafetensorsError } from "../../mod.ts";
import { serializeSafetensors } from "../../lib/files/safetensors.ts";

await init({ device: "cpu" });

const entry = (dtype: string, array: { buffer: ArrayBufferLike; length: number }) => ({
  dtype,
  shape: [array.length],
  bytes: new Uint8Array(array.buffer as ArrayBuffer),
});

Deno.test("loadSafetensors: what PyTorch saves beside weights is read as a cast would have it", async () => {
  const file = serializeSafetensors([
    ["f64", entry("F64", Float64Array.of(0.1, -1e300, 2 ** -149, NaN))],
    ["i64", entry("I64", BigInt64Array.of(0n, -(2n ** 31n), 2n ** 31n - 1n))],
    ["u64", entry("U64", BigUint64Array.of(7n))],
    ["u32", entry("U32", Uint32Array.of(2 ** 31 - 1))],
    ["u16", entry("U16", Uint16Array.of(65535))],
    ["bool", entry("BOOL", Uint8Array.of(0, 1, 2, 255))],
    ["scalar", { ...entry("I64", BigInt64Array.of(42n)), shape: [] }],
    ["f32", entry("F32", Float32Array.of(1.5))],
  ]);
  const state = loadSafetensors(file);
  const read = async (name: string) => [state[name].dtype.name, [...await state[name].data()]];
  assertEquals(await read("f64"), ["float32", [Math.fround(0.1), -Infinity, 2 ** -149, NaN]]);
  assertEquals(await read("i64"), ["int32", [0, -(2 ** 31), 2 ** 31 - 1]]);
  assertEquals(await read("u64"), ["int32", [7]]);
  assertEquals(await read("u32"), ["int32", [2 ** 31 - 1]]);
  assertEquals(await read("u16"), ["int32", [65535]]);
  assertEquals(await read("bool"), ["uint8", [0, 1, 1, 1]]);
  assertEquals([state.scalar.shape, await state.scalar.item()], [[], 42]);
  assertEquals(await read("f32"), ["float32", [1.5]]);
});

Deno.test("loadSafetensors: what is not read is named, and can be left out", async () => {
  const file = serializeSafetensors([
    ["large", entry("I64", BigInt64Array.of(1n, 2n ** 40n))],
    ["complex", { dtype: "C64", shape: [1], bytes: new Uint8Array(8) }],
    ["nibbles", { dtype: "F4", shape: [2, 3], bytes: new Uint8Array(3) }],
    ["w", entry("F32", Float32Array.of(3))],
  ]);
  const refused = (message: string, skip: string[]) =>
    assertThrows(() => loadSafetensors(file, { skip }), SafetensorsError, message);
  refused('element 1 of tensor "large", of I64, is 1099511627776', ["complex", "nibbles"]);
  refused('tensor "complex" has the element type C64', ["large", "nibbles"]);
  refused('tensor "nibbles" has the element type F4', ["large", "complex"]);
  refused('tensor "lrage" is to be left out', ["lrage"]);
  const state = loadSafetensors(file, { skip: ["large", "complex", "nibbles"] });
  assertEquals([Object.keys(state), await state.w.item()], [["w"], 3]);
});

Deno.test("loadSafetensors: a file of another kind is called by its name, with what to do", () => {
  const kinds = {
    "a PyTorch checkpoint (.pt, .pth or .bin); in Python, safetensors.torch.save_file":
      "PK\x03\x04\x00\x00\x08\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x0e\x00\x0e\x00model/data.pklFB",
    "a zip archive": "PK\x03\x04\x00\x00\x08\x08",
    "a Python pickle, such as an old PyTorch checkpoint; in Python":
      "\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P",
    "a Python pickle; in Python": "\x80\x04\x95\x1a\x00\x00\x00\x00",
    "an HDF5 file": "\x89HDF\r\n\x1a\n",
    "HTML or XML": "<!DOCTYPE html>",
    "a GGUF model": "GGUF\x03\x00\x00\x00",
    "a pointer of Git LFS": "version https://git-lfs.github.com/spec/v1\n",
  };
  for (const [message, text] of Object.entries(kinds)) {
    const bytes = Uint8Array.from(text, (char) => char.charCodeAt(0));
    assertThrows(() => loadSafetensors(bytes), SafetensorsError, message);
  }
});
