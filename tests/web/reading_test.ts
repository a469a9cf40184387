/// <reference lib="dom" />
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import axe from "axe-core";
import { en } from "../../web/texts/en.ts";
import { zh } from "../../web/texts/zh.ts";
import { browserTest, type TestPage } from "./browser.ts";

/** What axe-core finds wrong. */
async function violations({ page }: TestPage): Promise<string[]> {
  // As a script of the browser's own, which the page's policy does not concern.
  await page.evaluate(axe.source);
  const found = await page.evaluate(async () => {
    // deno-lint-ignore no-explicit-any -- what the script above leaves
    const { violations } = await (globalThis as any).axe.run();
    return violations.map(({ id, nodes }: { id: string; nodes: { html: string }[] }) =>
      `${id}: ${nodes.map(({ html }) => html).join(" | ")}`
    );
  });
  return found;
}

async function openDigits({ page }: TestPage, name: RegExp): Promise<void> {
  await page.getByRole("button", { name }).click();
  await page.getByTestId("inspection").waitFor();
}

/** Opens what is closed at first. */
async function openDetails({ page }: TestPage): Promise<void> {
  for (const summary of await page.locator("summary:visible").all()) await summary.click();
}

for (
  const [locale, colorScheme, name] of [
    ["en-US", "light", /Digits/],
    ["zh-CN", "dark", /手写数字/],
  ] as const
) {
  browserTest(`axe-core has nothing to say: ${locale}, ${colorScheme}`, async (browser) => {
    await using test = await browser.open("", { locale, colorScheme });
    const { page } = test;
    assertEquals(await violations(test), []);
    await openDigits(test, name);
    await openDetails(test);
    assertEquals(await violations(test), []);
    await test.quantize();
    await page.getByTestId("activations").waitFor();
    await page.getByTestId("hurt").getByRole("button").click();
    await page.getByTestId("hurt").getByRole("table").waitFor();
    assertEquals(await violations(test), []);
    await page.goto(`${browser.origin}/#tutorial`);
    await page.getByTestId("tutorial-result").waitFor();
    assertEquals(await violations(test), []);
  });
}

browserTest("everything can be reached and done with the keyboard", async (browser) => {
  await using test = await browser.open();
  const { page } = test;
  const focused = () =>
    page.evaluate(() => {
      const { activeElement: element } = document;
      const text = element?.closest("label")?.innerText ?? (element as HTMLElement)?.innerText;
      return `${element?.tagName} ${text?.split("\n")[0] ?? ""}`;
    });
  const seen: string[] = [];
  // Until the focus leaves the page.
  for (let i = 0; i < 60; i++) {
    await page.keyboard.press("Tab");
    const now = await focused();
    if (now.startsWith("BODY")) break;
    seen.push(now);
  }
  assertEquals(seen.slice(0, 3), [
    "A Skip to the content",
    "A Quantize a model",
    "A Tutorial",
  ]);
  for (
    const expected of ["Drop an ONNX file", "Digits", "Drop samples", "min-max", "More options"]
  ) {
    assert(seen.some((text) => text.includes(expected)), `${expected} in ${seen.join(", ")}`);
  }
  const go = async (to: string) => {
    for (let i = 0; i < 60; i++) {
      if ((await focused()).includes(to)) return;
      await page.keyboard.press("Tab");
    }
    throw new Error(`${to} was not reached`);
  };
  await go("BUTTON Digits");
  await page.keyboard.press("Enter");
  await page.getByTestId("inspection").waitFor();
  await go("min-max");
  await page.keyboard.press("ArrowDown");
  assertEquals(await page.getByRole("radio", { name: /moving average/ }).isChecked(), true);
  await go("BUTTON Quantize");
  await page.keyboard.press("Enter");
  await page.getByTestId("activations").waitFor();
  await go("BUTTON Next");
  await page.keyboard.press("Enter");
  await page.getByText("2 of 5").waitFor();
});

browserTest(
  "language and theme follow the browser, and what is chosen is kept",
  async (browser) => {
    await using test = await browser.open("", { locale: "zh-CN", colorScheme: "dark" });
    const { page } = test;
    const ground = () =>
      page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    assertEquals(await page.locator("html").getAttribute("lang"), "zh-CN");
    await page.getByRole("heading", { name: zh.model.title, exact: false }).first().waitFor();
    const dark = await ground();
    await page.getByLabel(zh.theme.label).selectOption("light");
    await page.getByLabel(zh.language).selectOption("en");
    const light = await ground();
    assertNotEquals(light, dark);
    await page.reload();
    await page.getByRole("heading", { name: en.model.title, exact: false }).first().waitFor();
    assertEquals(await page.locator("html").getAttribute("lang"), "en");
    assertEquals(await ground(), light);
  },
);

browserTest("nothing is wider than a narrow screen, before or after", async (browser) => {
  await using test = await browser.open("", { viewport: { width: 360, height: 640 } });
  const { page } = test;
  const over = () =>
    page.evaluate(() =>
      document.documentElement.scrollWidth - document.documentElement.clientWidth
    );
  assertEquals(await over(), 0);
  await openDigits(test, /Digits/);
  await openDetails(test);
  assertEquals(await over(), 0);
  await test.quantize();
  await page.getByTestId("activations").getByRole("img").waitFor();
  assertEquals(await over(), 0);
  await page.goto(`${browser.origin}/#tutorial`);
  await page.getByTestId("tutorial-result").waitFor();
  assertEquals(await over(), 0);
});

browserTest("less than 500 KB are loaded before a model is opened", async (browser) => {
  await using test = await browser.open();
  await test.settled();
  assert(test.bytes > 10_000 && test.bytes < 500_000, `${test.bytes} bytes`);
});

browserTest("the page may ask nobody else for anything", async (browser) => {
  const test = await browser.open();
  const { page } = test;
  const refused = await page.evaluate(() =>
    new Promise((resolve) => {
      document.addEventListener("securitypolicyviolation", ({ effectiveDirective }) =>
        resolve(effectiveDirective));
      fetch("https://example.com/").catch(() => {});
    })
  );
  assertEquals(refused, "connect-src");
  await page.context().close();
});
