import { assert, assertEquals } from "@std/assert";
import { dirname } from "node:path";
import { TemporaryFile } from "../../lib/files/temporary_file.ts";
import { TestFolder } from "../data/files.ts";

Deno.test("a temporary file is there, gives what was written, and is gone", async () => {
  let path: string;
  {
    await using file = (await TemporaryFile.create())!;
    path = file.path;
    Deno.writeFileSync(path, Uint8Array.of(1, 2, 3));
    assertEquals([...await file.bytes()], [1, 2, 3]);
  }
  assert(!await Deno.stat(path).catch(() => false));
});

Deno.test("a temporary file that somebody removed is no error", async () => {
  await using file = (await TemporaryFile.create())!;
  Deno.removeSync(file.path);
});

const folder = new TestFolder();

Deno.test({
  name: "a temporary file goes where files may be written, and is not asked for elsewhere",
  permissions: { read: [folder.path], write: [folder.path] },
  fn: async () => {
    assertEquals(await TemporaryFile.create(), undefined);
    assertEquals(await TemporaryFile.create(`${folder.path}/../elsewhere`), undefined);
    assertEquals(await TemporaryFile.create(`${folder.path}/missing`), undefined);
    await using file = (await TemporaryFile.create(folder.path))!;
    assertEquals(dirname(file.path), folder.path);
  },
});

Deno.test("no temporary file is left", () => {
  assertEquals([...Deno.readDirSync(folder.path)], []);
  folder[Symbol.dispose]();
});
