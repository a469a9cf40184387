import { assert, assertEquals, assertNotEquals } from "@std/assert";
import * as ort from "onnxruntime-node";
import { LINE_HEIGHT, ocrLines } from "../../examples/support/ocr_lines.ts";
import {
  ctcText,
  OCR_MODEL,
  ocrCharacters,
  ocrInput,
  ocrInputs,
} from "../../examples/support/ocr_model.ts";
import { editDistance, readingScore } from "../../examples/support/ocr_score.ts";
import { lineText } from "../../examples/support/ocr_text.ts";
import { SeededRandom } from "../../examples/support/seeded_random.ts";

Deno.test("SeededRandom: a seed gives the same numbers, another one others", () => {
  const numbers = (seed: number) => {
    const random = new SeededRandom(seed);
    return Array.from({ length: 5 }, () => random.uniform());
  };
  assertEquals(numbers(3), numbers(3));
  assertNotEquals(numbers(3), numbers(4));
  const random = new SeededRandom(1);
  const normals = Array.from({ length: 4000 }, () => random.normal());
  const mean = normals.reduce((sum, x) => sum + x) / normals.length;
  const variance = normals.reduce((sum, x) => sum + (x - mean) ** 2, 0) / normals.length;
  assert(Math.abs(mean) < 0.05 && Math.abs(variance - 1) < 0.1, `${mean} ${variance}`);
  const integers = Array.from({ length: 500 }, () => random.integer(-1, 2));
  assertEquals([...new Set(integers)].sort((a, b) => a - b), [-1, 0, 1, 2]);
});

Deno.test("lineText: the model knows every character", async () => {
  const known = new Set(await ocrCharacters());
  for (let seed = 0; seed < 500; seed++) {
    const { text } = lineText(new SeededRandom(seed));
    assertEquals([...text].filter((character) => !known.has(character)), [], text);
  }
});

Deno.test("ocrLines: a line depends on the seed and its number alone", async () => {
  const [few, more] = [await ocrLines(7, 3), await ocrLines(7, 6)];
  assertEquals(few, more.slice(0, 3));
  assertNotEquals((await ocrLines(8, 3)).map(({ text }) => text), few.map(({ text }) => text));
  for (const { width, pixels } of more) assertEquals(pixels.length, width * LINE_HEIGHT);
});

Deno.test("ocrLines: texts that a model has seen are left out", async () => {
  const seen = await ocrLines(7, 2);
  const others = await ocrLines(7, 3, seen);
  assertEquals(others[0], (await ocrLines(7, 3))[2]);
});

Deno.test("ocrLines: something stands there, inside of the picture", async () => {
  for (const { pixels, width, text } of await ocrLines(9, 20)) {
    const ground = pixels[0];
    const ink = pixels.filter((gray) => Math.abs(gray - ground) > 60).length / pixels.length;
    assert(ink > 0.005 && ink < 0.5, `${text}: ${ink}`);
    const lastColumn = Array.from({ length: LINE_HEIGHT }, (_, y) => pixels[(y + 1) * width - 1]);
    const mean = lastColumn.reduce((sum, gray) => sum + gray, 0) / LINE_HEIGHT;
    const first = Array.from({ length: LINE_HEIGHT }, (_, y) => pixels[y * width]);
    const other = first.reduce((sum, gray) => sum + gray, 0) / LINE_HEIGHT;
    assert(Math.abs(mean - other) < 25, `${text} is cut off`);
  }
});

Deno.test("ocrInput: three equal channels from −1 to 1", async () => {
  const line = { text: "", width: 2, pixels: new Uint8Array(2 * LINE_HEIGHT).fill(255) };
  line.pixels[0] = 0;
  const { x } = ocrInput(line);
  assertEquals(x.dims, [1, 3, LINE_HEIGHT, 2]);
  for (let c = 0; c < 3; c++) {
    assertEquals(
      x.data.slice(c * 2 * LINE_HEIGHT, c * 2 * LINE_HEIGHT + 2),
      Float32Array.of(-1, 1),
    );
  }
  assertEquals((await Array.fromAsync(ocrInputs([line, line]))).length, 2);
});

Deno.test("ctcText: equal neighbours are one character, unless a blank is between them", () => {
  const characters = ["", "a", "b", " "];
  const output = (steps: string) =>
    Float32Array.from(
      [...steps].flatMap((step) => [0, 1, 2, 3].map((i) => i === Number(step) ? 1 : 0)),
    );
  assertEquals(ctcText(output("0110122"), characters), "aab");
  assertEquals(ctcText(output("31323"), characters), "a b");
  assertEquals(ctcText(output("000"), characters), "");
});

Deno.test("editDistance: insertions, removals and replacements count one each", () => {
  assertEquals(editDistance("kitten", "sitting"), 3);
  assertEquals(editDistance("", "abc"), 3);
  assertEquals(editDistance("abc", ""), 3);
  assertEquals(editDistance("时间", "时问"), 1);
  assertEquals(editDistance("same", "same"), 0);
});

Deno.test("readingScore: over all characters, and by whole lines", () => {
  assertEquals(readingScore(["ab", "cd"], ["ab", "ce"]), { exact: 0.5, characters: 0.75 });
});

Deno.test("the model reads the lines", async () => {
  const characters = await ocrCharacters();
  const session = await ort.InferenceSession.create(OCR_MODEL, { logSeverityLevel: 3 });
  const lines = await ocrLines(2, 12);
  const read: string[] = [];
  for (const line of lines) {
    const { x: { data, dims } } = ocrInput(line);
    const outputs = await session.run({ x: new ort.Tensor("float32", data, dims) });
    read.push(ctcText(outputs[session.outputNames[0]].data as Float32Array, characters));
  }
  await session.release();
  const { characters: accuracy } = readingScore(read, lines.map(({ text }) => text));
  assert(accuracy > 0.95, `${accuracy}: ${JSON.stringify(read)}`);
});
