import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { DataError } from "../../lib/data/data_error.ts";
import { floats, input, npyFile, samples, TestFolder, values, zip } from "./files.ts";

/** What numpy.savez and numpy.savez_compressed wrote. */
const NUMPY = {
  stored:
    "UEsDBC0AAAAAAAAAIQCR9Ofb//////////8FABQAeC5ucHkBABAAkAAAAAAAAACQAAAAAAAAAJNOVU1QWQEAdgB7J2Rlc2NyJzogJzxmNCcsICdmb3J0cmFuX29yZGVyJzogRmFsc2UsICdzaGFwZSc6ICgyLCAyKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAKAAAAAAAAgD8AAABAAABAQFBLAQItAy0AAAAAAAAAIQCR9OfbkAAAAJAAAAAFAAAAAAAAAAAAAACAAQAAAAB4Lm5weVBLBQYAAAAAAQABADMAAADHAAAAAAA=",
  compressed:
    "UEsDBC0AAAAIAAAAIQBFrKRk//////////8FABQAeC5ucHkBABAAoAAAAAAAAABaAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loG6TZqKuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GiY6CkaaOgq1CmQDLgYwaLAHEg5ABMQNQLwAiA8A8QMHAFBLAwQtAAAACAAAACEAfj0taf//////////CAAUAG1hc2subnB5AQAQAKAAAAAAAAAATAAAAAAAAACb7BfqGxDJyFDGUK2eklqcXKRupaBuk2mhrqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RomOgqGmjoKtQpkAy5GBlSAzgcAUEsDBC0AAAAIAAAAIQDOsZT7//////////8FABQAeS5ucHkBABAAoAAAAAAAAABHAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loG6TZqGuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GiY6mjoKtQoUAC4GAgAAUEsBAi0DLQAAAAgAAAAhAEWspGRaAAAAoAAAAAUAAAAAAAAAAAAAAIABAAAAAHgubnB5UEsBAi0DLQAAAAgAAAAhAH49LWlMAAAAoAAAAAgAAAAAAAAAAAAAAIABkQAAAG1hc2subnB5UEsBAi0DLQAAAAgAAAAhAM6xlPtHAAAAoAAAAAUAAAAAAAAAAAAAAIABFwEAAHkubnB5UEsFBgAAAAADAAMAnAAAAJUBAAAAAA==",
};

Deno.test("an archive of numpy.savez is read", async () => {
  using folder = new TestFolder();
  const path = folder.write("x.npz", Uint8Array.fromBase64(NUMPY.stored));
  assertEquals(await values(path, [input("x", "n", 2)]), [[[1, 2], [0, 1]], [[1, 2], [2, 3]]]);
});

Deno.test("arrays of numpy.savez_compressed go to the inputs of their names, side by side", async () => {
  using folder = new TestFolder();
  const path = folder.write("x.npz", Uint8Array.fromBase64(NUMPY.compressed));
  const mask = { name: "mask", dtype: "int64", dims: ["n", 1] };
  const read = await samples(path, [mask, input("x", "n", 2)]);
  assertEquals(read.map(({ x }) => [...x.data as Float32Array]), [[0, 1], [2, 3], [4, 5], [6, 7]]);
  assertEquals(read.map(({ mask }) => mask.data), [1n, 0n, 1n, 0n].map((n) => BigInt64Array.of(n)));
});

Deno.test("arrays longer than a chunk of the file are streamed side by side", async () => {
  using folder = new TestFolder();
  const noise = (seed: number) =>
    Float32Array.from({ length: 120_000 }, (_, i) => Math.sin(seed * i * i));
  const [a, b] = [noise(1), noise(2)];
  const entry = (x: Float32Array) => floats([...x], 6, 20_000);
  const file = await zip({ "a.npy": entry(a), "b.npy": entry(b) }, { deflate: true });
  const path = folder.write("x.npz", file);
  const read = await samples(path, [input("a", "n", 20_000), input("b", "n", 20_000)]);
  assertEquals(read.length, 6);
  for (const [i, feeds] of read.entries()) {
    assertEquals(feeds.a.data, a.slice(20_000 * i, 20_000 * (i + 1)));
    assertEquals(feeds.b.data, b.slice(20_000 * i, 20_000 * (i + 1)));
  }
});

