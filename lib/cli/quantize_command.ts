/**
 * The command `quantize`.
 *
 * @module
 */
import { type Command, Option } from "./commander.ts";
import { CALIBRATION_METHODS } from "../onnx/calibration/method_names.ts";
import { QUANTIZE_TARGETS } from "../onnx/qdq/targets.ts";
import type { Console } from "./console.ts";
import { addDataOptions } from "./data_options.ts";
import { QUANTIZE_HELP } from "./help.ts";
import type { QuantizeFlags } from "./options.ts";
import { addRuntimeOption } from "./runtime_option.ts";
import { collectNames, parseMethod, parseNumber, parsePercentile } from "./parse.ts";

/** Adds the command; `exit` is told if the target is missed. */
export function addQuantizeCommand(
  program: Command,
  console: Console,
  exit: (code: number) => void,
): void {
  const command = program.command("quantize")
    .summary("make a model small and fast, with ranges from samples")
    .description(
      "Calibrates a float model on samples and writes a quantized one, whose integers any onnxruntime runs.",
    )
    .argument("<model>", "an ONNX file")
    .requiredOption("--out <path>", "where the quantized model goes")
    .option("--force", "replace --out if it exists");
  command.optionsGroup("Quantization:")
    .addOption(
      new Option(
        "--target <name>",
        "who runs the file: onnxruntime, or onnxruntime-web in browsers",
      )
        .choices(QUANTIZE_TARGETS).default("onnxruntime"),
    )
    .addOption(
      new Option("--method <name>", "how ranges are chosen; see below")
        .choices(CALIBRATION_METHODS).argParser(parseMethod).default("minmax"),
    )
    .option(
      "--percentile <p>",
      "percentage of values that --method percentile keeps",
      parsePercentile,
    )
    .addOption(
      new Option("--activation-type <type>", "integers of activations").choices(["uint8", "int8"])
        .default("uint8"),
    )
    .addOption(
      new Option("--weight-type <type>", "integers of weights")
        .choices(["int8", "uint8", "int4", "uint4"]).default("int8"),
    )
    .option("--per-channel", "a scale for each output channel of a weight (the default)")
    .option("--no-per-channel", "one scale for each weight")
    .option("--symmetric", "zero points of activations in the middle of the range")
    .option("--reduce-range", "weights of 7 bits, for x64 processors without VNNI")
    .option("--op-types <op,…>", "quantize these operators only", collectNames)
    .option(
      "--exclude <name,…>",
      "leave these nodes float: names as they are after preparing, with * and ?, or operators",
      collectNames,
    );
  command.optionsGroup("Accuracy:")
    .option("--held-out <path>", "samples to judge with, read like --data")
    .option(
      "--target-sqnr <dB>",
      "leave out the fewest nodes so that the outputs reach this SQNR on the samples held out",
      parseNumber,
    );
  command.optionsGroup("Calibration:")
    .option(
      "--state <path>",
      "resume a calibration on the same --data from this file if it exists, and save it there",
    )
    .option("--json", "print the summary as JSON");
  addRuntimeOption(command);
  addDataOptions(command, "samples to calibrate with");
  command
    .addHelpText("after", QUANTIZE_HELP)
    .action(async (model: string, options: QuantizeFlags) => {
      const { quantize } = await import("./quantize.ts");
      exit(await quantize(model, options, console));
    });
}
