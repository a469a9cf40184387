/**
 * The options that say how samples are read.
 *
 * @module
 */
import type { OptionSpec } from "./command_spec.ts";
import {
  choice,
  COUNT,
  DIVISORS,
  NAMES_BY_NAME,
  NUMBERS,
  PATH,
  PIXEL,
  POSITIVE,
  SIZE,
  SWITCH,
} from "./option_kinds.ts";

/** How samples are read. */
const SAMPLES: readonly OptionSpec[] = [
  {
    at: "readSamples.limit",
    flags: "--samples <n>",
    text: "read so many samples at most",
    kind: COUNT,
  },
  {
    at: "readSamples.patience",
    flags: "--patience <s>",
    text: "seconds that a server may take to answer before it is asked again (30 by default)",
    kind: POSITIVE,
  },
  {
    at: "readSamples.names",
    flags: "--input <name[=array]>",
    text:
      "the model's input that the only array of a file is for, or the array it takes; may be repeated",
    kind: NAMES_BY_NAME,
  },
  {
    at: "readSamples.split",
    flags: "--no-split",
    text: "a file of arrays is one sample, as it is",
    kind: SWITCH,
    default: true,
  },
];

/** How images are read. */
const IMAGES: readonly OptionSpec[] = [
  {
    at: "readSamples.image.size",
    flags: "--size <HxW>",
    text:
      "height and width, as 48x320, 224 or 48xauto, which keeps the aspect (the model's by default)",
    kind: SIZE,
  },
  {
    at: "readSamples.image.resize",
    flags: "--resize <how>",
    text: "for another aspect: deform, fill up at the right and the bottom, fill up on both " +
      "sides, or cut off (stretch by default)",
    kind: choice(["stretch", "pad", "letterbox", "crop"]),
  },
  {
    at: "readSamples.image.padValue",
    flags: "--pad-value <n>",
    text: "pixel that fills up, 0 to 255 (0 by default)",
    kind: PIXEL,
  },
  {
    at: "readSamples.image.multipleOf",
    flags: "--multiple-of <n>",
    text: "round sides that are auto to a multiple of n",
    kind: COUNT,
  },
  {
    at: "readSamples.image.layout",
    flags: "--layout <order>",
    text: "(as the model's shape has it by default)",
    kind: choice(["nchw", "nhwc"]),
  },
  {
    at: "readSamples.image.channels",
    flags: "--channels <order>",
    text: "(by the model's shape rgb or gray by default)",
    kind: choice(["rgb", "bgr", "gray"]),
  },
  {
    at: "readSamples.image.scale",
    flags: "--scale <x>",
    text: "multiply pixels by x (1/255 by default)",
    kind: POSITIVE,
  },
  {
    at: "readSamples.image.mean",
    flags: "--mean <x,…>",
    text: "then take this away, one number or one a channel (0)",
    kind: NUMBERS,
  },
  {
    at: "readSamples.image.std",
    flags: "--std <x,…>",
    text: "then divide by this (1)",
    kind: DIVISORS,
  },
];

/** The options of a command that reads samples, which are `what`, or that can do without. */
export function dataOptions(
  what: string,
  need: "required" | "optional" = "required",
): OptionSpec[] {
  const data: OptionSpec = {
    at: "data",
    flags: "--data <path>",
    text: `${what}: a file, a folder of files of one kind, a URL, or - for a list`,
    kind: PATH,
    ...need === "required" ? { required: true } : {},
  };
  return [
    ...[data, ...SAMPLES].map((option) => ({ ...option, group: "Samples" })),
    ...IMAGES.map((option) => ({ ...option, group: "Images" })),
  ];
}
