import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  bitsOf,
  dataTypeCode,
  dataTypeName,
  type OnnxDataType,
} from "../../../lib/onnx/file/data_type.ts";
import { OnnxError } from "../../../lib/onnx/file/onnx_error.ts";
import {
  encodeTensor,
  readTensor,
  tensorByteSize,
  tensorField,
  writeTensor,
} from "../../../lib/onnx/file/tensor_data.ts";
import { TensorProto_DataType } from "onnx-buf";
import { everyStorage, messages, tensorProto } from "../files.ts";

Deno.test("OnnxDataType: every type of the format has a name, and the names lead back", () => {
  const codes = Object.values(TensorProto_DataType).filter((code) => typeof code === "number");
  for (const code of codes) {
    if (code === 0) continue;
    assertEquals(dataTypeCode(dataTypeName(code)!), code);
  }
  assertEquals(dataTypeName(0), undefined);
  assertEquals(bitsOf("int4"), 4);
});

Deno.test("readTensor: elements in every place that the format has for them", () => {
  const read = Object.fromEntries(everyStorage().map((t) => [t.name, readTensor(t).data]));
  assertEquals(read, {
    raw: Float32Array.of(1, -2),
    floats: Float32Array.of(1, -2),
    doubles: Float64Array.of(1, -2),
    ints64: BigInt64Array.of(1n, -2n),
    uints64: BigUint64Array.of(1n, 2n ** 64n - 1n),
    uints32: Uint32Array.of(1, 2 ** 32 - 1),
    ints32: Int32Array.of(1, -2),
    ints16: Int16Array.of(1, -2),
    uints16: Uint16Array.of(1, 65535),
    ints8: Int8Array.of(1, -2),
    uints8: Uint8Array.of(1, 255),
    bools: Uint8Array.of(1, 0),
    halves: Float16Array.of(1, -2),
    brains: Float32Array.of(1, -2),
    nibbles: Int8Array.of(1, -2, 7),
    rawNibbles: Uint8Array.of(1, 14, 7),
    crumbs: Int8Array.of(0, 1, -2, -1, 1),
    quarters: Float32Array.of(1, -2),
    scalar: Int8Array.of(-1),
    none: new Float32Array(),
    texts: ["é", ""],
  });
});

Deno.test("readTensor: type and shape come along, and the elements are a copy", () => {
  const tensor = tensorProto("t", "UINT8", [1, 2], { rawData: Uint8Array.of(3, 4) });
  const { dtype, dims, data } = readTensor(tensor);
  assertEquals([dtype, dims], ["uint8", [1, 2]]);
  (data as Uint8Array)[0] = 9;
  assertEquals(tensor.rawData[0], 3);
});

Deno.test("readTensor: what is wrong with a tensor is said", () => {
  const raw = (bytes: number) => ({ rawData: new Uint8Array(bytes) });
  const cases: [Parameters<typeof tensorProto>, string][] = [
    [["t", "FLOAT", [2], raw(7)], 'tensor "t" of float32 and shape [2] has 7 bytes and needs 8'],
    [["t", "FLOAT", [2], { floatData: [1] }], "has 1 items and needs 2"],
    [["t", "FLOAT", [2], {}], "has 0 items and needs 2"],
    [["t", "FLOAT", [-1], raw(4)], "has a dimension of -1"],
    [["t", "INT4", [3], raw(3)], "has 3 bytes and needs 2"],
    [["t", "FLOAT", [2 ** 40, 2 ** 40], raw(4)], "more elements than any tensor can have"],
    [["t", "FLOAT", [2 ** 40, 2 ** 40, 0], {}], "more elements than any tensor can have"],
    [["t", "FLOAT", [2 ** 50], raw(4)], "needs 4503599627370496"],
    [["t", "UNDEFINED", [1], raw(4)], "element type 0, which ONNX has not"],
    [["t", "FLOAT", [1], { floatData: [1], ...raw(4) }], "rawData and floatData"],
    [["t", "FLOAT", [1], { int32Data: [1] }], "elements in int32Data"],
    [["t", "STRING", [1], raw(1)], "of strings has raw data"],
    [["t", "FLOAT", [1], { dataLocation: 1 }], "in another file"],
    [["t", "COMPLEX64", [1], raw(8)], "complex64, which cannot be read here"],
    [["", "FLOAT", [1], {}], "a tensor without a name"],
  ];
  for (const [parts, message] of cases) {
    assertThrows(() => readTensor(tensorProto(...parts)), OnnxError, message);
  }
});

