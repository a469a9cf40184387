import { assert, assertEquals, assertRejects } from "@std/assert";
import { basename } from "node:path";
import { FileProblem } from "../../lib/files/file_problem.ts";
import { removeAbandoned, StagedFile } from "../../lib/files/staged_file.ts";
import { TestFolder } from "../data/files.ts";

const bytes = (text: string) => [new TextEncoder().encode(text)];
const names = ({ path }: TestFolder) => [...Deno.readDirSync(path)].map(({ name }) => name).sort();

/** A name as a killed run leaves it. */
const left = (name: string) => `.${name}.${crypto.randomUUID()}.tmp`;

async function save(path: string, text: string): Promise<void> {
  await using file = await StagedFile.write(path, bytes(text));
  await file.commit();
}

Deno.test("StagedFile: a file has its name when it is whole, or never", async () => {
  using folder = new TestFolder();
  const path = `${folder.path}/x`;
  {
    await using _ = await StagedFile.write(path, bytes("not wanted"));
    assertEquals(names(folder).map((name) => name.slice(0, 3)), [".x."]);
  }
  assertEquals(names(folder), []);
  await save(path, "a");
  await save(path, "b");
  assertEquals([names(folder), Deno.readTextFileSync(path)], [["x"], "b"]);
});

Deno.test("StagedFile: what killed runs left for the name goes, what lives or is another's stays", async () => {
  using folder = new TestFolder();
  const path = `${folder.path}/m.onnx`;
  const others = [left("other.onnx"), left("m"), ".m.onnx.tmp", ".m.onnx.1234.tmp", "m.onnx.tmp"];
  for (const name of [left("m.onnx"), left("m.onnx"), left("m.onnx.data"), ...others]) {
    folder.write(name, "left");
  }
  await using living = await StagedFile.write(path, bytes("of a run that goes on"));
  await save(path, "new");
  const [found] = names(folder).filter((name) => !others.includes(name) && name !== "m.onnx");
  assertEquals(names(folder), [...others, found, "m.onnx"].sort());
  await living.commit();
  assertEquals(Deno.readTextFileSync(path), "of a run that goes on");
  assertEquals(names(folder), [...others, "m.onnx"].sort());
  await removeAbandoned(`${folder.path}/none/x`); // there is no such folder
});

Deno.test("StagedFile: many at once for one name leave one of them, whole", async () => {
  using folder = new TestFolder();
  const texts = Array.from({ length: 20 }, (_, i) => `${i}`.repeat(1000));
  await Promise.all(texts.map((text) => save(`${folder.path}/x`, text)));
  assertEquals(names(folder), ["x"]);
  assert(texts.includes(Deno.readTextFileSync(`${folder.path}/x`)));
});

Deno.test(
  "StagedFile: a file keeps its rights",
  { ignore: Deno.build.os === "windows" },
  async () => {
    using folder = new TestFolder();
    for (const mode of [0o600, 0o640, 0o755, 0o444]) {
      const path = folder.write("x", "old");
      Deno.chmodSync(path, mode);
      await save(path, "new");
      assertEquals((Deno.statSync(path).mode! & 0o777).toString(8), mode.toString(8));
      Deno.removeSync(path);
    }
  },
);

Deno.test("StagedFile: a name as long as a file's can be", async () => {
  using folder = new TestFolder();
  for (const letter of ["x", "é", "語", "😀"]) {
    const name = letter.repeat(Math.floor(255 / new TextEncoder().encode(letter).length));
    await save(`${folder.path}/${name}`, "a");
    folder.write(left([...name].slice(0, 48).join("")), "left");
    await save(`${folder.path}/${name}`, "b");
    assertEquals(names(folder), [name]);
    Deno.removeSync(`${folder.path}/${name}`);
  }
});

Deno.test("StagedFile.commitAs: of two that want a name, one gets it", async () => {
  using folder = new TestFolder();
  const path = `${folder.path}/x`;
  await using a = await StagedFile.writeBeside(path, bytes("a"), path);
  await using b = await StagedFile.writeBeside(path, bytes("b"), path);
  const got = await Promise.all([a, b].map((file) => file.commitAs(basename(path))));
  assertEquals(got.filter(Boolean).length, 1);
  assertEquals(Deno.readTextFileSync(path), got[0] ? "a" : "b");
  assert(await [a, b][got[0] ? 1 : 0].commitAs("y"));
  assertEquals(names(folder), ["x", "y"]);
});

Deno.test("StagedFile: a folder is no file to write", async () => {
  using folder = new TestFolder();
  Deno.mkdirSync(`${folder.path}/x`);
  await assertRejects(
    () => StagedFile.write(`${folder.path}/x`, bytes("a")),
    FileProblem,
    "folder",
  );
  assertEquals(names(folder), ["x"]);
});
