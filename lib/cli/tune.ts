/**
 * What `tune` does.
 *
 * @module
 */
import { readFileIfThere } from "../files/disk.ts";
import { readSamples } from "../data/read_samples.ts";
import { saveOnnx } from "../onnx/file/model_file.ts";
import type { OnnxModel } from "../onnx/file/model.ts";
import { modelInputs } from "../onnx/inspect/model_inputs.ts";
import type { TuneRecipe } from "../onnx/tune/recipe.ts";
import type { TuneOnnxResult } from "../onnx/tune/result.ts";
import { tuneOnnx } from "../onnx/tune/tune_onnx.ts";
import { readCalibration } from "./calibrate.ts";
import { CliError, EXIT, usage } from "./cli_error.ts";
import type { Console } from "./console.ts";
import { floatModel } from "./float_model.ts";
import { programMetric } from "./metric_program.ts";
import { type TuneOptions, withFlags } from "./options.ts";
import { checkFree, checkOutputs, writeWhole } from "./output_file.ts";
import { ProgressBar } from "./progress_bar.ts";

/**
 * Tunes a model.
 *
 * @returns the exit code.
 */
export async function tune(options: TuneOptions, console: Console): Promise<number> {
  const { model: path, out, force, heldOut, recipe, useRecipe, metricProgram, keepBest } = options;
  const { metric, remedies, ...asked } = options.tuneOnnx;
  const { calibration } = options;
  if (useRecipe !== undefined && remedies) {
    usage("--use-recipe says which remedies to apply; leave --remedies out");
  }
  await checkOutputs({ "--out": out, "--recipe": recipe }, {
    ...{ "the model": path, "--data": options.data, "--held-out": heldOut },
    ...{ "--use-recipe": useRecipe, "--calibration": calibration },
  });
  await checkFree(out, force);
  if (recipe !== undefined) await checkFree(recipe, force);
  const { model } = await floatModel(path, options.runtime);
  const inputs = modelInputs(model);
  using bar = new ProgressBar(console);
  const result = await tuneOnnx(model, {
    ...asked,
    data: readSamples(options.data, inputs, options.readSamples),
    heldOut: readSamples(heldOut, inputs, { ...options.readSamples, limit: undefined }),
    calibration: calibration === undefined ? undefined : await readCalibration(model, calibration),
    metric: metricProgram === undefined ? metric : programMetric(metricProgram, out),
    remedies,
    recipe: useRecipe === undefined ? undefined : await readRecipe(useRecipe),
    signal: console.signal,
    onProgress: ({ step, done }) => bar.update(`tuning: ${step}, try`, done),
  });
  console.signal.throwIfAborted();
  bar.clear();
  const written = result.reached || keepBest === true;
  if (written) {
    await console.finish(async () => {
      await saveOnnx(result.model, out, { force });
      if (recipe !== undefined) {
        await writeWhole(recipe, `${JSON.stringify(result.recipe, null, 2)}\n`);
      }
    });
  }
  console.out(`${options.json ? summary(result, path, written ? out : null, model) : result}\n`);
  for (const warning of result.warnings) console.err(`warning: ${withFlags(warning)}\n`);
  if (result.reached) return EXIT.ok;
  console.err(
    written
      ? "what was asked for is missed; the best that was found is written\n"
      : "what was asked for is missed, and nothing is written; --keep-best writes the best that was found\n",
  );
  return EXIT.targetMissed;
}

/** A recipe from a file; what is in it is looked at later. */
async function readRecipe(path: string): Promise<TuneRecipe> {
  const bytes = await readFileIfThere(path);
  if (!bytes) throw new CliError(EXIT.failed, `there is no recipe ${path}`);
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw new CliError(EXIT.failed, `${path} is no recipe: it is not JSON`);
  }
}

/** The result as JSON. */
function summary(
  { metric, value, sqnr, target, reached, steps, diagnosis, warnings, model }: TuneOnnxResult,
  file: string,
  out: string | null,
  float: OnnxModel,
): string {
  const sizes = { bytes: float.byteLength(), quantizedBytes: model.byteLength() };
  const parts = { file, out, ...sizes, metric, value, sqnr, target, reached, steps, diagnosis };
  return JSON.stringify({ ...parts, warnings }, null, 2);
}
