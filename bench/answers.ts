/**
 * One file, two engines: PP-OCRv4's text recognition, in floats and quantized, reads rendered lines in
 * onnxruntime and as a module on WebGPU. Their texts and their outputs are held against each other.
 *
 * Run it with `deno task bench:answers`; a number as its argument sets how many lines are read.
 *
 * @module
 */
import {
  importOnnx,
  init,
  loadOnnx,
  type OnnxModel,
  OnnxRuntime,
  quantizeStatic,
  Table,
  tensor,
  tidy,
} from "../mod.ts";
import { ocrLines } from "../examples/support/ocr_lines.ts";
import {
  ctcText,
  OCR_MODEL,
  ocrCharacters,
  ocrInput,
  ocrInputs,
} from "../examples/support/ocr_model.ts";
import { readingScore } from "../examples/support/ocr_score.ts";

const CALIBRATION_LINES = 64;
const LINES = Number(Deno.args[0] ?? 200);

const { adapter } = await init({ device: "webgpu" });
const float = await loadOnnx(OCR_MODEL);
const seen = await ocrLines(1, CALIBRATION_LINES);
const lines = await ocrLines(2, LINES, seen);
const characters = await ocrCharacters();
const written = lines.map(({ text }) => text);

/** The texts that both engines read, and how far apart their outputs are. */
async function read(name: string, model: OnnxModel) {
  await using runtime = await OnnxRuntime.open(name, model);
  const module = await importOnnx(model);
  const texts: [onnxruntime: string[], ours: string[]] = [[], []];
  let farthest = 0;
  for (const line of lines) {
    const feeds = ocrInput(line);
    const [theirs] = Object.values(await runtime.run(feeds));
    using x = tensor(feeds.x.data, { shape: feeds.x.dims });
    // Not compiled: nearly every line has a width of its own, and would be recorded for one run.
    using y = tidy(() => module.forward(x));
    const ours = await y.data() as Float32Array;
    const expected = theirs.data as Float32Array;
    for (let i = 0; i < ours.length; i++) {
      farthest = Math.max(farthest, Math.abs(ours[i] - expected[i]));
    }
    texts[0].push(ctcText(expected, characters));
    texts[1].push(ctcText(ours, characters));
  }
  const [there, here] = texts.map((read) => readingScore(read, written));
  const percent = (share: number) => `${(100 * share).toFixed(2)} %`;
  return {
    model: name,
    "characters right, onnxruntime": percent(there.characters),
    "on WebGPU": percent(here.characters),
    "texts that are the same": `${texts[0].filter((t, i) => t === texts[1][i]).length} of ${LINES}`,
    "farthest output": farthest.toExponential(1),
  };
}

const quantized = await quantizeStatic(float, ocrInputs(seen));
const rows = [await read("float32", float), await read("uint8 × int8", quantized.model)];
const title = `PP-OCRv4 recognition, ${LINES} lines, WebGPU adapter ${adapter}`;
console.log(String(new Table(rows, { title })));
