import { assertEquals } from "@std/assert";
import { columns, shortened, wrapped } from "../../lib/numbers/columns.ts";

Deno.test("Chinese characters take two columns, marks on others none", () => {
  assertEquals(["", "abc", "量化", "a\u0301", "→ 模型，"].map(columns), [0, 3, 4, 1, 8]);
});

Deno.test("text is shortened to the columns that there are", () => {
  assertEquals(shortened("abcdef", 6), "abcdef");
  assertEquals(shortened("abcdefg", 6), "abcde…");
  assertEquals(shortened("量化模型", 6), "量化…");
  assertEquals(shortened("量化模型", 5), "量化…");
});

Deno.test("text is wrapped between words, and within one that is too long", () => {
  assertEquals(wrapped("", 5, true), [""]);
  assertEquals(wrapped("one two three", 7, true), ["one two", "three"]);
  assertEquals(wrapped("a veryverylong b", 6, true), ["a", "veryve", "rylong", "b"]);
  assertEquals(wrapped("量化模型", 4, true), ["量化", "模型"]);
  assertEquals(wrapped("a veryverylong b", 6, false), ["a", "veryverylong", "b"]);
});
