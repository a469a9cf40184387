import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import {
  parseSafetensors,
  type SafetensorsEntry,
  SafetensorsError,
  serializeSafetensors,
} from "../../lib/files/safetensors.ts";

const ITEM_SIZES: Record<string, number> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
};

/** A file with this header, taken literally, and data of 0, 1, 2, … */
function fileOf(
  header: string | Uint8Array,
  dataBytes = 0,
  headerBytes?: number | bigint,
): Uint8Array {
  const text = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const file = new Uint8Array(8 + text.length + dataBytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerBytes ?? text.length), true);
  file.set(text, 8);
  for (let i = 0; i < dataBytes; i++) file[8 + text.length + i] = i;
  return file;
}

function headerOf(file: Uint8Array): string {
  const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  return new TextDecoder().decode(file.subarray(8, 8 + length));
}

/** A header entry of a U8 tensor. */
function u8(name: string, begin: number, end: number): string {
  return `"${name}":{"dtype":"U8","shape":[${end - begin}],"data_offsets":[${begin},${end}]}`;
}

function refused(file: Uint8Array, ...parts: string[]): void {
  const { message } = assertThrows(() => parseSafetensors(file), SafetensorsError);
  for (const part of parts) assertStringIncludes(message, part);
}

function notWritten(
  tensors: Iterable<[string, unknown]>,
  metadata: Record<string, unknown> | undefined,
  ...parts: string[]
): void {
  const { message } = assertThrows(
    () =>
      serializeSafetensors(
        tensors as Iterable<[string, SafetensorsEntry]>,
        metadata as Record<string, string> | undefined,
      ),
    SafetensorsError,
  );
  for (const part of parts) assertStringIncludes(message, part);
}

const entry = (dtype: string, shape: number[], first = 0): SafetensorsEntry => {
  const size = shape.reduce((a, b) => a * b, 1) * ITEM_SIZES[dtype];
  return { dtype, shape, bytes: Uint8Array.from({ length: size }, (_, i) => first + i) };
};

const text = fc.string({ unit: "grapheme", maxLength: 12 });
const name = fc.oneof(
  text.filter((t) => t !== "__metadata__"),
  fc.constantFrom("__proto__", "constructor", "0", "-1", "a.weight", '"', "\\", "\u0000", "\u2028"),
);
const anyEntry: fc.Arbitrary<SafetensorsEntry> = fc
  .tuple(
    fc.constantFrom(...Object.keys(ITEM_SIZES)),
    fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }),
    fc.integer({ min: 0, max: 255 }),
  )
  .map(([dtype, shape, first]) => entry(dtype, shape, first));
const anyTensors = fc.uniqueArray(fc.tuple(name, anyEntry), { selector: ([n]) => n, maxLength: 8 });
const anyMetadata = fc.uniqueArray(fc.tuple(name, text), { selector: ([n]) => n, maxLength: 4 })
  .map((pairs) => {
    const metadata: Record<string, string> = Object.create(null);
    for (const [key, value] of pairs) metadata[key] = value;
    return metadata;
  });

Deno.test("safetensors: what was written is read back", () => {
  fc.assert(fc.property(anyTensors, anyMetadata, (tensors, metadata) => {
    const parsed = parseSafetensors(serializeSafetensors(tensors, metadata));
    assertEquals(parsed.tensors.size, tensors.length);
    for (const [name, { dtype, shape, bytes }] of tensors) {
      const found = parsed.tensors.get(name)!;
      assertEquals(found.dtype, dtype);
      assertEquals(found.shape, shape);
      assertEquals([...found.bytes], [...bytes]);
    }
    assertEquals(Object.entries(parsed.metadata).sort(), Object.entries(metadata).sort());
  }));
});

Deno.test("safetensors: the order given doesn't matter, and rewriting gives the same bytes", () => {
  fc.assert(fc.property(anyTensors, anyMetadata, (tensors, metadata) => {
    const file = serializeSafetensors(tensors, metadata);
    assertEquals(serializeSafetensors(tensors.toReversed(), metadata), file);
    const parsed = parseSafetensors(file);
    assertEquals(serializeSafetensors(parsed.tensors, parsed.metadata), file);
  }));
});

Deno.test("safetensors: data starts at a multiple of 8 and tensors at one of their item size", () => {
  fc.assert(fc.property(anyTensors, anyMetadata, (tensors, metadata) => {
    const file = serializeSafetensors(tensors, metadata);
    assertEquals((file.length - tensors.reduce((sum, [, e]) => sum + e.bytes.length, 0)) % 8, 0);
    for (const { dtype, bytes } of parseSafetensors(file).tensors.values()) {
      assertEquals((bytes.byteOffset - file.byteOffset) % ITEM_SIZES[dtype], 0);
    }
  }));
});