Deno.test("an archive that is wrong says what is wrong", async () => {
  using folder = new TestFolder();
  const x = floats([1, 2, 3, 4], 2, 2);
  const bomb = npyFile({
    descr: "|u1",
    shape: "(4294967000,)",
    data: new Uint8Array(0),
  });
  const cases: [message: string, file: Uint8Array][] = [
    ["no zip archive", new Uint8Array(10)],
    ["no zip archive", (await zip({ "x.npy": x })).subarray(0, 80)],
    ["no .npy file", await zip({ "x.txt": x })],
    ["encrypted", await zip({ "x.npy": x }, { flags: 1 })],
    ["holds no arrays", await zip({})],
    // Claims more than deflate can pack: refused by the sizes alone.
    ["cannot hold", await zip({ "x.npy": bomb }, { deflate: true, claim: () => 4_294_967_100 })],
    ["cannot hold", await zip({ "x.npy": x }, { claim: (n) => n + 1 })],
    ["takes 16 bytes, but 17", await zip({ "x.npy": x }, { deflate: true, claim: (n) => n + 1 })],
  ];
  for (const [message, file] of cases) {
    const path = folder.write("x.npz", file);
    await assertRejects(() => samples(path, [input("x", "n", 2)]), DataError, message);
  }
});

Deno.test("a bomb that keeps its word is refused by its shape, before it is inflated", async () => {
  using folder = new TestFolder();
  const zeros = new Uint8Array(2 ** 22);
  const file = await zip({
    "x.npy": npyFile({ shape: `(${zeros.length / 4},)`, data: zeros }),
  }, { deflate: true });
  assertEquals(file.length < 10_000, true);
  const path = folder.write("x.npz", file);
  await assertRejects(() => samples(path, [input("x", "n", 2)]), DataError, "does not fit");
});

Deno.test("compressed data that are cut short or damaged are refused", async () => {
  using folder = new TestFolder();
  const x = floats(Array.from({ length: 64 }, (_, i) => Math.sin(i)), 32, 2);
  const file = await zip({ "x.npy": x }, { deflate: true });
  const mutation = fc.record({ at: fc.nat(file.length - 1), byte: fc.nat(255) });
  await fc.assert(
    fc.asyncProperty(mutation, async ({ at, byte }) => {
      const mutated = file.slice();
      mutated[at] = byte;
      const path = folder.write("x.npz", mutated);
      try {
        await samples(path, [input("x", "n", 2)]);
      } catch (error) {
        if (!(error instanceof DataError)) throw error;
      }
    }),
    { numRuns: 300, seed: 5 },
  );
});

Deno.test("every byte of an archive's arrays is that which was saved, or the archive is refused", async () => {
  using folder = new TestFolder();
  const x = floats([1, 2, 3, 4], 2, 2);
  for (const deflate of [false, true]) {
    const file = await zip({ "x.npy": x }, { deflate });
    const data = 30 + "x.npy".length;
    const expected = await values(folder.write("x.npz", file), [input("x", "n", 2)]);
    for (let at = data; at < file.length - 22 - 46 - "x.npy".length; at++) {
      const mutated = file.slice();
      mutated[at] ^= 1 << (at % 8);
      const path = folder.write("x.npz", mutated);
      const read = await values(path, [input("x", "n", 2)]).catch((error) => error);
      // A few bits of compressed data mean nothing.
      if (deflate && !(read instanceof Error)) assertEquals(read, expected);
      else assert(read instanceof DataError, `byte ${at}: ${read}`);
    }
  }
  const other = await zip({ "x.npy": x }, { checksum: 1 });
  const path = folder.write("x.npz", other);
  await assertRejects(() => samples(path, [input("x", "n", 2)]), DataError, "checksum");
});
