import { assertEquals, assertStringIncludes } from "@std/assert";
import { recognition } from "../onnx/ocr_models.ts";
import { npy } from "../../scripts/web/npy.ts";
import { browserTest, type TestBrowser, type TestPage } from "./browser.ts";

/** The recognizer in a page, with more samples than it is through with at once. */
class Busy implements AsyncDisposable {
  private constructor(readonly test: TestPage, private readonly folder: string) {}

  static async open(browser: TestBrowser): Promise<Busy> {
    const folder = await Deno.makeTempDir();
    const busy = new Busy(await browser.open(), folder);
    await busy.test.giveModel(recognition);
    const shape = [100, 3, 48, 160];
    const length = shape.reduce((a, b) => a * b);
    const samples = npy(Float32Array.from({ length }, (_, i) => Math.sin(i)), shape);
    const paths = [0, 1, 2, 3].map((i) => `${folder}/${i}.npy`);
    for (const path of paths) await Deno.writeFile(path, samples);
    await busy.test.page.getByTestId("sample-files").setInputFiles(paths);
    return busy;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.test[Symbol.asyncDispose]();
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** Starts, and waits until samples are counted. */
async function start({ page }: TestPage): Promise<void> {
  await page.getByRole("button", { name: "Quantize", exact: true }).click();
  await page.getByRole("status").filter({ hasText: "Calibrating" }).waitFor();
  await page.getByTestId("counted").filter({ hasText: /\d/ }).waitFor();
}

browserTest("a calibration is watched, and cancelled", async (browser) => {
  await using busy = await Busy.open(browser);
  const { test, test: { page } } = busy;
  await start(test);
  // The page answers meanwhile.
  await page.getByText("More options").click();
  await page.getByLabel("Only these operators").fill("Conv");
  assertEquals(await page.getByLabel("Only these operators").inputValue(), "Conv");
  assertEquals(
    await page.getByRole("button", { name: "Quantize", exact: true }).isDisabled(),
    true,
  );
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByText("Cancelled. Nothing was kept.").waitFor();
  assertEquals(await page.getByTestId("result").count(), 0);
  assertEquals(page.workers().length, 1); // it heeded, and was not ended
  await page.getByText("How they are read").click();
  await page.getByLabel("At most so many samples").fill("2");
  await test.quantize();
  assertStringIncludes(await page.getByTestId("result").innerText(), "calibrated on 2 samples");
});

browserTest("a worker that is gone is told of, and the next one works", async (browser) => {
  await using busy = await Busy.open(browser);
  const { test, test: { page } } = busy;
  await start(test);
  await page.workers()[0].evaluate(() => self.close());
  assertStringIncludes(await test.alert(), "The browser has ended the worker that computes");
  await page.getByText("How they are read").click();
  await page.getByLabel("At most so many samples").fill("2");
  await test.quantize();
  assertEquals(await page.getByRole("alert").count(), 0);
});