Deno.test("safetensors: the bytes of a small file", () => {
  const file = serializeSafetensors([
    ["b", entry("U8", [3], 5)],
    ["a", entry("U8", [], 9)],
    ["z", entry("F32", [1, 1], 1)],
    ["e", entry("I64", [0])],
  ], { two: "2", one: "1" });
  assertEquals(
    headerOf(file).trimEnd(),
    '{"__metadata__":{"one":"1","two":"2"},' +
      '"e":{"dtype":"I64","shape":[0],"data_offsets":[0,0]},' +
      '"z":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},' +
      '"a":{"dtype":"U8","shape":[],"data_offsets":[4,5]},' +
      '"b":{"dtype":"U8","shape":[3],"data_offsets":[5,8]}}',
  );
  assertEquals([...file.subarray(-8)], [1, 2, 3, 4, 9, 5, 6, 7]);
  assertEquals(headerOf(serializeSafetensors([])), "{}      ");
});

Deno.test("safetensors: types are ordered as the reference implementation ranks them", () => {
  const file = serializeSafetensors(
    Object.keys(ITEM_SIZES).map((dtype) => [dtype, entry(dtype, [1])]),
  );
  assertEquals(
    [...parseSafetensors(file).tensors.keys()].join(" "),
    "U64 I64 F64 F32 U32 I32 BF16 F16 U16 I16 F8_E4M3 F8_E5M2 I8 U8 BOOL",
  );
});

Deno.test("safetensors: names are ordered by their UTF-8 bytes", () => {
  const names = ["z", "é", "\uffee", "\u{1f600}", "a", "aa"];
  const file = serializeSafetensors(names.map((name) => [name, entry("U8", [1])]));
  assertEquals([...parseSafetensors(file).tensors.keys()], [
    "a",
    "aa",
    "z",
    "é",
    "\uffee",
    "\u{1f600}",
  ]);
});

Deno.test("safetensors: parsed bytes are views of the file, wherever the file lies", () => {
  const file = fileOf(`{${u8("b", 2, 5)},${u8("1", 0, 2)}}  \n`, 5);
  const buffer = new Uint8Array(file.length + 6);
  buffer.set(file, 3);
  const { tensors } = parseSafetensors(buffer.subarray(3, 3 + file.length));
  assertEquals([...tensors.keys()], ["1", "b"]); // the order of their bytes
  for (const { bytes } of tensors.values()) assert(bytes.buffer === buffer.buffer);
  assertEquals([...tensors.get("b")!.bytes], [2, 3, 4]);
});

Deno.test("safetensors: an unknown field of an entry is passed over, empty headers are fine", () => {
  const known = u8("a", 0, 1);
  const { tensors } = parseSafetensors(fileOf(`{${known.slice(0, -1)},"note":["x"]}}`, 1));
  assertEquals(tensors.get("a")!.shape, [1]);
  assertEquals(parseSafetensors(fileOf("{}")).tensors.size, 0);
  assertEquals({ ...parseSafetensors(fileOf('{"__metadata__":{}}')).metadata }, {});
});

Deno.test("safetensors: names like __proto__ are names like any other", () => {
  const file = fileOf(`{"__metadata__":{"__proto__":"m"},${u8("__proto__", 0, 1)}}`, 1);
  const { tensors, metadata } = parseSafetensors(file);
  assertEquals([...tensors.keys()], ["__proto__"]);
  assertEquals(Object.getPrototypeOf(metadata), null);
  assertEquals(Object.entries(metadata), [["__proto__", "m"]]);
  assertEquals(({} as Record<string, unknown>).m, undefined);
  // Fields that an entry would only inherit don't count.
  const inherits = '{"a":{"__proto__":{"dtype":"U8"},"shape":[1],"data_offsets":[0,1]}}';
  refused(fileOf(inherits, 1), 'tensor "a"', "undefined");
});

Deno.test("safetensors: a file cut off anywhere is refused", () => {
  const file = serializeSafetensors([["w", entry("F32", [2, 3])], ["b", entry("I8", [3])]]);
  for (let length = 0; length < file.length; length++) refused(file.slice(0, length));
  refused(file.slice(0, 5), "5 bytes", "8");
  refused(file.slice(0, 20), "12 follow");
  refused(file.slice(0, -1), 'tensor "b"', "27", "26");
  refused(new Uint8Array([...file, 0]), "take 27", "28 follow");
  refused("{}" as unknown as Uint8Array, "Uint8Array");
});

