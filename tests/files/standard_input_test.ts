import { assertEquals, assertRejects } from "@std/assert";
import { FileProblem } from "../../lib/files/file_problem.ts";
import { inputLines } from "../../lib/files/standard_input.ts";

/** Bytes as they may come. */
async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) {
    yield await Promise.resolve(bytes.slice(at, at + size));
  }
}

const lines = (text: string | Uint8Array, size: number) =>
  Array.fromAsync(
    inputLines(pieces(typeof text === "string" ? new TextEncoder().encode(text) : text, size)),
  );

Deno.test("lines of standard input, in whatever pieces they come", async () => {
  const text = "a.png\r\n\n  \nb ü/ç.png\nhttps://host/x?y=1\nlast";
  for (const size of [1, 2, 3, 7, 1000]) {
    assertEquals(await lines(text, size), ["a.png", "b ü/ç.png", "https://host/x?y=1", "last"]);
  }
  assertEquals(await lines("", 1), []);
});

Deno.test("what is no list of paths is refused before it fills the memory", async () => {
  await assertRejects(() => lines("x".repeat(1 << 20), 1 << 14), FileProblem, "longer than 65536");
  await assertRejects(() => lines(Uint8Array.of(0x61, 0xff, 0x0a), 1), FileProblem, "not UTF-8");
});
