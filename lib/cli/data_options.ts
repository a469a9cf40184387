/**
 * The options that say how samples are read.
 *
 * @module
 */
import { type Command, Option } from "./commander.ts";
import type { ImageOptions, ImageSide } from "../data/image_options.ts";
import type { ReadSamplesOptions } from "../data/read_samples.ts";
import {
  collectInputs,
  parseCount,
  parseDivisors,
  parseNumbers,
  parsePixel,
  parsePositive,
  parseSize,
} from "./parse.ts";

/** The options as commander gives them. */
export interface DataFlags {
  data: string;
  samples?: number;
  input?: Record<string, string>;
  split: boolean;
  size?: [ImageSide, ImageSide];
  resize?: ImageOptions["resize"];
  padValue?: number;
  multipleOf?: number;
  layout?: ImageOptions["layout"];
  channels?: ImageOptions["channels"];
  scale?: number;
  mean?: number[];
  std?: number[];
}

/** Adds the options to a command. */
export function addDataOptions(command: Command, what: string): Command {
  return command
    .optionsGroup("Samples:")
    .requiredOption("--data <path>", `${what}: a file or a folder of files of one kind`)
    .option("--samples <n>", "read so many samples at most", parseCount)
    .option(
      "--input <name[=array]>",
      "the model's input that the only array of a file is for, or the array it takes; may be repeated",
      collectInputs,
    )
    .option("--no-split", "a file of arrays is one sample, as it is")
    .optionsGroup("Images:")
    .option(
      "--size <HxW>",
      "height and width, as 48x320, 224 or 48xauto, which keeps the aspect (the model's by default)",
      parseSize,
    )
    .addOption(
      new Option(
        "--resize <how>",
        "for another aspect: deform, fill up at the right and the " +
          "bottom, fill up on both sides, or cut off (stretch by default)",
      )
        .choices(["stretch", "pad", "letterbox", "crop"]),
    )
    .option("--pad-value <n>", "pixel that fills up, 0 to 255 (0 by default)", parsePixel)
    .option("--multiple-of <n>", "round sides that are auto to a multiple of n", parseCount)
    .addOption(
      new Option("--layout <order>", "(as the model's shape has it by default)")
        .choices(["nchw", "nhwc"]),
    )
    .addOption(
      new Option("--channels <order>", "(by the model's shape rgb or gray by default)")
        .choices(["rgb", "bgr", "gray"]),
    )
    .option("--scale <x>", "multiply pixels by x (1/255 by default)", parsePositive)
    .option("--mean <x,…>", "then take this away, one number or one a channel (0)", parseNumbers)
    .option("--std <x,…>", "then divide by this (1)", parseDivisors);
}

/** What {@linkcode readSamples} takes of them. */
export function readOptions(options: DataFlags): ReadSamplesOptions {
  const { size, resize, padValue, multipleOf, layout, channels, scale, mean, std } = options;
  return {
    image: { size, resize, padValue, multipleOf, layout, channels, scale, mean, std },
    names: options.input,
    split: options.split,
    limit: options.samples,
  };
}
