import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { basename } from "node:path";
import sharp from "sharp";
import { loadOnnx, readTensor } from "../../mod.ts";
import { npy } from "../../scripts/web/npy.ts";
import { recognition } from "../onnx/ocr_models.ts";
import { browserTest, ofRepository, type TestBrowser } from "./browser.ts";

/** A folder with samples in it, and room for what is written. */
class Folder implements Disposable {
  readonly path = Deno.makeTempDirSync();

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** What the command line makes of the recognizer, as a process of its own. */
async function byCommandLine(
  data: string,
  folder: string,
  ...flags: string[]
): Promise<Uint8Array> {
  const out = `${folder}/command-line.onnx`;
  const args = ["run", "-A", ofRepository("cli.ts"), "quantize", recognition, "--data", data];
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args, "--out", out, "--force", ...flags],
    cwd: ofRepository(),
    env: { NO_COLOR: "1", ORT_DISABLE_TELEMETRY: "1" },
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  return await Deno.readFile(out);
}

/** What the page makes of it. */
async function byPage(
  browser: TestBrowser,
  files: readonly string[],
  fill: Readonly<Record<string, string>> = {},
): Promise<{ file: Uint8Array; line: string }> {
  await using test = await browser.open();
  const { page } = test;
  await test.giveModel(recognition);
  await page.getByTestId("sample-files").setInputFiles(files);
  await page.getByText("How they are read").click();
  for (const [label, text] of Object.entries(fill)) await page.getByLabel(label).fill(text);
  await test.quantize();
  assertEquals(await page.getByRole("alert").count(), 0);
  await page.getByTestId("command-line").locator("summary").click();
  const line = await page.getByTestId("command-line").locator("pre").innerText();
  return { file: await test.download("Download the quantized model"), line };
}

/** The flags of a command line after the paths. */
const flagsOf = (line: string) => line.split(" ").slice(7);

/** Whether two files have the same bytes; a difference of megabytes is not printed. */
function assertSameBytes(actual: Uint8Array, expected: Uint8Array): void {
  assertEquals(actual.length, expected.length);
  assertEquals(actual.findIndex((byte, i) => byte !== expected[i]), -1);
}

/** Soft waves, another one for each sample. */
function wave(sample: number, i: number): number {
  return Math.sin(i * 0.37 + sample * 1.3) * Math.cos(i * 0.011);
}

browserTest(
  "the recognizer has the bytes that the command line writes: arrays",
  async (browser) => {
    using folder = new Folder();
    const shape = [6, 3, 48, 96];
    const [samples, each] = [shape[0], 3 * 48 * 96];
    const data = Float32Array.from(
      { length: samples * each },
      (_, i) => wave(Math.floor(i / each), i % each),
    );
    const path = `${folder.path}/samples.npy`;
    await Deno.writeFile(path, npy(data, shape));
    const { file, line } = await byPage(browser, [path]);
    const name = basename(recognition);
    assertEquals(
      line,
      `staticquant quantize ${name} --data samples.npy --out ${
        name.replace(".onnx", ".int8.onnx")
      } --runtime wasm`,
    );
    assertSameBytes(file, await byCommandLine(path, folder.path, ...flagsOf(line)));

    // Native code adds floats in another order: scales may differ in their last bits, integers hardly.
    const native = await loadOnnx(new Uint8Array(await byCommandLine(path, folder.path)));
    const ours = await loadOnnx(new Uint8Array(file));
    const scales = new Map(native.graph.initializer.map((tensor) => [tensor.name, tensor]));
    for (const tensor of ours.graph.initializer.filter(({ name }) => name.endsWith("_scale"))) {
      const [a, b] = [tensor, scales.get(tensor.name)!].map((t) => readTensor(t).data);
      for (let i = 0; i < a.length; i++) {
        const [x, y] = [Number(a[i]), Number(b[i])];
        assert(Math.abs(x - y) <= 1e-4 * Math.abs(y), `${tensor.name}: ${x} and ${y}`);
      }
    }
  },
);

browserTest(
  "the recognizer has the bytes that the command line writes: images",
  async (browser) => {
    using folder = new Folder();
    const images = `${folder.path}/images`;
    await Deno.mkdir(images);
    const raw = (channels: 1 | 2 | 3 | 4, sample: number) => {
      const [width, height] = [70 + 13 * sample, 30 + 5 * sample];
      const length = width * height * channels;
      const pixels = Uint8Array.from({ length }, (_, i) => 127.5 + 127 * wave(sample, i));
      return sharp(pixels, { raw: { width, height, channels } });
    };
    const made = [
      raw(1, 0).png(),
      raw(3, 1).png({ progressive: true }),
      raw(4, 2).png(),
      raw(3, 3).png({ palette: true, colours: 16 }),
      raw(2, 4).png(),
      raw(3, 5).toColourspace("rgb16").png(),
    ];
    const paths = made.map((_, i) => `${images}/${i}.png`);
    for (const [i, image] of made.entries()) await Deno.writeFile(paths[i], await image.toBuffer());
    const { file, line } = await byPage(browser, paths, {
      "Height and width": "48xauto",
      "to a multiple of": "8",
      "minus": "0.5",
      "divided by": "0.5",
    });
    const flags = ["--size", "48xauto", "--multiple-of", "8", "--mean", "0.5", "--std", "0.5"];
    assertStringIncludes(line, "--data samples --out ");
    assertEquals(flagsOf(line).toSorted(), [...flags, "--runtime", "wasm"].toSorted());
    assertSameBytes(file, await byCommandLine(images, folder.path, ...flagsOf(line)));
  },
);

browserTest("a target leads to the bytes that the command line writes", async (browser) => {
  using folder = new Folder();
  for (const name of ["digits.onnx", "digits.npy", "digits-held-out.npy"]) {
    const response = await fetch(`${browser.origin}/examples/${name}`);
    await Deno.writeFile(`${folder.path}/${name}`, await response.bytes());
  }
  await using test = await browser.open();
  const { page } = test;
  await page.getByRole("button", { name: "Digits" }).click();
  await test.inspected();
  await page.getByLabel("SQNR to keep, in dB").fill("45");
  await test.quantize();
  await page.getByTestId("command-line").locator("summary").click();
  const line = await page.getByTestId("command-line").locator("pre").innerText();
  assertEquals(
    line,
    "staticquant quantize digits.onnx --data digits.npy --out digits.int8.onnx " +
      "--held-out digits-held-out.npy --target-sqnr 45 --runtime wasm",
  );
  const [cli, config] = ["cli.ts", "deno.json"].map((name) => ofRepository(name));
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--config", config, cli, ...line.split(" ").slice(1)],
    cwd: folder.path,
    env: { NO_COLOR: "1", ORT_DISABLE_TELEMETRY: "1" },
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  assertSameBytes(
    await test.download("Download the quantized model"),
    await Deno.readFile(`${folder.path}/digits.int8.onnx`),
  );
});
