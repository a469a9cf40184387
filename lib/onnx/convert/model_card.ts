/**
 * A piece for a model's README that tells of its forms.
 *
 * @module
 */
import { decibels, formatBytes } from "../../plot/format.ts";
import type { ConvertOnnxResult } from "./convert_onnx.ts";
import { CONVERT_DTYPES } from "./dtypes.ts";

/** What is known of the model beside its files. */
export interface CardFacts {
  /** What it is called where it will be loaded, such as `me/my-model`. */
  readonly name: string;
}

const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");

/** How each form is loaded. */
function loading(dtype: string, model: string): string {
  if (dtype === "fp32") return '`dtype: "fp32"`';
  if (dtype !== "static") return `\`dtype: "${dtype}"\``;
  return `\`model_file_name: "${model}_static", dtype: "fp32"\``;
}

/**
 * Markdown: a table of the forms with sizes, SQNR and times, and how one is loaded.
 *
 * @example
 * ```ts ignore
 * import { convertOnnx, modelCard } from "@staticquant/staticquant";
 * console.log(modelCard(await convertOnnx("my-model"), { name: "me/my-model" }));
 * ```
 */
export function modelCard(result: ConvertOnnxResult, { name }: CardFacts): string {
  const made = result.files.filter(({ files }) => files.length > 0);
  const float = (of: string) => made.find(({ model, dtype }) => model === of && dtype === "fp32");
  const head = ["form", "file", "size", "SQNR", "time", "load with"];
  const rows = made.map(({ model, dtype, files: [file], bytes, sqnr, ms }) => {
    const whole = float(model);
    const what = dtype === "fp32" ? "floats of 32 bits" : CONVERT_DTYPES.get(dtype)!.what;
    return [
      `${dtype}: ${what}`,
      `\`${file}\``,
      formatBytes(bytes),
      dtype === "fp32" || sqnr === undefined ? "" : decibels(sqnr),
      ms === undefined || !whole?.ms ? "" : `${Math.round(100 * ms / whole.ms)} %`,
      loading(dtype, model),
    ];
  });
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(" | ")} |`;
  const dtype = made.find(({ dtype }) => dtype === "q8")?.dtype ?? made.at(-1)!.dtype;
  const inputs = result.madeUp ? "made-up inputs" : "sample inputs";
  return `## Forms

${[line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n")}

SQNR is signal to quantization noise of the outputs beside the float model's on ${inputs}; time is that of a
run on a CPU beside the float model's, on the machine that made the files.

\`\`\`js
import { AutoModel } from "@huggingface/transformers";
const model = await AutoModel.from_pretrained(${JSON.stringify(name)}, { ${
    loading(dtype, made[0].model).replaceAll("`", "")
  } });
\`\`\`
`;
}
