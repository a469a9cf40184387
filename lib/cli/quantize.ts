/**
 * What `quantize` does.
 *
 * @module
 */
import { paths } from "../files/paths.ts";
import { readSamples } from "../data/read_samples.ts";
import { replay } from "../data/replay.ts";
import { autoQuantize, type AutoQuantizeResult } from "../onnx/accuracy/auto_quantize.ts";
import type { OnnxCalibration } from "../onnx/calibration/calibrate.ts";
import { compareOnnx } from "../onnx/accuracy/compare_onnx.ts";
import { saveOnnx } from "../onnx/file/model_file.ts";
import type { OnnxModel } from "../onnx/file/model.ts";
import { walkGraphs } from "../onnx/file/subgraphs.ts";
import { quantizeStatic, type QuantizeStaticOptions } from "../onnx/quantize_static.ts";
import { decibels } from "../plot/format.ts";
import { calibrate, checkSource } from "./calibrate.ts";
import { EXIT, usage } from "./cli_error.ts";
import type { Console } from "./console.ts";
import { excludedNodes } from "./excluded_nodes.ts";
import { floatModel } from "./float_model.ts";
import { modelInputs } from "../onnx/inspect/model_inputs.ts";
import { type QuantizeOptions, withFlags } from "./options.ts";
import { checkFree, checkOutputs } from "./output_file.ts";
import { ProgressBar } from "./progress_bar.ts";
import { costWarnings, timed } from "./cost_warnings.ts";
import { quantizeJson, quantizeSummary } from "./quantize_summary.ts";

/**
 * Quantizes a model.
 *
 * @returns the exit code.
 */
export async function quantize(options: QuantizeOptions, console: Console): Promise<number> {
  const { model: path, out, force, heldOut, json, autoQuantize: { targetSqnr } } = options;
  if (targetSqnr !== undefined && !heldOut) {
    usage("--target-sqnr needs --held-out: samples that the model is not calibrated on");
  }
  const { calibrationMethod, optimize } = options.quantizeStatic;
  const measured = calibrationMethod === "auto"
    ? "--method auto"
    : optimize === "latency"
    ? "--optimize latency"
    : undefined;
  if (targetSqnr !== undefined && measured) {
    usage(`${measured} measures one model, and --target-sqnr tries many; leave one out`);
  }
  checkSource(options);
  const outputs = { "--out": out, "--state": options.state };
  await checkOutputs(outputs, {
    "the model": path,
    "--data": options.data,
    "--calibration": options.calibration,
    "--held-out": heldOut,
  });
  await checkFree(out, force);
  const { model, renamed } = await floatModel(path, options.runtime);
  using bar = new ProgressBar(console);
  const ofSamples: string[] = [];
  const note = (warning: string) => void ofSamples.push(warning);
  const calibration = await calibrate(model, options, console, bar, note);
  const settings: QuantizeStaticOptions = staticOptions(calibration, options);
  const judges = heldOut === undefined ? undefined : heldOutSamples(model, heldOut, options);
  let auto: AutoQuantizeResult | undefined;
  if (judges && targetSqnr !== undefined) {
    auto = await autoQuantize(calibration.model, calibration, {
      ...settings,
      targetSqnr,
      heldOut: judges,
      signal: console.signal,
      onProgress: ({ done }) => bar.update("meeting the target, run", done),
    });
  }
  const plain = auto ? undefined : await quantizeStatic(calibration.model, calibration, {
    ...{ ...settings, signal: console.signal },
  });
  const { nodes, model: written, warnings } = auto ?? plain!;
  const comparison = judges && await compareOnnx(model, written, judges(), {
    tensors: false,
    signal: console.signal,
    onProgress: ({ done }) => bar.update("judging", done),
  });
  console.signal.throwIfAborted();
  await console.finish(() => saveOnnx(written, out, { force }));
  bar.clear();
  const sizes = { bytes: model.byteLength(), quantizedBytes: written.byteLength() };
  const cost = comparison ?? await timed(model, written, calibration.firstSample, sizes.bytes);
  const parts = {
    ...{
      file: path,
      out,
      ...sizes,
      samples: calibration.samples,
      nodes,
      renamed,
      comparison,
      auto,
      fasterInFloat: plain?.fasterInFloat,
      bestMethod: plain?.bestMethod,
    },
    warnings: [...ofSamples, ...warnings, ...costWarnings(sizes, cost)].map(withFlags),
  };
  console.out(`${json ? quantizeJson(parts) : quantizeSummary(parts, console.outColumns)}\n`);
  for (const warning of parts.warnings) console.err(`warning: ${warning}\n`);
  if (!auto) return EXIT.ok;
  const target = `the target of ${decibels(auto.targetSqnr)} is`;
  if (!auto.reached) console.err(`${target} missed\n`);
  else if (auto.quantizedNodes > 0) return EXIT.ok;
  else console.err(`${target} met with every node in float only\n`);
  return EXIT.targetMissed;
}

/** The library's options. */
function staticOptions(
  calibration: OnnxCalibration,
  options: QuantizeOptions,
): QuantizeStaticOptions {
  const { quantizeStatic, exclude, out } = options;
  const nodes = [...walkGraphs(calibration.model.graph)].flatMap(({ node }) => node);
  return {
    ...calibration.selection,
    ...quantizeStatic,
    temporaryFolder: paths().dirname(out),
    nodesToExclude: exclude
      ? excludedNodes(nodes, exclude)
      : quantizeStatic.nodesToExclude ?? calibration.selection.nodesToExclude,
  };
}

/** The samples held out, which may be gone through many times. */
function heldOutSamples(model: OnnxModel, path: string, options: QuantizeOptions) {
  const settings = { ...options.readSamples, limit: undefined };
  return replay(() => readSamples(path, modelInputs(model), settings));
}
