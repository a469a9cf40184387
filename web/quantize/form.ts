/**
 * What is filled in, as text, and the settings that it means.
 *
 * @module
 */
import type { ImageOptions, ImageSide } from "../../lib/data/image_options.ts";
import type { CalibrationMethod } from "../../lib/onnx/calibration/method_names.ts";
import type { QuantizeTarget } from "../../lib/onnx/qdq/targets.ts";
import type { QuantizeSettings, ReadSettings } from "../worker/protocol.ts";

/** The targets whose files the page can run. */
export const PAGE_TARGETS = ["onnxruntime", "web"] as const satisfies readonly QuantizeTarget[];

/** One of those. */
type PageTarget = typeof PAGE_TARGETS[number];

/** What is filled in; an empty text leaves the default. */
export interface Form {
  readonly limit: string;
  readonly split: boolean;
  readonly names: Readonly<Record<string, string>>;
  readonly size: string;
  readonly resize: NonNullable<ImageOptions["resize"]>;
  readonly padValue: string;
  readonly multipleOf: string;
  readonly layout: "" | "nchw" | "nhwc";
  readonly channels: "" | "rgb" | "bgr" | "gray";
  readonly scale: string;
  readonly mean: string;
  readonly std: string;
  readonly target: PageTarget;
  readonly method: CalibrationMethod;
  readonly percentile: string;
  readonly activationType: "uint8" | "int8";
  readonly weightType: "int8" | "uint8" | "int4" | "uint4";
  readonly perChannel: boolean;
  readonly symmetric: boolean;
  readonly reduceRange: boolean;
  readonly opTypes: string;
  readonly exclude: string;
  readonly targetSqnr: string;
}

/** The defaults, which are those of the command line. */
export const DEFAULTS: Form = {
  limit: "",
  split: true,
  names: {},
  size: "",
  resize: "stretch",
  padValue: "",
  multipleOf: "",
  layout: "",
  channels: "",
  scale: "",
  mean: "",
  std: "",
  target: "onnxruntime",
  method: "minmax",
  percentile: "",
  activationType: "uint8",
  weightType: "int8",
  perChannel: true,
  symmetric: false,
  reduceRange: false,
  opTypes: "",
  exclude: "",
  targetSqnr: "",
};

/** Thrown for a field that says nothing sensible. */
export class WrongField extends Error {
  override readonly name: string = "WrongField";

  constructor(readonly field: keyof Form) {
    super(field);
  }
}

/** Reads a field; empty ones are left to the library. */
function read<T>(
  form: Form,
  field: keyof Form,
  parse: (text: string) => T,
  valid: (value: T) => boolean,
): T | undefined {
  const text = String(form[field]).trim();
  if (text === "") return undefined;
  const value = parse(text);
  if (!valid(value)) throw new WrongField(field);
  return value;
}

const isCount = (value: number) => Number.isSafeInteger(value) && value >= 1;
const numbers = (text: string) =>
  text.split(",").map((part) => part.trim() === "" ? NaN : Number(part));
const sides = (text: string): ImageSide[] =>
  text.toLowerCase().split("x").map((part) => part.trim() === "auto" ? "auto" : Number(part));
const names = (text: string) => text.split(",").map((name) => name.trim()).filter(Boolean);

function imageOptions(form: Form): ImageOptions {
  const size = read(
    form,
    "size",
    sides,
    (list) => list.length <= 2 && list.every((side) => side === "auto" || isCount(side)),
  );
  return {
    size: size && [size[0], size[1] ?? size[0]],
    resize: form.resize,
    padValue: read(form, "padValue", Number, (value) => value >= 0 && value <= 255),
    multipleOf: read(form, "multipleOf", Number, isCount),
    layout: form.layout || undefined,
    channels: form.channels || undefined,
    scale: read(form, "scale", Number, (value) => value > 0 && Number.isFinite(value)),
    mean: read(form, "mean", numbers, (list) => list.every(Number.isFinite)),
    std: read(form, "std", numbers, (list) => list.every((x) => Number.isFinite(x) && x !== 0)),
  };
}

/**
 * The settings that a form means.
 *
 * @throws {WrongField} if one of its fields says nothing sensible.
 */
export function settingsOf(form: Form): { read: ReadSettings; settings: QuantizeSettings } {
  const { target, method, activationType, weightType, perChannel, symmetric, reduceRange } = form;
  const given = Object.entries(form.names).filter(([, array]) => array.trim() !== "");
  return {
    read: {
      image: imageOptions(form),
      names: Object.fromEntries(given),
      split: form.split,
      limit: read(form, "limit", Number, isCount),
    },
    settings: {
      ...{ target, method, activationType, weightType, perChannel, symmetric, reduceRange },
      percentile: read(form, "percentile", Number, (p) => p > 50 && p <= 100),
      opTypes: names(form.opTypes),
      exclude: names(form.exclude),
      targetSqnr: read(form, "targetSqnr", Number, Number.isFinite),
    },
  };
}
