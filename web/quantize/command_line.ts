/**
 * The line that has the command line do what the page does.
 *
 * @module
 */
import { DEFAULTS, type Form } from "./form.ts";

/** A word as shells take it. */
function quoted(word: string): string {
  return /^[\w./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** Flags with a value, by the fields that they stand for. */
const VALUES: readonly (readonly [field: keyof Form, flag: string])[] = [
  ["target", "--target"],
  ["method", "--method"],
  ["activationType", "--activation-type"],
  ["weightType", "--weight-type"],
  ["opTypes", "--op-types"],
  ["limit", "--samples"],
  ["size", "--size"],
  ["resize", "--resize"],
  ["padValue", "--pad-value"],
  ["multipleOf", "--multiple-of"],
  ["layout", "--layout"],
  ["channels", "--channels"],
  ["scale", "--scale"],
  ["mean", "--mean"],
  ["std", "--std"],
];

/** Flags that say that a field is not as it is by default. */
const SWITCHES: readonly (readonly [field: keyof Form, flag: string])[] = [
  ["perChannel", "--no-per-channel"],
  ["symmetric", "--symmetric"],
  ["reduceRange", "--reduce-range"],
  ["split", "--no-split"],
];

/** Files as they are called. */
type Named = readonly { readonly name: string }[];

/** Where samples are: their file, or a folder if they are several. */
const placeOf = (samples: Named, folder: string) => samples.length === 1 ? samples[0].name : folder;

/**
 * What is asked for on the command line.
 *
 * @param samples those of the calibration: their file, or the folder `samples`.
 * @param heldOut those that a target is met on, likewise, in the folder `held-out`; a share of the others is there too.
 */
export function commandLine(
  model: string,
  out: string,
  samples: Named,
  heldOut: Named,
  form: Form,
): string {
  const compact = (text: string) => text.split(",").map((part) => part.trim()).join(",");
  const given = VALUES.filter(([field]) => form[field] !== DEFAULTS[field] && form[field] !== "");
  const words = [
    ...["staticquant", "quantize", model],
    ...["--data", placeOf(samples, "samples")],
    ...["--out", out],
    ...given.flatMap(([field, flag]) => [flag, compact(String(form[field]))]),
    ...(form.method === "percentile" && form.percentile ? ["--percentile", form.percentile] : []),
    ...SWITCHES.filter(([field]) => form[field] !== DEFAULTS[field]).map(([, flag]) => flag),
    ...(form.exclude.trim() ? ["--exclude", compact(form.exclude)] : []),
    ...Object.entries(form.names).filter(([, array]) => array.trim())
      .flatMap(([input, array]) => ["--input", `${input}=${array.trim()}`]),
    ...(form.targetSqnr.trim()
      ? ["--held-out", placeOf(heldOut, "held-out"), "--target-sqnr", form.targetSqnr.trim()]
      : []),
    ...["--runtime", "wasm"],
  ];
  return words.map(quoted).join(" ");
}
