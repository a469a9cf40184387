import { assert, assertEquals, assertRejects } from "@std/assert";
import { DataError } from "../../lib/data/data_error.ts";
import { readSamples } from "../../lib/data/read_samples.ts";
import { serializeSafetensors } from "../../lib/files/safetensors.ts";
import { floats, input, npyFile, samples, TestFolder, values, zip } from "./files.ts";

const x = input("x", "batch", 2);

Deno.test("a folder's files come in the order of their names, hidden ones left out", async () => {
  using folder = new TestFolder();
  folder.write("b.npy", floats([3, 4], 1, 2));
  folder.write("a.npy", floats([1, 2], 1, 2));
  folder.write("c10.npy", floats([5, 6], 1, 2));
  folder.write("c2.npy", floats([7, 8], 1, 2));
  folder.write(".hidden", "nothing");
  const read = await values(folder.path, [x]);
  assertEquals(read.map(([, numbers]) => numbers), [[1, 2], [3, 4], [5, 6], [7, 8]]);
});

Deno.test("arrays are cut along their first dimension", async () => {
  using folder = new TestFolder();
  const numbers = [1, 2, 3, 4, 5, 6, 7, 8];
  const path = folder.write("x.npy", floats(numbers, 4, 2));
  const dims = async (...sizes: (number | string | undefined)[]) =>
    (await values(path, [input("x", ...sizes)])).map(([dims]) => dims);
  assertEquals(await dims("batch", 2), [[1, 2], [1, 2], [1, 2], [1, 2]]);
  assertEquals(await dims(undefined, undefined), [[1, 2], [1, 2], [1, 2], [1, 2]]);
  assertEquals(await dims(2, 2), [[2, 2], [2, 2]], "a batch of a fixed size");
  assertEquals(await dims(4, 2), [[4, 2]], "the whole array");
  assertEquals(await dims(2), [[2], [2], [2], [2]], "one dimension more than the input");
  const [[whole]] = await values(path, [x], { split: false });
  assertEquals(whole, [4, 2]);
});

Deno.test("limit reads no more than so many samples, over all files", async () => {
  using folder = new TestFolder();
  folder.write("a.npy", floats([1, 2, 3, 4], 2, 2));
  folder.write("b.npy", floats([5, 6, 7, 8], 2, 2));
  const read = await values(folder.path, [x], { limit: 3 });
  assertEquals(read.map(([, numbers]) => numbers[0]), [1, 3, 5]);
});

Deno.test("how many samples there will be is told before the first, where it is known", async () => {
  using folder = new TestFolder();
  const path = folder.write("a.npy", floats([1, 2, 3, 4], 2, 2));
  const totals: number[] = [];
  const onTotal = (samples: number) => totals.push(samples);
  await samples(path, [x], { onTotal });
  await samples(path, [x], { onTotal, limit: 1 });
  assertEquals(totals, [2, 1]);
  folder.write("b.npy", floats([1, 2], 1, 2));
  await samples(folder.path, [x], { onTotal });
  assertEquals(totals.length, 2, "not without opening all files");
});

Deno.test("safetensors are read by name or as the only tensor", async () => {
  using folder = new TestFolder();
  const bytes = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer);
  const entry = { dtype: "F32", shape: [2, 2], bytes };
  const label = { dtype: "I64", shape: [2], bytes: new Uint8Array(16) };
  const one = folder.write("one.safetensors", serializeSafetensors([["other", entry]]));
  const two = folder.write("two.safetensors", serializeSafetensors([["x", entry], ["l", label]]));
  for (const path of [one, two]) {
    assertEquals(await values(path, [x]), [[[1, 2], [1, 2]], [[1, 2], [3, 4]]]);
  }
  const damaged = folder.write(
    "cut.safetensors",
    serializeSafetensors([["x", entry]]).slice(0, -1),
  );
  await assertRejects(() => samples(damaged, [x]), DataError, damaged);
});

Deno.test("an array of another name is taken if it is told", async () => {
  using folder = new TestFolder();
  const entry = floats([1, 2], 1, 2);
  const path = folder.write("x.npz", await zip({ "images.npy": entry, "labels.npy": entry }));
  assertEquals(await values(path, [x], { names: { x: "images" } }), [[[1, 2], [1, 2]]]);
  await assertRejects(() => samples(path, [x]), DataError, "images, labels");
  const wrong = () => samples(path, [x], { names: { x: "image" } });
  await assertRejects(wrong, DataError, 'holds no "image"');
  const unknown = () => samples(path, [x], { names: { y: "images" } });
  await assertRejects(unknown, DataError, 'no input "y"; its inputs are x');
});

Deno.test("what does not fit the model is told with both sides", async () => {
  using folder = new TestFolder();
  const path = folder.write("x.npy", floats([1, 2, 3], 1, 3));
  await assertRejects(() => samples(path, [x]), DataError, "[1, 3]");
  await assertRejects(() => samples(path, [x]), DataError, "x: float32 [batch, 2]");
  const doubles = npyFile({ descr: "<f8", shape: "(1, 2)", data: new Uint8Array(16) });
  const other = folder.write("doubles.npy", doubles);
  const error = await assertRejects(() => samples(other, [x]), DataError, "float64");
  assertEquals(error.message.includes("x: float32 [batch, 2]"), true, error.message);
  await assertRejects(
    () => samples(path, [x, input("y", 2)]),
    DataError,
    "say which array x takes with `names`",
  );
});

