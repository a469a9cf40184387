/**
 * `RESULTS.md`: a section for each adapter.
 *
 * @module
 */
import type { Table } from "../mod.ts";

const WIDTH = 100;
/** What stays on one line: words, and code with all its blanks. */
const WORD = /(?:[^\s`]*`[^`]*`)+\S*|\S+/g;

/** A table in Markdown; columns of numbers are aligned to the right. */
export function markdownTable({ columns, cells }: Table): string {
  const numeric = columns.map((_, j) =>
    cells.every((row) => /^(|[\d.,]+( .{1,3})?)$/.test(row[j]))
  );
  const lengths = columns.map((name, j) =>
    Math.max(3, ...[name, ...cells.map((row) => row[j])].map((text) => [...text].length))
  );
  const line = (texts: readonly string[]) =>
    `| ${
      texts.map((text, j) => {
        const space = " ".repeat(lengths[j] - [...text].length);
        return numeric[j] ? space + text : text + space;
      }).join(" | ")
    } |`;
  const rule = lengths.map((length, j) =>
    numeric[j] ? `${"-".repeat(length - 1)}:` : "-".repeat(length)
  );
  return [line(columns), `| ${rule.join(" | ")} |`, ...cells.map(line)].join("\n");
}

/** A paragraph or a list item in lines of at most 100 characters. */
export function wrapped(text: string, indent = ""): string {
  const lines: string[] = [];
  for (const [word] of text.matchAll(WORD)) {
    const last = lines.at(-1);
    if (last !== undefined && `${last} ${word}`.length <= WIDTH) {
      lines[lines.length - 1] += ` ${word}`;
    } else lines.push(last === undefined ? word : indent + word);
  }
  return lines.join("\n");
}

/** What the numbers of all sections are. */
const HEAD = [
  "# Results",
  wrapped(
    "One linear layer, `y = x·Wᵀ` with `x` of (M, K) and `W` of (N, K), and three whole models: this " +
      "project's beside everyone else's, on one machine and in one run, a section for each adapter. " +
      "`deno task bench` measures anew and replaces the section of the adapter that it ran on.",
  ),
  list([
    "This project, on WebGPU: `Linear` in float32 and float16, and `QuantizedLinear`, static uint8, " +
    'under the name int8. "Compiled" is `compile(model)`, "autotuned" the same with ' +
    '`mode: "max-autotune"`; "to ORT" is `backend: "onnxruntime"`, on the CPU.',
    "Peers: jax-js (jitted) and TensorFlow.js (TF.js) multiply float32 on the same adapter. " +
    "onnxruntime (ORT), PyTorch and torchao run on the CPU. QDQ is the file that `exportOnnx` writes " +
    "of the quantized layer, in a session with default options. torchao's static quantization " +
    'multiplies floats, unless int8 inputs leave out −128 ("±127"): only then does it multiply ' +
    "integers.",
    "All take turns, round after round, each with input and output where it computes. Times are wall times a run, medians over the rounds, with " +
    "quartiles. Time on the device is the time in compute passes, by timestamps, in rounds of their " +
    "own.",
    "Shares are of what small kernels reach on the adapter: reading a buffer as large as the weight, " +
    "and multiplying in registers. A product of one row is bound by the first, one of many rows by " +
    "the second.",
  ]),
].join("\n\n");

/** A list of paragraphs. */
export function list(items: readonly string[]): string {
  return items.map((item) => wrapped(`- ${item}`, "  ")).join("\n");
}

/** The document with one adapter's section put in, in place of what it had. */
export function withSection(document: string, name: string, section: string): string {
  const sections = document.split(/^(?=## )/m).filter((part) => part.startsWith("## "));
  const own = `## ${name}\n\n${section}`;
  const at = sections.findIndex((part) => part.startsWith(`## ${name}\n`));
  if (at < 0) sections.push(own);
  else sections[at] = own;
  return [HEAD, ...sections].map((part) => part.trim()).join("\n\n") + "\n";
}
