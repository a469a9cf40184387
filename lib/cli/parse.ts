/**
 * Values of options.
 *
 * @module
 */
import { nearest } from "../numbers/arguments.ts";
import { printable } from "../numbers/printable.ts";
import { InvalidArgumentError } from "./commander.ts";
import type { ImageSide } from "../data/image_options.ts";
import { CALIBRATION_METHODS, type CalibrationMethod } from "../onnx/calibration/method_names.ts";

function invalid(message: string): never {
  throw new InvalidArgumentError(message);
}

/** A finite number. */
export function parseNumber(text: string): number {
  const value = text.trim() === "" ? NaN : Number(text);
  return Number.isFinite(value) ? value : invalid("Give a number.");
}

/** A number above zero. */
export function parsePositive(text: string): number {
  const value = parseNumber(text);
  return value > 0 ? value : invalid("Give a number above 0.");
}

/** A whole number of at least 1. */
export function parseCount(text: string): number {
  const value = parseNumber(text);
  return Number.isSafeInteger(value) && value >= 1
    ? value
    : invalid("Give a whole number of at least 1.");
}

/** A number of a pixel. */
export function parsePixel(text: string): number {
  const value = parseNumber(text);
  return value >= 0 && value <= 255 ? value : invalid("Give a number from 0 to 255.");
}

/** A percentage that a percentile can be. */
export function parsePercentile(text: string): number {
  const value = parseNumber(text);
  return value > 50 && value <= 100 ? value : invalid("Give a percentage above 50, such as 99.99.");
}

/** Numbers with commas between: `0.485,0.456,0.406`. */
export function parseNumbers(text: string): number[] {
  return text.split(",").map(parseNumber);
}

/** The same, none of them zero. */
export function parseDivisors(text: string): number[] {
  const values = parseNumbers(text);
  return values.includes(0) ? invalid("None of the numbers may be 0.") : values;
}

/** Height and width: `224`, `48x320`, `48xauto`. */
export function parseSize(text: string): [ImageSide, ImageSide] {
  const side = (part: string): ImageSide => part === "auto" ? "auto" : parseCount(part);
  const sides = text.toLowerCase().split("x");
  if (sides.length > 2) invalid("Give HEIGHTxWIDTH, such as 48x320, 48xauto or 224.");
  return [side(sides[0]), side(sides[1] ?? sides[0])];
}

/** A method that chooses ranges, by the library's name or with hyphens: `movingAverage`, `moving-average`. */
export function parseMethod(text: string): CalibrationMethod {
  const letters = (name: string) => name.replaceAll("-", "").toLowerCase();
  return CALIBRATION_METHODS.find((method) => letters(method) === letters(text)) ??
    invalid(`Allowed choices are ${CALIBRATION_METHODS.join(", ")}.`);
}

/** Names with commas between, added to those that were given before. */
export function collectNames(text: string, before: string[] = []): string[] {
  const names = text.split(",").map((name) => name.trim()).filter(Boolean);
  return names.length ? [...before, ...names] : invalid("Give a name.");
}

/** `NAME` or `NAME=ARRAY`, added to those that were given before. */
export function collectInputs(
  text: string,
  before: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const at = text.lastIndexOf("=");
  const [name, array] = at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
  return name ? { ...before, [name]: array } : invalid("Give NAME or NAME=ARRAY.");
}

/** One of some numbers. */
export function parseOneOf(text: string, numbers: readonly number[]): number {
  const value = parseNumber(text);
  return numbers.includes(value) ? value : invalid(`Give one of ${numbers.join(", ")}.`);
}

/** `all`, or some of these names with commas between. */
export function parseNamesOf(text: string, known: readonly string[]): "all" | string[] {
  const names = collectNames(text);
  if (names.length === 1 && names[0] === "all") return "all";
  const unknown = names.find((name) => !known.includes(name));
  if (unknown === undefined) return names;
  const like = nearest(unknown, known);
  const meant = like === undefined ? "" : ` Did you mean ${like}?`;
  return invalid(
    `${printable(unknown)} is none.${meant} Give all, or some of ${known.join(", ")}.`,
  );
}
