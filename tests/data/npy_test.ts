import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { DataError } from "../../lib/data/data_error.ts";
import { parseNpyHeader } from "../../lib/data/npy_header.ts";
import { floats, input, npyFile, samples, TestFolder, values } from "./files.ts";

/** What numpy.save wrote. */
const NUMPY = {
  rows:
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDMpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAACAPwAAAEAAAEBAAACAQAAAoEA=",
  fortran:
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBUcnVlLCAnc2hhcGUnOiAoMiwgMyksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAABAQAAAgD8AAIBAAAAAQAAAoEA=",
  bigEndian:
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPmkyJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDMsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAABAAI=",
  scalar:
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPGk4JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKCksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoHAAAAAAAAAA==",
};

for (const order of ["rows", "fortran"] as const) {
  Deno.test(`an array of numpy.save is cut into rows (${order})`, async () => {
    using folder = new TestFolder();
    const path = folder.write("x.npy", Uint8Array.fromBase64(NUMPY[order]));
    assertEquals(await values(path, [input("x", "batch", 3)]), [
      [[1, 3], [0, 1, 2]],
      [[1, 3], [3, 4, 5]],
    ]);
  });
}

Deno.test("big-endian numbers are turned round", async () => {
  using folder = new TestFolder();
  const path = folder.write("x.npy", Uint8Array.fromBase64(NUMPY.bigEndian));
  const x = { name: "x", dtype: "int16", dims: [3] };
  assertEquals(await values(path, [x]), [[[3], [0, 1, 2]]]);
});

Deno.test("a scalar is one sample", async () => {
  using folder = new TestFolder();
  const path = folder.write("x.npy", Uint8Array.fromBase64(NUMPY.scalar));
  assertEquals(await values(path, [{ name: "x", dtype: "int64", dims: [] }]), [[[], [7]]]);
});

Deno.test("headers of version 2 and 3 are read", async () => {
  using folder = new TestFolder();
  for (const version of [2, 3]) {
    const file = npyFile({ descr: "|u1", shape: "(2,)", data: new Uint8Array([5, 6]), version });
    const path = folder.write(`v${version}.npy`, file);
    assertEquals(await values(path, [{ name: "x", dtype: "uint8", dims: [2] }]), [[[2], [5, 6]]]);
  }
});

Deno.test("a file that is wrong says what is wrong", async () => {
  using folder = new TestFolder();
  const data = new Uint8Array(24);
  const right = floats([0, 1, 2, 3, 4, 5], 2, 3);
  const cases: [message: string, file: Uint8Array][] = [
    ["no .npy file", new Uint8Array(3)],
    ["does not start with", new Uint8Array(100)],
    ["version 9.0", npyFile({ shape: "(2, 3)", data, version: 9 })],
    ["cut off or damaged", right.subarray(0, right.length - 1)],
    ["takes 28 bytes, but 24", npyFile({ shape: "(7,)", data })],
    ["not understood", npyFile({ shape: "(2, -3)", data })],
    ["not understood", npyFile({ shape: "__import__('os')", data })],
    ["not understood", npyFile({ shape: "(2, 3), 'more': True", data })],
    ["not understood", npyFile({ shape: `(${"1, ".repeat(40)})`, data })],
    ["not understood", npyFile({ shape: "(99999999999999999999,)", data })],
    ['type "|O"', npyFile({ descr: "|O", shape: "(3,)", data })],
    ['type "<c8"', npyFile({ descr: "<c8", shape: "(3,)", data })],
  ];
  for (const [message, file] of cases) {
    const path = folder.write("x.npy", file);
    const error = await assertRejects(
      () => samples(path, [input("x", "batch", 3)]),
      DataError,
      message,
    );
    assertEquals(error.message.startsWith(path), true, error.message);
  }
});

Deno.test("headers in every form that NumPy has written are read", () => {
  const shape = (text: string) =>
    parseNpyHeader("x", `{'descr': '<f4', 'fortran_order': False, 'shape': ${text}}`).shape;
  assertEquals(shape("()"), []);
  assertEquals(shape("(3,)"), [3]);
  assertEquals(shape("(3L, 4L)"), [3, 4]);
  assertEquals(shape("( 3 , 4 , )"), [3, 4]);
  const other = ` {"shape": (2,), 'fortran_order':True ,"descr":'>i8' ,} \n`;
  assertEquals(parseNpyHeader("x", other), { descr: ">i8", fortranOrder: true, shape: [2] });
  for (
    const wrong of [
      "(3 4)",
      "(3,,)",
      "(,)",
      "(-3,)",
      "(3.0,)",
      "(3,",
      "3",
      "(1e3,)",
      "(0x3,)",
      "(3,) 4",
    ]
  ) assertThrows(() => shape(wrong), DataError, "not understood", wrong);
  const records = "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,)}";
  assertThrows(() => parseNpyHeader("x", records), DataError, "records");
});

// A reader that goes back and forth in such headers takes hours for each.
Deno.test("headers of 64 KiB of anything are refused at once", () => {
  const long = 65_000;
  const parts = ["{", "{'descr': '", "{'descr':", "{'descr': (", "{'descr': [", "{'a': 'b',"];
  const fills = [" ", "'", "(", "1", "1,", ",", "{", "'a':'b',", "\\", "[", "]", "}"];
  for (const part of parts) {
    for (const fill of fills) {
      const text = part + fill.repeat(long / fill.length);
      assertThrows(() => parseNpyHeader("x", text), DataError, "not understood");
    }
  }
});

Deno.test("files with bytes changed or cut off are read or refused, never more than that", async () => {
  using folder = new TestFolder();
  const file = floats([0, 1, 2, 3, 4, 5], 2, 3);
  const mutation = fc.record({
    at: fc.nat(file.length - 1),
    byte: fc.nat(255),
    length: fc.integer({ min: 0, max: file.length }),
  });
  await fc.assert(
    fc.asyncProperty(mutation, async ({ at, byte, length }) => {
      const mutated = file.slice(0, length);
      if (at < length) mutated[at] = byte;
      const path = folder.write("x.npy", mutated);
      try {
        const read = await samples(path, [{ name: "x", dtype: "float32" }]);
        assertEquals(read.length > 0, true);
      } catch (error) {
        if (!(error instanceof DataError)) throw error;
      }
    }),
    { numRuns: 300, seed: 5 },
  );
});
