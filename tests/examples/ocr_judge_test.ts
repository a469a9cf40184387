import { assert, assertEquals } from "@std/assert";
import { judgeReading } from "../../examples/support/ocr_judge.ts";
import { ocrLines } from "../../examples/support/ocr_lines.ts";
import { OCR_MODEL, ocrCharacters, ocrInputs } from "../../examples/support/ocr_model.ts";
import { loadOnnx } from "../../lib/onnx/file/model_file.ts";
import { quantizeStatic } from "../../lib/onnx/quantize_static.ts";

Deno.test("judgeReading: a quantized model beside the float one, on lines it has not seen", async () => {
  const float = await loadOnnx(OCR_MODEL);
  const seen = await ocrLines(1, 8);
  const unseen = await ocrLines(2, 8, seen);
  const { model } = await quantizeStatic(float, ocrInputs(seen), { calibrationMethod: "mse" });
  const done: number[] = [];
  const judged = await judgeReading(
    { float, again: float, quantized: model },
    unseen,
    await ocrCharacters(),
    (count) => done.push(count),
  );
  assertEquals(done, [1, 2, 3, 4, 5, 6, 7, 8]);
  assertEquals(judged.again.texts, judged.float.texts);
  assertEquals(judged.again.sqnr, Infinity);
  assertEquals(judged.float.bytes, float.toBytes().length);
  assert(judged.float.characters > 0.97, `${judged.float.characters}`);
  assert(judged.quantized.characters > 0.93, `${judged.quantized.characters}`);
  assert(judged.quantized.sqnr > 8, `${judged.quantized.sqnr}`);
  assert(judged.quantized.bytes < 0.3 * judged.float.bytes);
});
