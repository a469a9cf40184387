/**
 * What a calibration is of: model, preparation, method, options and version.
 *
 * @module
 */
import { piecesOf } from "../../files/file_bytes.ts";
import { hex, sha256 } from "../../files/sha256.ts";
import { VERSION } from "../../files/version.ts";
import { printable } from "../../numbers/printable.ts";
import { AffineQuantizedObserverBase } from "../../quantization/observers/observer.ts";
import type { OnnxModel } from "../file/model.ts";
import { OnnxError } from "../file/onnx_error.ts";
import { type CalibrationOptions, observedBy } from "./method.ts";
import { CALIBRATION_METHODS } from "./method_names.ts";
import { STATISTIC_KINDS } from "../../quantization/statistics/statistic.ts";

/** What a calibration is of, in texts that are equal if and only if it may be merged. */
export interface Origin {
  /** The version of this library. */
  readonly library: string;
  /** The digest of the float model's bytes, in hexadecimal digits. */
  readonly model: string;
  /** Preparation, method and options, as JSON. */
  readonly settings: string;
}

/** What stands before the name of a class of observers in place of a method's name. */
const OBSERVER = "observer ";

/** Options that decide what is seen, in an order of their own. */
export function settingsOf(options: CalibrationOptions): string {
  const { percentile, averagingConstant } = options;
  const method = observedBy(options.calibrationMethod);
  const list = (names?: readonly string[]) => names && [...new Set(names)].sort();
  return JSON.stringify({
    prepare: options.prepare ?? true,
    method: method instanceof AffineQuantizedObserverBase
      ? OBSERVER + method.constructor.name
      : method,
    percentile: method === "percentile" ? percentile : undefined,
    averagingConstant: method === "movingAverage" ? averagingConstant : undefined,
    opTypesToQuantize: list(options.opTypesToQuantize),
    nodesToQuantize: list(options.nodesToQuantize),
    nodesToExclude: list(options.nodesToExclude?.length ? options.nodesToExclude : undefined),
    learn: list(options.learn?.length ? options.learn : undefined),
    learnFrom: list(options.learnFrom),
  });
}

/** Settings take some hundred bytes; names of nodes may be many. */
const MAX_SETTINGS = 1 << 20;

/**
 * The options that settings stand for.
 *
 * @throws {OnnxError} if they are none, or of an observer that is not known by name.
 */
export function optionsOf(where: string, settings: string): CalibrationOptions {
  const fail = (why: string): never => {
    throw new OnnxError(`${where}: ${why}`);
  };
  const damaged = "the settings of the calibration are none; it is damaged";
  if (settings.length > MAX_SETTINGS) fail(damaged);
  let told = new Map<string, unknown>();
  try {
    told = new Map(Object.entries(JSON.parse(settings)));
  } catch {
    fail(damaged);
  }
  const { method, ...rest } = Object.fromEntries(told);
  const isNames = (value: unknown) =>
    Array.isArray(value) && value.every((name) => typeof name === "string");
  const isNumber = (value: unknown) => typeof value === "number" && Number.isFinite(value);
  const checks = new Map<string, (value: unknown) => boolean>([
    ["prepare", (value) => typeof value === "boolean"],
    ["percentile", isNumber],
    ["averagingConstant", isNumber],
    ["opTypesToQuantize", isNames],
    ["nodesToQuantize", isNames],
    ["nodesToExclude", isNames],
    [
      "learn",
      (value) =>
        isNames(value) && (value as never[]).every((kind) => STATISTIC_KINDS.includes(kind)),
    ],
    ["learnFrom", isNames],
  ]);
  if (typeof method === "string" && method.startsWith(OBSERVER)) {
    fail(
      `the calibration was made with ${
        printable(method.slice(0, 80))
      }, which is not known by name; open one ` +
        `with it, and load and merge there`,
    );
  }
  const known = Object.entries(rest).every(([name, value]) => checks.get(name)?.(value));
  if (!known || !CALIBRATION_METHODS.includes(method as never)) fail(damaged);
  return { calibrationMethod: method, ...rest } as CalibrationOptions;
}

/** What a calibration of a model is of. */
export async function originOf(model: OnnxModel, settings: string): Promise<Origin> {
  return { library: VERSION, model: hex(await sha256(piecesOf(model.parts()))), settings };
}

/** The ways in which two settings differ, in words. */
function difference(a: string, b: string): string {
  const parse = (text: string) => {
    try {
      return new Map<string, unknown>(Object.entries(JSON.parse(text)));
    } catch {
      return new Map<string, unknown>();
    }
  };
  const [x, y] = [parse(a), parse(b)];
  const shown = (value: unknown) => printable((JSON.stringify(value) ?? "not told").slice(0, 60));
  for (const key of new Set([...x.keys(), ...y.keys()])) {
    const [there, here] = [x.get(key), y.get(key)].map(shown);
    if (there === here) continue;
    return key === "method"
      ? `the observer is that of ${there} there and of ${here} here`
      : `${printable(key.slice(0, 40))} is ${there} there and ${here} here`;
  }
  return "they are written in another way";
}

/** @throws {OnnxError} if two calibrations are of different things; `where` opens the message. */
export function checkOrigin(where: string, there: Origin, here: Origin): void {
  const fail = (why: string): never => {
    throw new OnnxError(`${where} ${why}`);
  };
  if (there.library !== here.library) {
    const version = printable(there.library.slice(0, 40));
    fail(
      `was made by version ${version} of this library, and not by ${here.library}; make it anew`,
    );
  }
  if (there.model !== here.model) {
    fail(
      `is of another model: of one with the digest ${printable(there.model.slice(0, 12))}…, not ${
        here.model.slice(0, 12)
      }…`,
    );
  }
  if (there.settings !== here.settings) {
    fail(`was made with other options: ${difference(there.settings, here.settings)}`);
  }
}