Deno.test("safetensors: a header length that lies is refused before anything is allocated", () => {
  for (const length of [100_000_001n, 2n ** 32n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n]) {
    refused(fileOf("{}", 0, length), String(length), "100000000");
  }
  refused(fileOf("{}", 0, 100_000_000), "100000000", "2 follow");
  refused(fileOf("{}", 0, 3), "3 bytes", "2 follow");
  refused(fileOf("{}", 0, 1), "JSON");
  refused(fileOf("{}", 0, 0), "0 bytes");
});

Deno.test("safetensors: a header that isn't an object in JSON is refused", () => {
  refused(fileOf(new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d])), "5 bytes", "UTF-8");
  refused(fileOf("\ufeff{}"), '"{"');
  for (const start of ["[]", "1", "null", '"a"', " {}", "", "true"]) refused(fileOf(start), '"{"');
  for (const wrong of ["{", "{}}", "{} x", "{a:1}", "{'a':1}", '{"a"', '{"\\x":1}', '{"a":1,}']) {
    refused(fileOf(wrong), "JSON");
  }
  refused(fileOf('{"a\\'), "JSON");
  refused(fileOf('{"a":NaN}'), "JSON");
});

Deno.test("safetensors: keys that come twice are refused", () => {
  refused(fileOf(`{${u8("a", 0, 1)},${u8("a", 1, 2)}}`, 2), '"a" twice', "character");
  refused(
    fileOf(`{${u8("a", 0, 1)} , ${u8("\\u0061", 1, 2).replace(":", " \n:")}}`, 2),
    '"a" twice',
  );
  refused(fileOf('{"__metadata__":{"k":"1","k":"2"}}'), '"k" twice');
  const twice = '{"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}}';
  refused(fileOf(twice, 1), '"dtype" twice');
  // The same text as a key elsewhere or as a value is no duplicate.
  parseSafetensors(fileOf('{"__metadata__":{"a":"a","b":"\\"b\\":"},' + u8("a", 0, 1) + "}", 1));
});

Deno.test("safetensors: keys with escapes are read right after keys that look like their start", () => {
  // V8's JSON.parse gets some of these wrong, once it has seen the others: nodejs/node#63785.
  const names = ["\\", "\\\\", "\\u0", '"', "\n", "\u0000", "\u0000ab", '"x', "\ttab", "__proto__"];
  for (let round = 0; round < 200; round++) {
    const rotated = [...names.slice(round % 10), ...names.slice(0, round % 10)];
    const some = rotated.slice(0, 1 + round % 7);
    const file = serializeSafetensors(some.map((name) => [name, entry("U8", [1])]));
    assertEquals([...parseSafetensors(file).tensors.keys()].sort(), some.sort());
  }
});

Deno.test("safetensors: brackets nested without end are refused", () => {
  const deep = 200_000;
  refused(fileOf(`{"a":${"[".repeat(deep)}${"]".repeat(deep)}}`), "nests");
  refused(fileOf('{"a":'.repeat(deep) + "1" + "}".repeat(deep)), "nests");
  refused(fileOf("{" + "}".repeat(deep)), "JSON");
});

