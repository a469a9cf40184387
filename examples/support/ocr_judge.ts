/**
 * Several models read the same lines, side by side.
 *
 * @module
 */
import { type OnnxModel, OnnxRuntime } from "@staticquant/staticquant";
import type { OcrLine } from "./ocr_lines.ts";
import { ctcText, ocrInput } from "./ocr_model.ts";
import { type ReadingScore, readingScore } from "./ocr_score.ts";

/** What a model read, how well, and how fast. */
export interface OcrJudgement extends ReadingScore {
  /** The text of each line. */
  readonly texts: readonly string[];
  /** SQNR of the probabilities over all lines, against the first model's, in dB. */
  readonly sqnr: number;
  /** The median time a line takes, in milliseconds. */
  readonly milliseconds: number;
  /** The size of the file. */
  readonly bytes: number;
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

/**
 * Reads lines with every model in turn, so that whatever slows the machine down meets all of them.
 *
 * @param models by name; the first is what the others are compared with.
 * @param characters of {@linkcode ocrCharacters}.
 * @param onProgress is told after each line.
 */
export async function judgeReading(
  models: Readonly<Record<string, OnnxModel>>,
  lines: readonly OcrLine[],
  characters: readonly string[],
  onProgress: (done: number) => void = () => {},
): Promise<Record<string, OcrJudgement>> {
  await using runtimes = new AsyncDisposableStack();
  const readers = await Promise.all(
    Object.entries(models).map(async ([name, model]) => ({
      name,
      bytes: model.toBytes().length,
      runtime: runtimes.use(await OnnxRuntime.open("judgeReading", model)),
      texts: [] as string[],
      times: [] as number[],
      signal: 0,
      noise: 0,
    })),
  );
  for (const [done, line] of lines.entries()) {
    const feeds = ocrInput(line);
    let first: Float32Array | undefined;
    for (const reader of readers) {
      const start = performance.now();
      const [{ data }] = Object.values(await reader.runtime.run(feeds));
      reader.times.push(performance.now() - start);
      const output = data as Float32Array;
      first ??= output;
      for (let i = 0; i < output.length; i++) {
        reader.signal += first[i] ** 2;
        reader.noise += (first[i] - output[i]) ** 2;
      }
      reader.texts.push(ctcText(output, characters));
    }
    onProgress(done + 1);
  }
  const written = lines.map(({ text }) => text);
  return Object.fromEntries(
    readers.map(({ name, bytes, texts, times, signal, noise }) => [name, {
      ...readingScore(texts, written),
      texts,
      sqnr: 10 * Math.log10(signal / noise),
      milliseconds: median(times),
      bytes,
    }]),
  );
}
