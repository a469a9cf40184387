import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { loadOnnx, saveOnnx } from "../../mod.ts";
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
    // Any other is chosen from the list, by its name or with the keyboard.
    const list = page.getByLabel("Activation", { exact: true });
    await list.focus();
    await page.keyboard.press("End");
    await page.getByText("5 of 5", { exact: true }).waitFor();
    const last = await list.evaluate((list) => (list as HTMLSelectElement).selectedOptions[0].text);
    assert(last.length > 0);
    await page.getByTestId("activations").getByRole("img").waitFor();
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

browserTest("a target is met on samples that the calibration has not seen", async (browser) => {
  await using test = await browser.open();
  const { page } = test;
  await openDigits(test);
  await page.getByText("Other samples to judge with").click();
  await page.getByRole("button", { name: "Remove" }).last().click();
  await page.getByLabel("SQNR to keep, in dB").fill("much");
  await test.quantize();
  assertStringIncludes(await test.alert(), "“SQNR to keep, in dB” is not filled in right");
  await page.getByLabel("SQNR to keep, in dB").fill("45");
  await test.quantize();
  const target = page.getByTestId("target");
  assertMatch(
    await target.innerText(),
    /^The target of 45\.0\sdB is met: 4\d\.\d\sdB, with 1 node more in float\.$/,
  );
  await page.getByTestId("activations").waitFor();
  const result = await page.getByTestId("result").innerText();
  assertStringIncludes(result, "calibrated on 48 samples");
  assertStringIncludes(result, "Judged on every fourth sample");
  const sqnr = Number(/SQNR of the output\s+([\d.]+)/.exec(result)![1]);
  assert(sqnr >= 45, `${sqnr} dB`);

  await page.getByLabel("SQNR to keep, in dB").fill("300");
  await test.quantize();
  assertMatch(
    await target.innerText(),
    /^The target of 300\.0\sdB is met with every node in float only/,
  );
  await page.getByText("How they are read").click();
  await page.getByLabel("At most so many samples").fill("1");
  await test.quantize();
  assertStringIncludes(await test.alert(), "one sample cannot be shared");
});

browserTest("a model is opened with its data files, in one go or after", async (browser) => {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/digits.onnx`;
    const whole = await (await fetch(`${browser.origin}/examples/digits.onnx`)).bytes();
    await saveOnnx(await loadOnnx(whole), path, { externalData: true });
    await using test = await browser.open();
    const { page } = test;
    const give = page.getByTestId("model-file");
    await test.giveModel(path);
    assertStringIncludes(await test.alert(), 'give the file "digits.onnx.data" together with');
    await give.setInputFiles(`${path}.data`);
    const inspection = page.getByTestId("inspection");
    await inspection.filter({ hasText: "digits.onnx and 1 data file" }).waitFor();
    await give.setInputFiles([`${path}.data`, path]);
    await inspection.filter({ hasText: "235,146 numbers in 6 tensors" }).waitFor();
    const samples = await (await fetch(`${browser.origin}/examples/digits.npy`)).bytes();
    await page.getByTestId("sample-files").setInputFiles(given("digits.npy", samples));
    await test.quantize();
    const { graph } = await loadOnnx(await test.download("Download the quantized model"));
    assert(graph.node.some(({ opType }) => opType === "QuantizeLinear"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
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
