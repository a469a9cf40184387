/**
 * What a run gave: the cost, where it comes from, and the files to take along.
 *
 * @module
 */
import { median } from "../../lib/onnx/accuracy/comparison.ts";
import { decibels, formatBytes, percent } from "../../lib/plot/format.ts";
import { type Texts, useTexts } from "../texts/texts.ts";
import { CopyButton } from "../widgets/copy_button.tsx";
import { DataTable } from "../widgets/data_table.tsx";
import { withLabels } from "../widgets/problem.tsx";
import { download } from "../widgets/download.ts";
import type { Comparison, TargetOutcome } from "../worker/protocol.ts";
import { Activations } from "./activations.tsx";
import { commandLine } from "./command_line.ts";
import { Hurt } from "./hurt.tsx";
import { Noise } from "./noise.tsx";
import { Outputs } from "./outputs.tsx";
import type { Quantization, ResultState } from "./use_quantization.ts";

/** The name of the quantized file. */
const quantizedName = (model: string) => `${model.replace(/\.onnx$/i, "")}.int8.onnx`;

/** All of it. */
export function Results({ state, result }: {
  readonly state: Quantization;
  readonly result: ResultState;
}) {
  const texts = useTexts();
  const words = texts.results;
  const { model, data, outcome, compared, seen } = result;
  const report = async () => {
    const { htmlReport } = await import("../plots.ts");
    const page = await htmlReport({
      ...{ float: model, quantized: quantizedName(model), data },
      result: compared!.comparison,
    });
    download(`${model.replace(/\.onnx$/i, "")}.report.html`, "text/html", page);
  };
  return (
    <>
      <section class="card wide" aria-labelledby="result-title" data-testid="result">
        <h2 id="result-title">{words.title}</h2>
        <Cards result={result} />
        <p class="buttons">
          <button
            type="button"
            class="primary"
            onClick={() => download(quantizedName(model), "application/octet-stream", outcome.file)}
          >
            {words.download}
          </button>
          <button type="button" disabled={!compared} onClick={report}>{words.report}</button>
        </p>
        {outcome.target && (
          <Target
            target={outcome.target}
            quantized={outcome.nodes.filter(({ quantized }) => quantized).length}
          />
        )}
        {outcome.warnings.length > 0 && (
          <div class="note">
            <strong>{words.warnings}</strong>
            <ul>
              {outcome.warnings.map((warning) => (
                <li key={warning}>{withLabels(warning, texts)}</li>
              ))}
            </ul>
          </div>
        )}
        <CommandLine result={result} />
        {compared && (
          <p class="muted small">
            {words.judges[outcome.judges]} {words.latencyNote}
          </p>
        )}
      </section>
      {seen && <Activations seen={seen} activations={outcome.activations} />}
      {compared && <Noise comparison={compared.comparison} />}
      {compared && <Outputs compared={compared} />}
      {compared && <Hurt state={state} ranking={result.ranking} />}
      <LeftInFloat result={result} />
    </>
  );
}

/** Whether the target is met, and by what. */
function Target({ target: { asked, reached, leftOut }, quantized }: {
  readonly target: TargetOutcome;
  readonly quantized: number;
}) {
  const words = useTexts().results;
  const [wish, found] = [asked, reached].map((sqnr) => together(decibels(sqnr)));
  const met = reached >= asked;
  return (
    <p class="note" data-testid="target">
      {!met && words.targetMissed(wish, found)}
      {met && quantized === 0 && words.targetOnlyFloat(wish)}
      {met && quantized > 0 && words.targetMet(wish, found, leftOut)}
    </p>
  );
}

