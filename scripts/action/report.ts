/**
 * What the GitHub Action says of a comparison: a table on the run's page, outputs for later steps, and an annotation
 * where it fails.
 *
 * Run: `report.ts JSON CODE`, what `compare --json` printed, and the code that it ended with.
 *
 * @module
 */
import { decibels, formatBytes, percent } from "../../lib/plot/format.ts";
import { EXIT } from "../../lib/cli/cli_error.ts";

/** What `compare --json` prints, as far as it is told here; an infinite SQNR is null. */
interface Compared {
  readonly error?: string;
  readonly float: { readonly bytes: number; readonly medianMs: number };
  readonly quantized: { readonly file: string; readonly bytes: number; readonly medianMs: number };
  readonly samples: number;
  readonly sqnr: number | null;
  readonly outputs: readonly { readonly name: string; readonly sqnr: number | null }[];
}

/** What is written where. */
export interface Report {
  /** For the page of the run, as Markdown. */
  readonly summary: string;
  /** For later steps, a line each. */
  readonly outputs: string;
  /** For the log; a workflow command where the step fails. */
  readonly log: string;
}

/** A text in a workflow command or in a table. */
const command = (text: string) =>
  text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");

/** What is said of a comparison that ended with a code. */
export function reportOf(compared: Compared, code: number): Report {
  if (compared.error !== undefined) {
    return {
      summary: `**The models were not compared:** ${compared.error}\n`,
      outputs: "",
      log: `::error::${command(compared.error)}`,
    };
  }
  const { float, quantized, samples, outputs } = compared;
  const [sqnr, share] = [compared.sqnr ?? Infinity, quantized.bytes / float.bytes];
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(" | ")} |\n`;
  const missed = code === EXIT.targetMissed;
  const verdict = `${decibels(sqnr)} on ${samples} samples` +
    (missed ? ", below the floor" : "");
  const summary = `### Quantized model: ${verdict}\n\n` +
    line(["", "float", "quantized"]) + line(["---", "---", "---"]) +
    line(["size", formatBytes(float.bytes), `${formatBytes(quantized.bytes)}, ${percent(share)}`]) +
    line(["a sample", `${float.medianMs.toFixed(2)} ms`, `${quantized.medianMs.toFixed(2)} ms`]) +
    outputs.map(({ name, sqnr }) => line([`SQNR of ${name}`, "", decibels(sqnr ?? Infinity)])).join(
      "",
    );
  return {
    summary,
    outputs: `sqnr=${sqnr}\nshare=${share}\n`,
    log: missed ? `::error::${command(`${quantized.file}: ${verdict}`)}` : verdict,
  };
}

if (import.meta.main) {
  const [path, code] = Deno.args;
  const report = reportOf(JSON.parse(await Deno.readTextFile(path)), Number(code));
  for (
    const [name, text] of [
      ["GITHUB_STEP_SUMMARY", report.summary],
      ["GITHUB_OUTPUT", report.outputs],
    ]
  ) {
    const file = Deno.env.get(name);
    if (file) await Deno.writeTextFile(file, text, { append: true });
  }
  console.log(report.log);
}
