import { assertEquals } from "@std/assert";
import { printable, printableText, quote } from "../../lib/numbers/printable.ts";

Deno.test("printable: what steers a terminal is spelled out, all else stays", () => {
  const cases = [
    ["\x1b]0;title\x07", "\\u001b]0;title\\u0007"],
    ["\x9b31m", "\\u009b31m"],
    ["a\u202eb\u2066c\u200f", "a\\u202eb\\u2066c\\u200f"],
    ["a\r\nb\tc", "a\\u000d\\u000ab\\u0009c"],
    ["a\u2028b\ufeff\x7f", "a\\u2028b\\ufeff\\u007f"],
    ["/layer.0/MatMul ✓ 行列 😀", "/layer.0/MatMul ✓ 行列 😀"],
  ];
  for (const [text, expected] of cases) assertEquals(printable(text), expected);
});

Deno.test("printableText: line ends and tabs stay", () => {
  assertEquals(printableText("a\tb\nc\r\x1b[2J"), "a\tb\nc\\u000d\\u001b[2J");
});

Deno.test("quote: JSON that says the same name and steers nothing", () => {
  for (const name of ['a"b\\', "\x1b[2J\n", "\x85\u202e\u2028", "constructor"]) {
    assertEquals(JSON.parse(quote(name)), name);
    assertEquals(printable(quote(name)), quote(name));
  }
});