Deno.test("tensorField: a tensor that claims much memory takes none", () => {
  // 2 ** 50 elements of which there is nothing: counted, not allocated.
  assertThrows(
    () => tensorField(tensorProto("t", "INT8", [2 ** 50], {})),
    OnnxError,
    "has 0 items",
  );
});

const integers: Partial<Record<OnnxDataType, [number, number]>> = {
  int2: [-2, 1],
  uint2: [0, 3],
  int4: [-8, 7],
  uint4: [0, 15],
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-(2 ** 15), 2 ** 15 - 1],
  uint16: [0, 2 ** 16 - 1],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint32: [0, 2 ** 32 - 1],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  uint64: [0, Number.MAX_SAFE_INTEGER],
  bool: [0, 1],
};

Deno.test("OnnxMessages.tensor: integers of every type come back", () => {
  for (const [name, [min, max]] of Object.entries(integers)) {
    const dtype = name as OnnxDataType;
    const elements = fc.array(fc.integer({ min, max }), { maxLength: 9 });
    fc.assert(
      fc.property(elements, (numbers) => {
        const tensor = messages.tensor("t", dtype, [numbers.length], numbers);
        assertEquals(Array.from(readTensor(tensor).data, Number), numbers);
        assertEquals(tensor.rawData.length, tensorByteSize(tensor));
      }),
      { seed: 1, numRuns: 30 },
    );
    for (const outside of [min - 1, max + 1].filter(Number.isSafeInteger)) {
      assertThrows(() => encodeTensor(dtype, [outside]), RangeError, `no ${dtype}`);
    }
    assertThrows(() => encodeTensor(dtype, [0.5]), RangeError);
  }
});

Deno.test("OnnxMessages.tensor: floats are rounded to their type", () => {
  const written = (dtype: OnnxDataType) =>
    Array.from(readTensor(messages.tensor("t", dtype, [2], [0.1, -3])).data, Number);
  assertEquals(written("float64"), [0.1, -3]);
  assertEquals(written("float32"), [Math.fround(0.1), -3]);
  assertEquals(written("float16"), [Math.f16round(0.1), -3]);
  assertEquals(written("bfloat16"), [0.10009765625, -3]);
  assertEquals(written("float8_e4m3fn"), [0.1015625, -3]);
});

Deno.test("OnnxMessages.tensor: strings, scalars, bigints and what fits no shape", () => {
  assertEquals(readTensor(messages.tensor("t", "string", [1], ["ü"])).data, ["ü"]);
  assertEquals(readTensor(messages.tensor("t", "float32", [], [2])), {
    dtype: "float32",
    dims: [],
    data: Float32Array.of(2),
  });
  const large = messages.tensor("t", "int64", [1], [2n ** 62n]);
  assertEquals(readTensor(large).data, BigInt64Array.of(2n ** 62n));
  assertThrows(() => messages.tensor("t", "float32", [3], [1, 2]), RangeError, "[3]");
  assertThrows(() => messages.tensor("t", "complex64", [1], [1]), TypeError, "complex64");
});

Deno.test("writeTensor: replaces elements wherever they were, and fails without a trace", () => {
  const tensor = tensorProto("t", "FLOAT", [1], { floatData: [1] });
  assertThrows(
    () => writeTensor(tensor, "int8", [2], [1, 128]),
    RangeError,
    'tensor "t": element 1',
  );
  assertEquals(readTensor(tensor).data, Float32Array.of(1));
  writeTensor(tensor, "int8", [2], [1, -1]);
  assertEquals(readTensor(tensor), { dtype: "int8", dims: [2], data: Int8Array.of(1, -1) });
  assertEquals(tensor.name, "t");
});
