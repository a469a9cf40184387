import { assertEquals, assertRejects } from "@std/assert";
import { DataError } from "../../lib/data/data_error.ts";
import { input, samples, TestFolder, values } from "./files.ts";

Deno.test("a line is a sample, by name or for the only input without", async () => {
  using folder = new TestFolder();
  const path = folder.write("x.jsonl", '{"x": [[1, 2]], "y": 3}\n\n[[3, 4.5]]\r\n[5, 6]');
  assertEquals(await values(path, [input("x", "n", 2)]), [
    [[1, 2], [1, 2]],
    [[1, 2], [3, 4.5]],
    [[1, 2], [5, 6]],
  ]);
});

Deno.test("numbers become what the inputs hold", async () => {
  using folder = new TestFolder();
  const path = folder.write("x.ndjson", '{"ids": [[7, 8]], "mask": [[true, false]]}\n');
  const [feeds] = await samples(path, [
    { name: "ids", dtype: "int64", dims: ["n", "length"] },
    { name: "mask", dtype: "bool", dims: ["n", "length"] },
  ]);
  assertEquals(feeds.ids.data, BigInt64Array.of(7n, 8n));
  assertEquals(feeds.mask.data, Uint8Array.of(1, 0));
});

Deno.test("a line that is longer than a chunk of the file is one line", async () => {
  using folder = new TestFolder();
  const numbers = Array.from({ length: 60_000 }, (_, i) => i / 8);
  const path = folder.write("x.jsonl", `${JSON.stringify(numbers)}\n${JSON.stringify(numbers)}\n`);
  const read = await values(path, [input("x", 60_000)]);
  assertEquals(read.length, 2);
  assertEquals(read[1], [[60_000], numbers]);
});

Deno.test("a line that is wrong is named with its number", async () => {
  using folder = new TestFolder();
  const cases: [message: string, line: string][] = [
    ["no JSON", "{"],
    ["in place of a number", '[1, "2"]'],
    ["in place of a number", "[1, null]"],
    ["ragged", "[[1, 2], [3]]"],
    ["ragged", "[[1, 2], 3]"],
    ["ragged", "[1, [2, 3]]"],
    ["nested deeper", "[".repeat(100) + "]".repeat(100)],
    ["no numbers", "[[]]"],
    ["nothing in the file", '{"a": [1, 2], "b": [1, 2]}'],
  ];
  for (const [message, line] of cases) {
    const path = folder.write("x.jsonl", `[[1, 2]]\n${line}\n`);
    const error = await assertRejects(
      () => samples(path, [{ name: "x", dtype: "float32" }]),
      DataError,
      message,
    );
    assertEquals(error.message.startsWith(`${path}:2: `), true, error.message);
  }
});

Deno.test("a number that the type cannot hold is refused", async () => {
  using folder = new TestFolder();
  for (
    const [dtype, number] of [["int8", 128], ["uint8", -1], ["int64", 1e300], ["int32", 0.5], [
      "bool",
      2,
    ]]
  ) {
    const path = folder.write("x.jsonl", `[${number}]\n`);
    const x = { name: "x", dtype: String(dtype), dims: [1] };
    await assertRejects(() => samples(path, [x]), DataError, `is no ${dtype}`);
  }
});

Deno.test("a file that is not text is refused", async () => {
  using folder = new TestFolder();
  const path = folder.write("x.jsonl", new Uint8Array([0x5b, 0xff, 0xfe, 0x5d]));
  await assertRejects(() => samples(path, [input("x", 1)]), DataError, "not UTF-8");
});

Deno.test("a line whose values would fill the memory is refused before it is parsed", async () => {
  using folder = new TestFolder();
  const x = input("x", "n");
  const file = (part: string) => {
    const times = Math.ceil((24 << 20) / part.length);
    return folder.write("x.jsonl", `{"x":[1],"y":[${part.repeat(times)}1]}\n`);
  };
  for (const part of ["{},", "[],", '"",', '{"a":{}},']) {
    await assertRejects(() => samples(file(part), [x]), DataError, "so many parts");
  }
  assertEquals((await samples(file("1.5,"), [x])).length, 1);
  // Text does not count for what it looks like.
  const text = folder.write("x.jsonl", `{"x":[1],"y":"${'[{,\\"'.repeat(1 << 20)}"}\n`);
  assertEquals((await samples(text, [x])).length, 1);
});

Deno.test("what stands in place of a number is shown short and without moving the terminal", async () => {
  using folder = new TestFolder();
  const deep = "[".repeat(50_000) + "]".repeat(50_000);
  const cases = {
    "an object": `[[{"a":${deep}}]]`,
    '"\\u001b]0;\\u009b2J"': '[["\\u001b]0;\u009b2J"]]',
    "null": "[[null]]",
    "true": "[[true]]",
    "nested deeper": deep,
  };
  for (const [message, line] of Object.entries(cases)) {
    const path = folder.write("x.jsonl", line + "\n");
    const error = await assertRejects(() => samples(path, [input("x", 1, 1)]), DataError, message);
    assertEquals(["\x1b", "\x9b"].some((char) => error.message.includes(char)), false);
    assertEquals(error.message.length < 400, true);
  }
});
