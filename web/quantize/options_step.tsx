/**
 * How ranges are chosen, and what becomes integers.
 *
 * @module
 */
import { CALIBRATION_METHODS } from "../../lib/onnx/calibration/method_names.ts";
import { useTexts } from "../texts/texts.ts";
import { CheckField, ChoiceField, TextField } from "../widgets/fields.tsx";
import { type Form, PAGE_TARGETS } from "./form.ts";
import type { Quantization } from "./use_quantization.ts";

/** The third step. */
export function OptionsStep({ state: { form, setForm } }: { readonly state: Quantization }) {
  const texts = useTexts().options;
  const set = (change: Partial<Form>) => setForm({ ...form, ...change });
  return (
    <section class="card" aria-labelledby="options-title">
      <h2 id="options-title">
        <span class="number">3</span> {texts.title}
      </h2>
      <fieldset class="methods">
        <legend>{texts.method}</legend>
        {CALIBRATION_METHODS.map((method) => (
          <label key={method} class={form.method === method ? "method chosen" : "method"}>
            <input
              type="radio"
              name="method"
              value={method}
              checked={form.method === method}
              onChange={() =>
                set({ method })}
            />
            <span>
              <strong>{texts.methods[method].name}</strong>
              <small>{texts.methods[method].about}</small>
            </span>
          </label>
        ))}
      </fieldset>
      {form.method === "percentile" && (
        <TextField
          label={texts.percentile}
          placeholder="99.999"
          value={form.percentile}
          onValue={(percentile) => set({ percentile })}
        />
      )}
      <div class="fields">
        <ChoiceField
          label={texts.target}
          hint={texts.targets[form.target].about}
          value={form.target}
          onValue={(target) => set({ target })}
          choices={PAGE_TARGETS.map((target) => [target, texts.targets[target].name])}
        />
        <ChoiceField
          label={texts.activationType}
          value={form.activationType}
          onValue={(activationType) => set({ activationType })}
          choices={[["uint8", "uint8"], ["int8", "int8"]]}
        />
        <ChoiceField
          label={texts.weightType}
          value={form.weightType}
          onValue={(weightType) => set({ weightType })}
          choices={[["int8", "int8"], ["uint8", "uint8"], ["int4", "int4"], ["uint4", "uint4"]]}
        />
        <TextField
          label={texts.targetSqnr}
          hint={texts.targetSqnrHint}
          placeholder={texts.anySqnr}
          value={form.targetSqnr}
          onValue={(targetSqnr) => set({ targetSqnr })}
        />
      </div>
      <CheckField
        label={texts.perChannel}
        value={form.perChannel}
        onValue={(perChannel) => set({ perChannel })}
      />
      <details>
        <summary>{texts.more}</summary>
        <CheckField
          label={texts.symmetric}
          value={form.symmetric}
          onValue={(symmetric) => set({ symmetric })}
        />
        <CheckField
          label={texts.reduceRange}
          value={form.reduceRange}
          onValue={(reduceRange) => set({ reduceRange })}
        />
        <div class="fields">
          <TextField
            label={texts.opTypes}
            hint={texts.opTypesHint}
            value={form.opTypes}
            onValue={(opTypes) => set({ opTypes })}
          />
          <TextField
            label={texts.exclude}
            hint={texts.excludeHint}
            value={form.exclude}
            onValue={(exclude) => set({ exclude })}
          />
        </div>
      </details>
    </section>
  );
}
