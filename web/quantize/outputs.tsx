/**
 * The outputs of both models.
 *
 * @module
 */
import { useState } from "preact/hooks";
import { decibels, percent } from "../../lib/plot/format.ts";
import { useTexts } from "../texts/texts.ts";
import { DataTable } from "../widgets/data_table.tsx";
import { ChoiceField } from "../widgets/fields.tsx";
import { FigureView } from "../widgets/figure.tsx";
import type { CompareOutcome } from "../worker/protocol.ts";

/** The part of the page that shows outputs. */
export function Outputs({ compared: { comparison, outputs } }: {
  readonly compared: CompareOutcome;
}) {
  const texts = useTexts().results;
  const [chosen, setChosen] = useState("");
  const pair = outputs.find(({ name }) => name === chosen) ?? outputs[0];
  const judged = comparison.outputs.find(({ name }) => name === pair?.name);
  const each = judged?.sqnrPerSample.filter(Number.isFinite).toSorted((a, b) => a - b) ?? [];
  return (
    <section class="card wide" aria-labelledby="outputs-title" data-testid="outputs">
      <h2 id="outputs-title">{texts.outputs}</h2>
      <p class="muted">{texts.outputsIntro}</p>
      {outputs.length > 1 && (
        <ChoiceField
          label={texts.outputName}
          value={pair.name}
          onValue={setChosen}
          choices={outputs.map(({ name }) => [name, name])}
        />
      )}
      <div class="pair">
        {pair && (
          <FigureView
            deps={[pair, texts]}
            widest={520}
            draw={async (width) => {
              const { plotComparison } = await import("../plots.ts");
              return await plotComparison(pair.float, pair.quantized, { width });
            }}
          />
        )}
        {each.length > 1 && (
          <div>
            <h3>{texts.samples}</h3>
            <FigureView
              deps={[judged, texts]}
              widest={560}
              draw={async (width) => {
                const { plotLines } = await import("../plots.ts");
                return await plotLines({ SQNR: each }, { yLabel: "dB", width, height: 280 });
              }}
            />
          </div>
        )}
      </div>
      <DataTable
        caption={texts.outputs}
        rows={comparison.outputs}
        columns={[
          { head: texts.outputName, cell: ({ name }) => <code>{name}</code> },
          { head: "SQNR", cell: ({ sqnr }) => decibels(sqnr), number: true },
          { head: texts.cards.top1, cell: ({ top1 }) => percent(top1), number: true },
        ]}
      />
    </section>
  );
}
