/// <reference lib="dom" />
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { browserTest, type TestPage } from "./browser.ts";

/** The pictures, in words. */
async function pictures({ page }: TestPage): Promise<string[]> {
  const images = page.locator(".figure img:visible");
  // Drawn one after the other.
  await images.nth(6).waitFor();
  const all = await images.evaluateAll((images) =>
    images.map((image) => image.getAttribute("alt"))
  );
  return all.map(String);
}

async function ready({ page }: TestPage): Promise<void> {
  await page.getByTestId("tutorial-result").waitFor();
}

browserTest(
  "the tutorial runs on WebGPU, with the notebook's pictures and numbers to change",
  async (browser) => {
    await using test = await browser.open("#tutorial");
    const { page } = test;
    await ready(test);
    assertStringIncludes(await page.getByTestId("device").innerText(), "Computed on WebGPU: ");
    const shown = await pictures(test);
    assertEquals(
      shown.map((words) => words.split(";")[0]),
      [
        ...["Input of linear1", "Input of linear2", "Weight, bfloat16", "Weight, uint8"],
        ...["Difference", "Output of the model", "Bytes of the model"],
      ],
    );
    assertStringIncludes(shown[0], "20,480 values");
    const rows = page.getByRole("row").filter({ hasText: "StaticQuant" });
    const [first, second] = (await rows.allInnerTexts()).map((row) => row.split(/\s+/).slice(1));
    assertEquals(first, second); // two ways to the same integers
    assert(Number(first[0]) > 30, first.join(" "));

    await page.getByLabel("inputs in a batch").fill("16");
    await page.getByLabel("integer type").selectOption("int8");
    await page.getByRole("button", { name: "Run" }).click();
    await page.getByRole("img", { name: /^Input of linear1; 10,240 values .*int8 covers/ })
      .waitFor();
    await page.getByLabel("inputs in a batch").fill("0");
    await page.getByRole("button", { name: "Run" }).click();
    assertEquals(
      await page.getByLabel("inputs in a batch").evaluate((x) => x.matches(":invalid")),
      true,
    );
  },
);

browserTest("a lost device is told of, and the next run has a new one", async (browser) => {
  await using test = await browser.open("#tutorial");
  const { page } = test;
  await ready(test);
  await page.workers()[0].evaluate(() => {
    const { createBuffer } = GPUDevice.prototype;
    GPUDevice.prototype.createBuffer = function (descriptor) {
      GPUDevice.prototype.createBuffer = createBuffer;
      this.destroy();
      return createBuffer.call(this, descriptor);
    };
  });
  await page.getByLabel("inputs in a batch").fill("48");
  await page.getByRole("button", { name: "Run" }).click();
  assertStringIncludes(await test.alert(), "The browser has taken the graphics device away");
  await page.getByRole("button", { name: "Run" }).click();
  await page.getByRole("img", { name: /^Input of linear1; 30,720 values/ }).waitFor();
  assertEquals(await page.getByRole("alert").count(), 0);
});

browserTest(
  "without WebGPU the page says so and computes on the CPU",
  async (browser) => {
    await using test = await browser.open("#tutorial");
    await ready(test);
    assertStringIncludes(
      await test.page.getByTestId("device").innerText(),
      "This browser gives no WebGPU adapter, so the same numbers are computed on the CPU.",
    );
    assertEquals((await pictures(test)).length, 7);
  },
  { webgpu: false },
);
