import { assertEquals } from "@std/assert";
import { columns, shortened } from "../../lib/numbers/columns.ts";

Deno.test("Chinese characters take two columns, marks on others none", () => {
  assertEquals(["", "abc", "量化", "a\u0301", "→ 模型，"].map(columns), [0, 3, 4, 1, 8]);
});

Deno.test("text is shortened to the columns that there are", () => {
  assertEquals(shortened("abcdef", 6), "abcdef");
  assertEquals(shortened("abcdefg", 6), "abcde…");
  assertEquals(shortened("量化模型", 6), "量化…");
  assertEquals(shortened("量化模型", 5), "量化…");
});
