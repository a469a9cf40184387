/**
 * How long the page takes to quantize the text recognizer, beside the command line as a process of its own: the same
 * samples, in turns.
 *
 * Run: `deno task bench:page`, after `deno task web:build`, with Chromium on the path.
 *
 * @module
 */
import { join } from "node:path";
import { chromium, type Page } from "playwright-core";
import { OCR_MODEL } from "../examples/support/ocr_model.ts";
import { CHROMIUM_FLAGS, findChromium } from "../scripts/chromium.ts";
import { root } from "../scripts/paths.ts";
import { SITE } from "../scripts/web/folder.ts";
import { npy } from "../scripts/web/npy.ts";
import { serveFolder } from "../scripts/web/server.ts";
import { quantiles } from "./measure.ts";

const ROUNDS = 5;
/** Lines, as pixels of three colours. */
const SHAPE = [16, 3, 48, 320];

/** Seconds that the command line takes. */
async function byCommandLine(data: string, out: string): Promise<number> {
  const start = performance.now();
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "cli.ts", "quantize", OCR_MODEL, "--data", data, "--out", out, "--force"],
    cwd: root,
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return (performance.now() - start) / 1000;
}

/** Seconds from the button to the result in the page. */
async function byPage(page: Page, address: string, data: string): Promise<number> {
  await page.goto(address);
  await page.getByTestId("model-file").setInputFiles(OCR_MODEL);
  await page.getByTestId("inspection").waitFor();
  await page.getByTestId("sample-files").setInputFiles(data);
  const start = performance.now();
  await page.getByRole("button", { name: "Quantize", exact: true }).click();
  await page.getByTestId("result").waitFor({ timeout: 240_000 });
  return (performance.now() - start) / 1000;
}

const folder = await Deno.makeTempDir();
const data = join(folder, "samples.npy");
const count = SHAPE.reduce((product, size) => product * size);
const pixels = Float32Array.from(
  { length: count },
  (_, i) => Math.sin(i * 0.37) * Math.cos(i * 0.011),
);
await Deno.writeFile(data, npy(pixels, SHAPE));
const server = serveFolder(SITE);
const browser = await chromium.launch({
  executablePath: await findChromium(),
  args: [...CHROMIUM_FLAGS],
});
const rounds: { line: number; page: number }[] = [];
for (let round = 0; round < ROUNDS; round++) {
  const line = await byCommandLine(data, join(folder, "out.onnx"));
  const page = await browser.newPage();
  rounds.push({ line, page: await byPage(page, `http://127.0.0.1:${server.addr.port}/`, data) });
  await page.close();
}
await browser.close();
await server.shutdown();
await Deno.remove(folder, { recursive: true });
const shown = (values: number[]) =>
  quantiles(values, 0, 0.5, 1).map((value) => value.toFixed(2)).join(" / ");
console.log(`least / median / most of ${ROUNDS}
command line  ${shown(rounds.map(({ line }) => line))} s
page          ${shown(rounds.map(({ page }) => page))} s
page / line   ${shown(rounds.map(({ line, page }) => page / line))}`);
