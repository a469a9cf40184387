import { assertEquals } from "@std/assert";
import { ScratchFolder } from "../../lib/files/scratch_folder.ts";

Deno.test("ScratchFolder: is gone with what is in it, and so are those of killed runs", async () => {
  const temporary = await Deno.makeTempDir();
  const before = Deno.env.get("TMPDIR");
  Deno.env.set("TMPDIR", temporary);
  const left = () => [...Deno.readDirSync(temporary)].map(({ name }) => name).sort();
  try {
    const dead = `${temporary}/staticquant-files-dead`;
    await Deno.mkdir(dead);
    await Deno.writeTextFile(`${dead}/lock`, "");
    await Deno.writeTextFile(`${temporary}/staticquant-files-x`, "somebody's");
    await Deno.mkdir(`${temporary}/staticquant-files-empty`);
    const others = ["staticquant-files-empty", "staticquant-files-x"];
    {
      await using living = await ScratchFolder.create();
      await living.bring(`${temporary}/staticquant-files-x`, "linked");
      await living.write("written", [Uint8Array.of(1, 2), Uint8Array.of(3)]);
      await using second = await ScratchFolder.create();
      assertEquals(left().length, 4);
      assertEquals(await Deno.readTextFile(`${living.path}/linked`), "somebody's");
      assertEquals([...await Deno.readFile(`${living.path}/written`)], [1, 2, 3]);
      assertEquals([...Deno.readDirSync(second.path)].map(({ name }) => name), ["lock"]);
    }
    assertEquals(left(), others);
    assertEquals(await Deno.readTextFile(`${temporary}/staticquant-files-x`), "somebody's");
  } finally {
    if (before === undefined) Deno.env.delete("TMPDIR");
    else Deno.env.set("TMPDIR", before);
    await Deno.remove(temporary, { recursive: true });
  }
});