/** What to type for the same file. */
function CommandLine({ result }: { readonly result: ResultState }) {
  const words = useTexts().results;
  const { model, samples, heldOut, form, outcome } = result;
  const line = commandLine(model, quantizedName(model), samples, heldOut, form);
  const folders = [
    ...samples.length > 1 ? [words.samplesFolder] : [],
    ...outcome.target && heldOut.length > 1 ? [words.heldOutFolder] : [],
    ...outcome.target && heldOut.length === 0 ? [words.shareFolder] : [],
  ];
  return (
    <details data-testid="command-line">
      <summary>{words.commandLine}</summary>
      <pre class="output command" tabIndex={0} aria-label={words.commandLine}>{line}</pre>
      <p class="buttons">
        <CopyButton text={line} />
      </p>
      <p class="muted small">{[...folders, words.sameBytes, words.uninstalled].join(" ")}</p>
    </details>
  );
}

interface Card {
  readonly name: string;
  readonly value: string;
  readonly note: string;
}

function Cards({ result: { outcome, compared } }: { readonly result: ResultState }) {
  const texts = useTexts();
  const { cards } = texts.results;
  const { file, floatBytes, nodes, samples } = outcome;
  const quantized = nodes.filter(({ quantized }) => quantized).length;
  const list: readonly Card[] = [
    ...compared ? accuracyCards(compared.comparison, texts) : [],
    {
      name: cards.size,
      value: formatBytes(file.length),
      note: cards.sizeMeaning(percent(file.length / floatBytes), formatBytes(floatBytes)),
    },
    ...compared ? [latencyCard(compared.comparison, texts)] : [],
    {
      name: cards.nodes,
      value: `${quantized} / ${nodes.length}`,
      note: cards.nodesMeaning(samples),
    },
  ];
  return (
    <ul class="cards">
      {list.map(({ name, value, note }) => (
        <li key={name}>
          <span>{name}</span>
          <b>{together(value)}</b>
          <small>{together(note)}</small>
        </li>
      ))}
    </ul>
  );
}

/** Keeps numbers and their units in one line. */
const together = (text: string) => text.replace(/(\d) (?=%|ms|dB|[KMG]?i?B\b)/g, "$1\u00a0");

function accuracyCards({ outputs }: Comparison, { results: { cards } }: Texts): Card[] {
  const worst = outputs.reduce((a, b) => b.sqnr < a.sqnr ? b : a);
  const top1 = outputs.flatMap(({ top1 }) => top1 ?? []);
  const meaning = worst.sqnr === Infinity
    ? cards.same
    : cards.sqnrMeaning(`${(100 * 10 ** (-worst.sqnr / 20)).toPrecision(2)} %`);
  return [
    {
      name: cards.sqnr,
      value: decibels(worst.sqnr),
      note: outputs.length > 1 ? cards.worstOf(worst.name, outputs.length) : meaning,
    },
    ...top1.length > 0
      ? [{ name: cards.top1, value: percent(Math.min(...top1)), note: cards.top1Meaning }]
      : [],
  ];
}

/** Milliseconds with three digits. */
const milliseconds = (ms: number) => `${ms >= 100 ? Math.round(ms) : ms.toPrecision(3)} ms`;

function latencyCard({ float, quantized }: Comparison, { results: { cards } }: Texts): Card {
  const [before, after] = [median(float.latency), median(quantized.latency)];
  const note = after <= before
    ? cards.faster((before / after).toFixed(2), milliseconds(before))
    : cards.slower((after / before).toFixed(2), milliseconds(before));
  return { name: cards.latency, value: milliseconds(after), note };
}

function LeftInFloat({ result: { outcome } }: { readonly result: ResultState }) {
  const texts = useTexts();
  const left = outcome.nodes.filter(({ quantized }) => !quantized);
  if (left.length === 0) return null;
  return (
    <section class="card wide" aria-labelledby="left-title">
      <h2 id="left-title">{texts.results.left}</h2>
      <p class="muted">{texts.results.leftIntro}</p>
      <DataTable
        caption={texts.results.left}
        rows={left}
        columns={[
          { head: texts.results.node, cell: ({ name }) => <code>{name}</code> },
          { head: texts.model.operator, cell: ({ opType }) => opType },
          { head: texts.results.reason, cell: ({ reason }) => reason ?? "" },
        ]}
      />
    </section>
  );
}
