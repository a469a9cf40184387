import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import * as all from "../../mod.ts";
import { help, HelpPage, Linear, plotBars, tensor, uint8 } from "../../mod.ts";
import { HELP_PAGES } from "../../lib/display/help_pages.ts";

const DISPLAY = Symbol.for("Jupyter.display");
// deno-lint-ignore no-explicit-any -- symbols that the types do not know
type Shown = any;

Deno.test("every value that is exported has a page with text in it", () => {
  for (const name of Object.keys(all)) {
    assert(Object.hasOwn(HELP_PAGES, name), name);
    const [signature, ...rest] = HELP_PAGES[name].split("\n```\n");
    assertStringIncludes(signature, name);
    assert(rest.join("").trim().length > 10, name);
    assert(!HELP_PAGES[name].includes("{@link"), name);
  }
});

Deno.test("help finds functions, classes, what they make, dtypes and names", async () => {
  const nameOf = async (of: unknown) => (await help(of)).name;
  assertEquals(await nameOf(plotBars), "plotBars");
  assertEquals(await nameOf(Linear), "Linear");
  assertEquals(await nameOf(tensor([1], { device: "cpu" })), "Tensor");
  assertEquals(await nameOf(new (class extends Linear {})(2, 1)), "Linear");
  assertEquals(await nameOf(uint8), "uint8");
  assertEquals(await nameOf("QParams"), "QParams");
});

Deno.test("the page of a function explains its parameters and its options", async () => {
  const page = await help(plotBars);
  assert(page instanceof HelpPage);
  for (
    const text of [
      "A bar for each number",
      "- `values`: numbers by name",
      "- `width?: number`: Width in pixels",
      'from "@staticquant/staticquant"',
    ]
  ) assertStringIncludes(String(page), text);
  assertEquals((page as Shown)[DISPLAY]()["text/markdown"], String(page));
  assertStringIncludes(Deno.inspect(page), "A bar for each number");
});

Deno.test("a cell may end with help() without await", async () => {
  const promise = help(Linear) as Shown;
  assertStringIncludes((await promise[DISPLAY]())["text/markdown"], "class Linear");
  assertStringIncludes(Deno.inspect(promise), "await help(");
});

Deno.test("what is not exported is refused, with the name that was meant", async () => {
  await assertRejects(() => help("plotbar"), RangeError, "did you mean plotBars?");
  await assertRejects(() => help("__proto__"), RangeError, 'is called "__proto__"');
  await assertRejects(() => help(undefined), RangeError, "nothing that this library exports");
  await assertRejects(() => help({}), RangeError, "nothing that this library exports");
});