Deno.test("safetensors: offsets that don't tile the data are refused", () => {
  refused(fileOf(`{${u8("a", 0, 4)},${u8("b", 3, 6)}}`, 6), '"b"', "overlap", "3", "4");
  refused(fileOf(`{${u8("a", 0, 4)},${u8("b", 0, 4)}}`, 4), "overlap");
  refused(fileOf(`{${u8("a", 0, 2)},${u8("b", 3, 6)}}`, 6), '"b"', '"a"', "hole", "3", "2");
  refused(fileOf(`{${u8("a", 1, 2)}}`, 2), '"a"', "the header", "hole");
  refused(fileOf(`{${u8("a", 0, 2)}}`, 3), "take 2", "3 follow");
  refused(fileOf(`{${u8("a", 0, 4)}}`, 3), '"a"', "byte 4", "3");
  refused(fileOf(`{${u8("a", 0, 4)},${u8("e", 2, 2)}}`, 4), '"e"', "overlap");
  const offsets = (begin: unknown, end: unknown) =>
    fileOf(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[${begin},${end}]}}`, 2);
  refused(offsets(2, 0), '"a"', "byte 2", "byte 0");
  refused(offsets(0, 1), '"a"', "1 bytes", "takes 2");
  for (
    const wrong of ["-1", "-0", "0.5", "1e400", "9007199254740992", '"0"', "null"]
  ) {
    refused(offsets(wrong, 2), 'tensor "a"', "data_offsets");
    refused(offsets(0, wrong), 'tensor "a"', "data_offsets");
  }
  for (const wrong of ["[]", "[0]", "[0,1,2]", "{}", "null", "2", '"0,2"']) {
    const header = `{"a":{"dtype":"U8","shape":[2],"data_offsets":${wrong}}}`;
    refused(fileOf(header, 2), 'tensor "a"', "data_offsets");
  }
});

Deno.test("safetensors: shapes that can't be are refused", () => {
  const shaped = (shape: string, dtype = "U8") =>
    fileOf(`{"a":{"dtype":"${dtype}","shape":${shape},"data_offsets":[0,1]}}`, 1);
  for (
    const wrong of ["[-1]", "[-0]", "[1.5]", "[1e400]", "[9007199254740992]", '["1"]', "[null]"]
  ) {
    refused(shaped(wrong), 'tensor "a"', "dimension 0");
  }
  for (const wrong of ["{}", "null", "1", '"1"', "true"]) refused(shaped(wrong), '"a"', "shape");
  refused(shaped("[67108864,67108864,67108864]"), "67108864", String(Number.MAX_SAFE_INTEGER));
  refused(shaped("[9007199254740991]", "F64"), "8 bytes an element");
  refused(shaped("[0,9007199254740991,9007199254740991]"), "9007199254740991");
  refused(shaped("[2]"), "1 bytes", "takes 2");
  refused(shaped("[]", "F32"), "1 bytes", "takes 4");
  refused(shaped(`[${Array(1000).fill(1)},3]`), "1001 in all", "takes 3");
});

Deno.test("safetensors: element types that aren't known are refused", () => {
  for (const wrong of ['"F31"', '"f32"', '"__proto__"', '"toString"', "1", "null", '["U8"]']) {
    const header = `{"a":{"dtype":${wrong},"shape":[1],"data_offsets":[0,1]}}`;
    refused(fileOf(header, 1), 'tensor "a"', "element type", "BF16");
  }
  for (const wrong of ["1", "null", "[]", '"U8"']) refused(fileOf(`{"a":${wrong}}`), 'tensor "a"');
  refused(fileOf('{"a":{}}'), 'tensor "a"', "undefined");
});

Deno.test("safetensors: metadata other than strings is refused", () => {
  for (const wrong of ["1", "null", "{}", "[]", "true"]) {
    refused(fileOf(`{"__metadata__":{"epochs":${wrong}}}`), '"epochs"', "string");
  }
  for (const wrong of ["1", "null", "[]", '"a"']) {
    refused(fileOf(`{"__metadata__":${wrong}}`), "metadata", "object");
  }
  refused(fileOf('{"__metadata__":{"a":"\\ud800"}}'), '"a"', "surrogate");
  refused(fileOf('{"\\udc00":1}'), "surrogate");
});

Deno.test("safetensors: a message stays short, whatever it is about", () => {
  const long = "x".repeat(1_000_000);
  for (const header of [`{"${long}":1}`, `{"a":{"dtype":"${long}"}}`, `{"a":"${long}"}`]) {
    const { message } = assertThrows(() => parseSafetensors(fileOf(header)), SafetensorsError);
    assert(message.length < 500, `${message.length} characters`);
  }
});

Deno.test("safetensors: what can't be written is refused", () => {
  const good = entry("U8", [2]);
  notWritten([["a", good], ["a", good]], {}, 'tensor "a"', "twice");
  notWritten([["__metadata__", good]], {}, "__metadata__");
  notWritten([["\ud800", good]], {}, "surrogate");
  notWritten([[1 as unknown as string, good]], {}, "name is 1");
  for (const wrong of [null, undefined, 1, "U8", []]) notWritten([["a", wrong]], {}, 'tensor "a"');
  notWritten([["a", { ...good, dtype: "u8" }]], {}, 'tensor "a"', '"u8"', "BF16");
  notWritten([["a", { ...good, shape: 2 }]], {}, 'tensor "a"', "shape 2");
  for (const wrong of [-1, 0.5, NaN, Infinity, "2", 2n, undefined]) {
    notWritten([["a", { ...good, shape: [wrong] }]], {}, 'tensor "a"', String(wrong));
  }
  notWritten([["a", { ...good, shape: [2 ** 30, 2 ** 30] }]], {}, 'tensor "a"', "1073741824");
  notWritten([["a", { ...good, shape: [3] }]], {}, 'tensor "a"', "2 bytes", "takes 3");
  notWritten([["a", { ...good, bytes: [1, 2] }]], {}, 'tensor "a"', "Uint8Array");
  notWritten([["a", { ...good, bytes: new Float32Array(2) }]], {}, 'tensor "a"', "Uint8Array");
  notWritten([], { epochs: 3 }, '"epochs"', "3", "string");
  notWritten([], { note: "\udfff" }, '"note"', "surrogate");
  notWritten([], [] as unknown as Record<string, unknown>, "metadata");
  notWritten([], { long: "x".repeat(100_000_000) }, "100000000");
});

Deno.test("safetensors: a broken file gives a SafetensorsError or a valid parse, nothing else", () => {
  const valid = serializeSafetensors(
    [
      ["fc1.weight", entry("F32", [3, 2])],
      ["fc1.bias", entry("BF16", [3])],
      ["q", entry("I8", [5, 1])],
      ["scalar", entry("I64", [])],
      ["empty", entry("U16", [0, 4])],
    ],
    { note: 'a "quoted" text' },
  );
  const headerEnd = valid.length - 24 - 6 - 5 - 8;
  const alphabet = new TextEncoder().encode('{}[]:,"\\0123456789-.eE truefalsn\u00ff');
  let seed = 12345;
  const below = (n: number): number => {
    seed = Math.imul(seed, 1664525) + 1013904223 | 0;
    return Math.floor((seed >>> 0) / 2 ** 32 * n);
  };
  let parsed = 0;
  let refusals = 0;
  for (let round = 0; round < 6000; round++) {
    let bytes = [...valid];
    for (let changes = 1 + below(3); changes > 0; changes--) {
      const at = below(2) ? 8 + below(headerEnd - 8) : below(Math.max(1, bytes.length));
      switch (below(6)) {
        case 0: // any byte
          bytes[at] = below(256);
          break;
        case 1: // a byte that means something in JSON
          bytes[at] = alphabet[below(alphabet.length)];
          break;
        case 2: // one bit
          bytes[at] ^= 1 << below(8);
          break;
        case 3: // a piece moved in, the length of the header kept
          bytes.splice(
            at,
            below(8),
            ...valid.slice(below(headerEnd), headerEnd).slice(0, below(8)),
          );
          break;
        case 4: // a piece removed and the header's length corrected
          bytes.splice(8 + below(headerEnd - 8), 1 + below(3));
          bytes[0] = (headerEnd - 8 - (valid.length - bytes.length)) & 255;
          break;
        default: // the end cut off
          if (below(4) === 0) bytes = bytes.slice(0, at);
      }
    }
    const file = Uint8Array.from(bytes);
    try {
      const { tensors, metadata } = parseSafetensors(file);
      parsed++;
      let size = 0;
      for (const { dtype, shape, bytes } of tensors.values()) {
        assertEquals(bytes.length, shape.reduce((a, b) => a * b, 1) * ITEM_SIZES[dtype]);
        size += bytes.length;
      }
      assert(size <= file.length);
      const again = parseSafetensors(serializeSafetensors(tensors, metadata));
      assertEquals(again.tensors.size, tensors.size);
    } catch (error) {
      assertInstanceOf(error, SafetensorsError, `round ${round}: ${error}`);
      refusals++;
    }
  }
  assert(parsed > 300 && refusals > 300, `${parsed} parsed, ${refusals} refused`);
});

/** What the tests below use of a case in the reference data's .json. */
interface Case {
  name: string;
  shape: number[];
  inputDtype: string;
  targetDtype: string;
  batches: number;
  observer: string;
  granularity: { type: string };
  bins: number;
  dtype: string;
  m: number;
  k: number;
  n: number;
  batch: number;
  bias: boolean;
  calibrationBatches: number;
}

const TYPE_NAMES: Record<string, string> = { float32: "F32", float16: "F16", bfloat16: "BF16" };

/** A file of the reference data and its cases; every tensor of it belongs to a case. */
function reference(name: string): { cases: Case[]; file: Uint8Array; get: Getter } {
  const path = (extension: string) =>
    new URL(`../testdata/torchao-${name}.${extension}`, import.meta.url);
  const { cases } = JSON.parse(Deno.readTextFileSync(path("json"))) as { cases: Case[] };
  const file = Deno.readFileSync(path("safetensors"));
  const { tensors } = parseSafetensors(file);
  const names = new Set(cases.map((c) => c.name));
  for (const key of tensors.keys()) assert(names.has(key.split(".")[0]), key);
  const get: Getter = (key, dtype, shape) => {
    const found = tensors.get(key);
    assert(found !== undefined, key);
    if (dtype !== undefined) assertEquals(found.dtype, dtype, key);
    if (shape !== undefined) assertEquals(found.shape, shape, key);
    return found;
  };
  return { cases, file, get };
}

type Getter = (key: string, dtype?: string, shape?: number[]) => SafetensorsEntry;

const floats = ({ bytes }: SafetensorsEntry): number[] => [
  ...new Float32Array(bytes.slice().buffer),
];

Deno.test("safetensors: reference data, primitives", () => {
  const { cases, get } = reference("primitives");
  assertEquals(cases.length, 160);
  for (const { name, shape, inputDtype, targetDtype } of cases) {
    get(`${name}.x`, TYPE_NAMES[inputDtype], shape);
    get(`${name}.q`, targetDtype.startsWith("u") ? "U8" : "I8", shape);
    assert(floats(get(`${name}.dq`, "F32", shape)).every(Number.isFinite));
    const scale = get(`${name}.scale`);
    get(`${name}.zero_point`, "I32", scale.shape);
  }
});

Deno.test("safetensors: reference data, observers see the extremes of their inputs", () => {
  const { cases, get } = reference("observers");
  let compared = 0;
  for (const { name, batches, observer, granularity } of cases) {
    const seen = Array.from({ length: batches }, (_, i) => floats(get(`${name}.x${i}`, "F32")))
      .flat();
    if (observer !== "AffineQuantizedMinMaxObserver" || granularity.type !== "PerTensor") continue;
    assertEquals(floats(get(`${name}.min`, "F32", [])), [Math.min(...seen)]);
    assertEquals(floats(get(`${name}.max`, "F32", [])), [Math.max(...seen)]);
    compared++;
  }
  assert(compared > 0);
});

Deno.test("safetensors: reference data, histograms count all their inputs", () => {
  const { cases, get } = reference("statistics");
  let counted = 0;
  for (const { name, batches, observer, bins } of cases) {
    let elements = 0;
    for (let i = 0; i < batches; i++) elements += floats(get(`${name}.x${i}`, "F32")).length;
    get(`${name}.zero_point`, "I32", get(`${name}.scale`, "F32").shape);
    if (observer !== "HistogramObserver") continue;
    const histogram = floats(get(`${name}.histogram`, "F32", [bins]));
    const sum = histogram.reduce((a, b) => a + b);
    assert(Math.abs(sum - elements) < 0.01 * elements, `${name}: ${sum} of ${elements}`);
    counted++;
  }
  assert(counted > 0);
});

Deno.test("safetensors: reference data, the tutorial's layers", () => {
  const { cases, get } = reference("tutorial");
  for (const { name, m, k, n, batch, bias, dtype, calibrationBatches } of cases) {
    const type = TYPE_NAMES[dtype];
    for (let i = 0; i < calibrationBatches; i++) get(`${name}.calibration${i}`, type, [batch, m]);
    get(`${name}.linear1.weight`, type, [k, m]);
    get(`${name}.linear1.qweight`, "U8", [k, m]);
    get(`${name}.linear2.weight`, type, [n, k]);
    if (bias) get(`${name}.linear2.bias`, type, [n]);
    get(`${name}.quantized_output`, type, [batch, n]);
  }
});

Deno.test("safetensors: reference data survives being rewritten, and is refused when cut off", () => {
  for (const name of ["primitives", "observers", "statistics", "tutorial"]) {
    const { file } = reference(name);
    const { tensors } = parseSafetensors(file);
    const again = parseSafetensors(serializeSafetensors(tensors)).tensors;
    assertEquals(again.size, tensors.size);
    for (const [key, { dtype, shape, bytes }] of tensors) {
      const found = again.get(key)!;
      assertEquals([found.dtype, found.shape], [dtype, shape]);
      assert(
        bytes.every((byte, i) => byte === found.bytes[i]) && bytes.length === found.bytes.length,
      );
    }
    for (const length of [0, 7, 8, 100, file.length >> 1, file.length - 1]) {
      refused(file.subarray(0, length));
    }
  }
});
