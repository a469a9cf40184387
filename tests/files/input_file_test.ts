import { assertEquals, assertRejects } from "@std/assert";
import { FileProblem, problemOf } from "../../lib/files/file_problem.ts";
import { InputFile } from "../../lib/files/input_file.ts";
import { TestFolder } from "../data/files.ts";

Deno.test("InputFile: bytes at any place, as many as there are", async () => {
  using folder = new TestFolder();
  const all = Uint8Array.from({ length: 100 }, (_, i) => i);
  using file = await InputFile.open(folder.write("x", all));
  assertEquals(file.size, 100);
  const reads = await Promise.all([[90, 5], [0, 3], [98, 1000], [200, 4], [7, 0]].map(([at, n]) => {
    return file.read(at, n);
  }));
  assertEquals(reads.map((bytes) => [...bytes]), [
    [90, 91, 92, 93, 94],
    [0, 1, 2],
    [98, 99],
    [],
    [],
  ]);
  assertEquals((await Array.fromAsync(file.pieces(30))).map(({ length }) => length), [
    30,
    30,
    30,
    10,
  ]);
});

Deno.test("InputFile: terabytes of holes are not brought into memory", async () => {
  using folder = new TestFolder();
  const path = folder.write("x", "begins");
  Deno.truncateSync(path, 2 ** 40);
  using file = await InputFile.open(path);
  assertEquals((await file.read(2 ** 39, 10)).length, 10);
  if (Deno.statSync(path).blocks === null) return; // this system does not tell of holes
  await assertRejects(() => file.read(0, 2 ** 40), FileProblem, "holes");
});

Deno.test("InputFile: what is no file is not waited for", async () => {
  await assertRejects(() => InputFile.open("."), FileProblem, "it is a folder");
});

Deno.test("problemOf: the system's errors are sentences, others are not its", async () => {
  using folder = new TestFolder();
  const path = folder.write("x", "");
  const problem = async (path: string) =>
    problemOf(await InputFile.open(path).catch((error) => error));
  assertEquals(await problem(`${path}/y`), "what it has for a folder is a file; check the path");
  assertEquals(await problem(`${path}y`), "there is no such file");
  assertEquals(await problem(folder.path), "it is a folder and not a file");
  assertEquals(
    await problem(`${folder.path}/${"x".repeat(300)}`),
    "the name is longer than a file's can be",
  );
  assertEquals(await problem(`${path}\0`), "this is no name for a file");
  const unknown = Object.assign(new Error("Wow (os error 250)"), { code: "EWOW" });
  assertEquals(problemOf(unknown), "the system cannot read it (Wow (os error 250))");
  assertEquals(
    [new Error("x"), new TypeError("x"), "x", undefined].map(problemOf),
    Array(4).fill(undefined),
  );
  const denied = await InputFile.open("/etc/passwd").catch((error) => error);
  if (denied instanceof Deno.errors.NotCapable) assertEquals(problemOf(denied), undefined);
});
