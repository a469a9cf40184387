/**
 * The models that are there at once.
 *
 * @module
 */
import type { Form } from "./form.ts";

/** A model with samples, in files beside the page. */
export interface Example {
  readonly key: "digits" | "direction";
  readonly model: string;
  readonly samples: readonly string[];
  /** Samples that the model is not calibrated on. */
  readonly heldOut: readonly string[];
  readonly settings: Partial<Form>;
}

const images = (name: string, count: number) =>
  Array.from({ length: count }, (_, i) => `${name}-${String(i + 1).padStart(2, "0")}.png`);

/** Those of this page; `scripts/web/examples.ts` writes their files. */
export const EXAMPLES: readonly Example[] = [
  {
    key: "digits",
    model: "digits.onnx",
    samples: ["digits.npy"],
    heldOut: ["digits-held-out.npy"],
    settings: {},
  },
  {
    key: "direction",
    model: "direction.onnx",
    samples: images("line", 32),
    heldOut: images("other-line", 16),
    settings: { method: "mse", size: "48x192", mean: "0.5", std: "0.5" },
  },
];

/** Thrown where this page's server lacks a file of it. */
class ExampleMissing extends Error {
  override readonly name: string = "ExampleMissing";
}

async function fetchFile(name: string): Promise<File> {
  const response = await fetch(new URL(`examples/${name}`, document.baseURI)).catch(() =>
    undefined
  );
  if (!response?.ok) throw new ExampleMissing(name);
  return new File([await response.blob()], name);
}

/** Fetches the files of an example. */
export async function fetchExample({ model, samples, heldOut, settings }: Example) {
  const fetchAll = (names: readonly string[]) => Promise.all(names.map(fetchFile));
  const [[file], ...sets] = await Promise.all([[model], samples, heldOut].map(fetchAll));
  return { model: file, samples: sets[0], heldOut: sets[1], settings };
}
