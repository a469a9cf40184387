/**
 * What went wrong, and what to do.
 *
 * @module
 */
import { formatBytes } from "../../lib/plot/format.ts";
import { type Texts, useTexts } from "../texts/texts.ts";
import { MOST_MODEL_BYTES } from "../worker/limits.ts";

/** What the library calls options in its messages, and what the page's fields for them are called. */
function labels({ samples, options }: Texts): ReadonlyMap<string, string> {
  return new Map([
    ["activationSymmetric", options.symmetric],
    ["activationType", options.activationType],
    ["calibrationMethod", options.method],
    ["nodesToExclude", options.exclude],
    ["opTypesToQuantize", options.opTypes],
    ["perChannel", options.perChannel],
    ["reduceRange", options.reduceRange],
    ["weightType", options.weightType],
    ["`image.channels`", samples.channels],
    ["`image.layout`", samples.layout],
    ["`image.mean`", samples.mean],
    ["`image.size`", samples.size],
    ["`image.std`", samples.std],
    ["`names`", samples.names],
    ["`split: false`", samples.split],
  ]);
}

/** A message of the library's with the page's fields in place of the library's options. */
export function withLabels(message: string, texts: Texts): string {
  const known = labels(texts);
  return message
    // Which function noticed is nothing to a reader of the page.
    .replace(/^[a-z]+(?:[A-Z][a-z]*)+: /, "")
    .replace(/`[^`]*`|\b[a-z]+[A-Z]\w*/g, (word) => {
      const label = known.get(word);
      return label ? texts.quoted(label) : word;
    });
}

/** An error in words. The library's own are sentences already. */
export function inWords(error: Error, texts: Texts): string {
  const { name, message } = error;
  const { errors } = texts;
  if (name === "TooLarge") {
    return errors.tooLarge(formatBytes(Number(message)), formatBytes(MOST_MODEL_BYTES));
  }
  if (name === "WorkerGone") return errors.gone;
  if (name === "ExampleMissing") return errors.example;
  if (name === "NoShare") return errors.noShare;
  if (name === "DeviceLostError") return errors.deviceLost;
  // How engines say that there is no room for an array, and onnxruntime that WebAssembly has none.
  if (/array buffer allocation|out of memory|bad_alloc|failed to allocate/i.test(message)) {
    return errors.memory;
  }
  return withLabels(message, texts);
}

/** What went wrong, told at once. */
export function Problem({ error, where }: { readonly error: Error; readonly where?: string }) {
  const texts = useTexts();
  return (
    <div class="problem" role="alert">
      <strong>{texts.errors.title}</strong>
      <p>{where ? `${where}: ` : ""}{inWords(error, texts)}</p>
    </div>
  );
}
