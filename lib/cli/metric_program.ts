/**
 * A program that judges models.
 *
 * @module
 */
import { paths } from "../files/paths.ts";
import { runProgram } from "../files/run_program.ts";
import { TemporaryFile } from "../files/temporary_file.ts";
import { saveOnnx } from "../onnx/file/model_file.ts";
import { quote } from "../numbers/printable.ts";
import type { OnnxModel } from "../onnx/file/model.ts";

/** Characters of a word that a message has room for. */
const MOST_SHOWN = 40;

/** The last number on standard output of a program that is given a model's path. */
async function judge(program: string, path: string): Promise<number> {
  const output = await runProgram(program, [path]);
  const last = output.trim().split(/\s+/).at(-1) ?? "";
  const value = Number(last);
  if (last === "" || Number.isNaN(value)) {
    const printed = last === "" ? "but nothing" : `but ${quote(last.slice(0, MOST_SHOWN))}`;
    throw new Error(`${program} printed no number at its end, ${printed}`);
  }
  return value;
}

/**
 * A metric by a program: it is given the path of a model's file, and prints a number, the greater the better.
 *
 * @param out the file beside which the models lie meanwhile.
 */
export function programMetric(program: string, out: string): (model: OnnxModel) => Promise<number> {
  return async (model) => {
    await using file = await TemporaryFile.create(paths().dirname(out));
    if (!file) throw new Error(`no temporary file may be written beside ${out}`);
    await saveOnnx(model, file.path, { force: true });
    return await judge(program, file.path);
  };
}