Deno.test("inputs with different numbers of samples are refused", async () => {
  using folder = new TestFolder();
  const entries = { "x.npy": floats([1, 2, 3, 4], 2, 2), "y.npy": floats([1, 2, 3], 3, 1) };
  const path = folder.write("x.npz", await zip(entries));
  await assertRejects(
    () => samples(path, [x, input("y", "batch", 1)]),
    DataError,
    "x holds 2 samples, but y holds 3",
  );
});

Deno.test("what cannot be read says so", async () => {
  using folder = new TestFolder();
  const none = () => samples(`${folder.path}/none.npy`, [x]);
  await assertRejects(none, DataError, "there is no such file or folder");
  await assertRejects(() => samples(folder.path, [x]), DataError, "the folder is empty");
  const text = folder.write("x.txt", "1 2");
  await assertRejects(() => samples(text, [x]), DataError, ".npy, .npz, .safetensors");
  folder.write("x.npy", floats([1, 2], 1, 2));
  Deno.removeSync(text);
  folder.write("y.jsonl", "[1, 2]");
  await assertRejects(() => samples(folder.path, [x]), DataError, "a mixture");
  Deno.removeSync(`${folder.path}/y.jsonl`);
  Deno.mkdirSync(`${folder.path}/more`);
  await assertRejects(() => samples(folder.path, [x]), DataError, "a folder in the folder");
});

Deno.test("a file without samples says so", async () => {
  using folder = new TestFolder();
  const lines = folder.write("x.jsonl", "\n\n");
  await assertRejects(() => samples(lines, [x]), DataError, "no samples");
  const array = folder.write("x.npy", floats([], 0, 2));
  await assertRejects(() => samples(array, [x]), DataError, "holds nothing");
});

Deno.test("arrays of different lengths: the way out is told where there is one", async () => {
  using folder = new TestFolder();
  const bytes = await zip({ "a.npy": floats([1, 2, 3, 4], 4), "b.npy": floats([1, 2], 2) });
  const path = folder.write("x.npz", bytes);
  const inputs = [input("a", "n"), input("b", "m")];
  await assertRejects(
    () => samples(path, inputs),
    DataError,
    "give each input as many, or take the arrays as one sample, as they are, with `split: false`",
  );
  assertEquals(await values(path, inputs, { split: false }), [[[4], [1, 2, 3, 4]]]);
  const error = await assertRejects(() => samples(path, [input("a"), input("b")]), DataError);
  assert(!error.message.includes("split"), error.message);
});

Deno.test("what the system says of a path is a DataError", async () => {
  using folder = new TestFolder();
  const x = [input("x", "n", 2)];
  const file = folder.write("f.npy", floats([1, 2], 1, 2));
  for (
    const [path, message] of [
      [`${file}/x.npy`, "what it has for a folder is a file"],
      [`${folder.path}/${"x".repeat(300)}.npy`, "longer than a file's can be"],
      [`${folder.path}/x\0.npy`, "no name for a file"],
      [`${folder.path}/none.npy`, "there is no such file or folder"],
    ]
  ) {
    const error = await assertRejects(() => samples(path, x), DataError, message);
    assertEquals(error.message.startsWith(path.replace("\0", "\\u0000")), true, error.message);
  }
});

Deno.test("of a safetensors file only what is fed is read", async () => {
  using folder = new TestFolder();
  const f32 = (...numbers: number[]) => new Uint8Array(Float32Array.from(numbers).buffer);
  const whole = serializeSafetensors([
    ["x", { dtype: "F32", shape: [2, 2], bytes: f32(1, 2, 3, 4) }],
    ["other", { dtype: "C64", shape: [1], bytes: new Uint8Array(8) }],
  ]);
  const path = folder.write("x.safetensors", whole);
  assertEquals(await values(path, [input("x", "n", 2)]), [[[1, 2], [1, 2]], [[1, 2], [3, 4]]]);
  await assertRejects(
    () => samples(path, [input("other", 2)]),
    DataError,
    "elements of type C64 cannot be fed",
  );
  const checkpoint = folder.write("y.safetensors", "PK\x03\x04....model/data.pkl.....");
  await assertRejects(() => samples(checkpoint, [input("x", 2)]), DataError, "PyTorch checkpoint");
});

Deno.test("files that a page was given are read as those of a folder are", async () => {
  using folder = new TestFolder();
  const inputs = [{ name: "x", dtype: "float32", dims: [1, 3] }];
  const texts = { "b.jsonl": "[[4, 5, 6]]\n", "a.jsonl": "[[1, 2, 3]]\n[[0, 0, 1]]\n" };
  for (const [name, text] of Object.entries(texts)) folder.write(name, text);
  const files = Object.entries(texts).map(([name, text]) => new File([text], name));
  assertEquals(
    await Array.fromAsync(readSamples(files, inputs)),
    await Array.fromAsync(readSamples(folder.path, inputs)),
  );
  const refused = (files: File[], message: string) =>
    assertRejects(() => Array.fromAsync(readSamples(files, inputs)), DataError, message);
  await refused([], "samples: there are none");
  await refused([...files, new File([], "c.npy")], "samples: these are a mixture, such as a.jsonl");
  await refused([new File([], "c.pt")], "c.pt: files that end in .pt are not read");
  await refused([new File(["{"], "c.jsonl")], "c.jsonl");
});
