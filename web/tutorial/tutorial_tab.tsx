/**
 * The second tab: the tutorial on WebGPU.
 *
 * @module
 */
import { useEffect, useState } from "preact/hooks";
import { decibels, formatNumber } from "../../lib/plot/format.ts";
import { useTexts } from "../texts/texts.ts";
import { DataTable } from "../widgets/data_table.tsx";
import { Problem } from "../widgets/problem.tsx";
import { WorkerClient } from "../worker/client.ts";
import type { TutorialNumbers, TutorialOutcome } from "../worker/protocol.ts";
import { Program } from "./program.tsx";
import { BytesFigure, InputFigures, OutputFigure, WeightFigures } from "./figures.tsx";

/** Those of the notebook. */
const NUMBERS: TutorialNumbers = {
  ...{ inFeatures: 64, hidden: 64, outFeatures: 32, batch: 32, batches: 10, seed: 0 },
  ...{ dtype: "uint8", mapping: "ASYMMETRIC", weights: "PerAxis" },
};

const worker = new WorkerClient();

/** The tab; what it shows is computed when it is first looked at. */
export function TutorialTab({ shown }: { readonly shown: boolean }) {
  const texts = useTexts().tutorial;
  const [numbers, setNumbers] = useState(NUMBERS);
  const [running, setRunning] = useState(false);
  const [outcome, setOutcome] = useState<{ of: TutorialNumbers; is: TutorialOutcome }>();
  const [error, setError] = useState<Error>();
  const run = async () => {
    setRunning(true);
    setError(undefined);
    try {
      setOutcome({ of: numbers, is: await worker.call("tutorial", numbers) });
    } catch (error) {
      setError(error as Error);
    } finally {
      setRunning(false);
    }
  };
  useEffect(() => {
    if (shown && !outcome && !running && !error) void run();
  }, [shown]);
  return (
    <div class="steps">
      <section class="card wide" aria-labelledby="tutorial-title">
        <h1 id="tutorial-title">{texts.title}</h1>
        <p class="muted">{texts.intro}</p>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void run();
          }}
        >
          <Program numbers={numbers} onNumbers={setNumbers} />
          <p class="buttons">
            <button type="submit" class="primary" disabled={running}>{texts.run}</button>
            <span role="status">{running ? texts.running : ""}</span>
          </p>
        </form>
        {error && <Problem error={error} />}
        {outcome && (
          <p class={outcome.is.device === "webgpu" ? "muted" : "note"} data-testid="device">
            {outcome.is.device === "webgpu" ? texts.onWebGpu(outcome.is.adapter) : texts.noWebGpu}
          </p>
        )}
      </section>
      {outcome && <Outcome numbers={outcome.of} outcome={outcome.is} />}
    </div>
  );
}

function Outcome({ numbers, outcome }: {
  readonly numbers: TutorialNumbers;
  readonly outcome: TutorialOutcome;
}) {
  const texts = useTexts().tutorial;
  const { dtype } = numbers;
  return (
    <>
      <section class="card wide" aria-labelledby="observed-title" data-testid="tutorial-result">
        <h2 id="observed-title">{texts.observed}</h2>
        <p class="muted">{texts.observedText}</p>
        <InputFigures outcome={outcome} dtype={dtype} />
      </section>
      <section class="card wide" aria-labelledby="weight-title">
        <h2 id="weight-title">{texts.weight}</h2>
        <p class="muted">{texts.weightText}</p>
        <WeightFigures outcome={outcome} dtype={dtype} />
      </section>
      <section class="card" aria-labelledby="output-title">
        <h2 id="output-title">{texts.output}</h2>
        <p class="muted">{texts.outputText}</p>
        <OutputFigure outcome={outcome} dtype={dtype} />
      </section>
      <section class="card" aria-labelledby="bytes-title">
        <h2 id="bytes-title">{texts.bytes}</h2>
        <p class="muted">{texts.bytesText}</p>
        <BytesFigure outcome={outcome} dtype={dtype} />
        <h3>{texts.ways}</h3>
        <DataTable
          caption={texts.ways}
          rows={outcome.ways}
          columns={[
            { head: texts.way, cell: ({ config }) => <code>{config}</code> },
            { head: texts.sqnr, cell: ({ sqnr }) => decibels(sqnr), number: true },
            { head: texts.bytesAxis, cell: ({ bytes }) => formatNumber(bytes), number: true },
          ]}
        />
        <h3>{texts.model}</h3>
        <pre class="output" tabIndex={0} aria-label={texts.model}>
          {outcome.ways.find(({ config }) => config === "StaticQuantConfig")?.text}
        </pre>
      </section>
    </>
  );
}
