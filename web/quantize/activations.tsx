/**
 * The activations one by one: what was seen of each, and the range it got.
 *
 * @module
 */
import { useState } from "preact/hooks";
import type { QuantizedActivation } from "../../lib/onnx/qdq/quantize_graph.ts";
import { useTexts } from "../texts/texts.ts";
import { ChoiceField } from "../widgets/fields.tsx";
import { FigureView } from "../widgets/figure.tsx";
import type { SeenValues } from "../worker/protocol.ts";

/** The part of the page that shows activations. */
export function Activations({ seen, activations }: {
  readonly seen: readonly SeenValues[];
  readonly activations: readonly QuantizedActivation[];
}) {
  const texts = useTexts().results;
  const [chosen, setChosen] = useState(0);
  const at = Math.min(chosen, activations.length - 1);
  const activation = activations[at];
  if (!activation) return null;
  const values = seen.find(({ name }) => name === activation.name);
  const { type, scale, zeroPoint } = activation;
  return (
    <section class="card wide" aria-labelledby="activations-title" data-testid="activations">
      <h2 id="activations-title">{texts.activations}</h2>
      <p class="muted">{texts.activationsIntro}</p>
      <div class="chooser">
        <ChoiceField
          label={texts.activation}
          value={String(at)}
          onValue={(value) => setChosen(Number(value))}
          choices={activations.map(({ name }, i) => [String(i), name])}
        />
        <p class="buttons">
          <button type="button" disabled={at === 0} onClick={() => setChosen(at - 1)}>
            {texts.previous}
          </button>
          <button
            type="button"
            disabled={at === activations.length - 1}
            onClick={() => setChosen(at + 1)}
          >
            {texts.next}
          </button>
          <span class="muted">{texts.position(at + 1, activations.length)}</span>
        </p>
      </div>
      {values
        ? (
          <FigureView
            deps={[activation, values]}
            widest={1100}
            draw={async (width) => {
              const { plotDistribution, dtypes } = await import("../plots.ts");
              const dtype = dtypes[type];
              return await plotDistribution(values, { scale, zeroPoint, dtype, width });
            }}
          />
        )
        : <p>{texts.neverSeen}</p>}
    </section>
  );
}
