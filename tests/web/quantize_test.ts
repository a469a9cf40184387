import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { loadOnnx } from "../../mod.ts";
import { browserTest, given, type GivenFile, type TestPage } from "./browser.ts";

async function openDigits(test: TestPage): Promise<void> {
  await test.page.getByRole("button", { name: /Digits/ }).click();
  await test.page.getByTestId("inspection").filter({ hasText: "digits.onnx" }).waitFor();
}

browserTest(
  "a model that is there at once is quantized, looked at and taken along",
  async (browser) => {
    await using test = await browser.open();
    const { page } = test;
    await openDigits(test);
    const inspection = await page.getByTestId("inspection").innerText();
    assertStringIncludes(inspection, "235,146 numbers in 6 tensors");
    assertStringIncludes(inspection, "5 of 5 nodes");
    await test.quantize();
    const quantized = await loadOnnx(await test.download("Download the quantized model"));
    assert(quantized.graph.node.some(({ opType }) => opType === "QuantizeLinear"));
    await page.getByTestId("activations").waitFor();
    assertMatch(await page.getByTestId("result").innerText(), /100\.00\s%/); // the same class
    const picture = page.getByTestId("activations").getByRole("img");
    assertMatch(await picture.getAttribute("alt") ?? "", /25,088 values from 0 to 1; uint8 covers/);
    await page.getByRole("button", { name: "Next" }).click();
    await page.getByText("2 of 5").waitFor();
    const report = new TextDecoder().decode(await test.download("Download the report"));
    assertMatch(report, /^<!doctype html>[^]*digits\.onnx quantized[^]*<svg[^]*<\/html>\s*$/);
    await page.getByRole("button", { name: "Measure each node" }).click();
    await page.getByTestId("hurt").getByRole("table").waitFor();
    assertEquals(await page.getByTestId("hurt").getByRole("row").count(), 4); // a head and three layers
  },
);

browserTest("wrong files give the library's sentences, and the page goes on", async (browser) => {
  await using test = await browser.open();
  const { page } = test;
  await test.giveModel(given("page.onnx", "<html>not found</html>"));
  assertStringIncludes(await test.alert(), "page.onnx: this is no ONNX model: it looks like HTML");
  await test.giveModel(given("empty.onnx", ""));
  assertStringIncludes(await test.alert(), "it looks like an empty file");

  await openDigits(test);
  const give = async (...files: GivenFile[]) => {
    await page.getByTestId("sample-files").setInputFiles(files);
    await test.quantize();
    return await test.alert();
  };
  assertStringIncludes(await give(given("x.npy", "nothing")), "x.npy: ");
  assertStringIncludes(await give(given("x.pt", "nothing")), "x.pt: files that end in .pt are not");
  assertStringIncludes(
    await give(given("a.jsonl", "[[1]]\n"), given("b.npy", "")),
    "these are a mixture, such as a.jsonl and b.npy",
  );
  assertStringIncludes(await give(given("x.png", "nothing")), "takes no images");
  assertStringIncludes(await give(given("x.jsonl", "[[1, 2]]\n")), "x.jsonl");
  // The library names its options, the page its fields.
  await openDigits(test);
  await page.getByText("More options").click();
  await page.getByLabel("Only these operators").fill("Convolution");
  await test.quantize();
  assertStringIncludes(await test.alert(), "“Only these operators” names");
  await page.getByLabel("Only these operators").fill("");
  await page.getByText("How they are read").click();
  await page.getByLabel("At most so many samples").fill("a few");
  await test.quantize();
  assertStringIncludes(await test.alert(), "“At most so many samples” is not filled in right");
  await page.getByLabel("At most so many samples").fill("");
  await test.quantize();
  const quantized = await test.download("Download the quantized model");
  await test.giveModel(given("again.onnx", quantized));
  assertStringIncludes(await page.getByTestId("inspection").innerText(), "is quantized already");
});

browserTest("a model too large for a tab is refused before it is read", async (browser) => {
  await using test = await browser.open();
  const path = await Deno.makeTempFile({ suffix: ".onnx" });
  try {
    await Deno.truncate(path, 2 ** 30 + 1);
    await test.giveModel(path);
    assertMatch(await test.alert(), /The model has 1\.0 GiB\. A tab can hold .* command line/);
  } finally {
    await Deno.remove(path);
  }
});
