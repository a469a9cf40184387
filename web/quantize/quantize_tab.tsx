/**
 * The first tab: from a float model to an integer one.
 *
 * @module
 */
import { useTexts } from "../texts/texts.ts";
import { Problem } from "../widgets/problem.tsx";
import { ProgressView } from "../widgets/progress.tsx";
import { WrongField } from "./form.ts";
import { ModelStep } from "./model_step.tsx";
import { OptionsStep } from "./options_step.tsx";
import { Results } from "./results.tsx";
import { fieldLabel, SamplesStep } from "./samples_step.tsx";
import { type Quantization, useQuantization } from "./use_quantization.ts";

/** The tab. */
export function QuantizeTab() {
  const texts = useTexts();
  const state = useQuantization();
  return (
    <div class="steps">
      <h1 class="hidden">{texts.tabs.quantize}</h1>
      <ModelStep state={state} />
      <div class="steps-column">
        <SamplesStep state={state} />
        <OptionsStep state={state} />
        <RunStep state={state} />
      </div>
      {state.result && <Results state={state} result={state.result} />}
    </div>
  );
}

/** Starting, watching and cancelling. */
function RunStep({ state }: { readonly state: Quantization }) {
  const texts = useTexts();
  const { model, samples, run, result, error, cancelled } = state;
  const missing = !model?.inspection
    ? texts.run.needsModel
    : samples.length === 0
    ? texts.run.needsSamples
    : undefined;
  const wrong = error instanceof WrongField ? error.field : undefined;
  return (
    <section class="card run" aria-labelledby="run-title">
      <h2 id="run-title">
        <span class="number">4</span> {texts.run.title}
      </h2>
      <p class="buttons">
        <button
          type="button"
          class="primary"
          disabled={!!missing || !!run}
          onClick={state.quantize}
        >
          {result ? texts.run.again : texts.run.start}
        </button>
        {run && <button type="button" onClick={run.cancel}>{texts.run.cancel}</button>}
        {missing && <span class="muted">{missing}</span>}
      </p>
      {run && <ProgressView progress={run.progress} />}
      {!run && cancelled && <p role="status">{texts.run.cancelled}</p>}
      {!run && wrong && (
        <p class="problem" role="alert">{texts.errors.field(fieldLabel(wrong, texts))}</p>
      )}
      {!run && error && !cancelled && !wrong && <Problem error={error} />}
    </section>
  );
}
