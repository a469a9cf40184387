/**
 * Choosing samples, and how they are read.
 *
 * @module
 */
import { IMAGE_ENDINGS } from "../../lib/data/image_options.ts";
import { formatBytes } from "../../lib/plot/format.ts";
import { type Texts, useTexts } from "../texts/texts.ts";
import { DropZone } from "../widgets/drop_zone.tsx";
import { CheckField, ChoiceField, TextField } from "../widgets/fields.tsx";
import type { Form } from "./form.ts";
import type { Quantization } from "./use_quantization.ts";

const ENDINGS = [...IMAGE_ENDINGS, ".npy", ".npz", ".safetensors", ".jsonl", ".ndjson"];

/** Fewer samples than this may miss what matters. */
const FEW = 16;

/** What a field of the form is called. */
export function fieldLabel(field: keyof Form, { samples, options }: Texts): string {
  const labels: Partial<Record<keyof Form, string>> = {
    ...{ limit: samples.limit, size: samples.size, padValue: samples.padValue },
    ...{ multipleOf: samples.multipleOf, scale: samples.scale, mean: samples.mean },
    ...{ std: samples.std, percentile: options.percentile, targetSqnr: options.targetSqnr },
  };
  return labels[field] ?? field;
}

function isImage({ name }: File): boolean {
  return IMAGE_ENDINGS.some((ending) => name.toLowerCase().endsWith(ending));
}

/** The second step. */
export function SamplesStep({ state }: { readonly state: Quantization }) {
  const texts = useTexts().samples;
  const { samples, heldOut, setSamples, setHeldOut } = state;
  return (
    <section class="card" aria-labelledby="samples-title">
      <h2 id="samples-title">
        <span class="number">2</span> {texts.title}
      </h2>
      <p class="muted">{texts.intro}</p>
      <Files label={texts.drop} files={samples} onFiles={setSamples} testId="sample-files" />
      {samples.length > 0 && samples.length < FEW && isImage(samples[0]) && (
        <p class="note">{texts.few(samples.length)}</p>
      )}
      <details>
        <summary>{texts.heldOut}</summary>
        <p class="muted">{texts.heldOutIntro}</p>
        <Files label={texts.drop} files={heldOut} onFiles={setHeldOut} testId="held-out-files" />
      </details>
      <details>
        <summary>{texts.reading}</summary>
        <ArrayFields state={state} />
        <ImageFields state={state} />
      </details>
    </section>
  );
}

function Files({ label, files, onFiles, testId }: {
  readonly label: string;
  readonly files: readonly File[];
  readonly onFiles: (files: readonly File[]) => void;
  readonly testId: string;
}) {
  const texts = useTexts().samples;
  const size = files.reduce((sum, { size }) => sum + size, 0);
  return (
    <>
      <DropZone
        label={label}
        accept={ENDINGS.join(",")}
        multiple
        testId={testId}
        onFiles={onFiles}
      />
      {files.length > 0 && (
        <p class="chosen-files" role="status">
          <span>
            {files.length === 1 ? `${files[0].name} · ` : ""}
            {texts.chosen(files.length, formatBytes(size))}
          </span>
          <button type="button" class="small" onClick={() => onFiles([])}>{texts.clear}</button>
        </p>
      )}
    </>
  );
}

/** Sets fields of the form. */
function useFields({ form, setForm }: Quantization) {
  return {
    form,
    set: (change: Partial<Form>) => setForm({ ...form, ...change }),
    text: (field: keyof Form) => ({
      value: String(form[field]),
      onValue: (value: string) => setForm({ ...form, [field]: value }),
    }),
  };
}

function ArrayFields({ state }: { readonly state: Quantization }) {
  const texts = useTexts().samples;
  const { form, set, text } = useFields(state);
  const inputs = state.model?.inspection?.inputs ?? [];
  return (
    <div class="fields">
      <TextField label={texts.limit} placeholder={texts.all} {...text("limit")} />
      {inputs.map(({ name }) => (
        <TextField
          key={name}
          label={texts.namesHint(name)}
          placeholder={name}
          value={form.names[name] ?? ""}
          onValue={(array) => set({ names: { ...form.names, [name]: array } })}
        />
      ))}
      <CheckField label={texts.split} value={form.split} onValue={(split) => set({ split })} />
    </div>
  );
}

function ImageFields({ state }: { readonly state: Quantization }) {
  const texts = useTexts().samples;
  const { form, set, text } = useFields(state);
  const { resizeChoices: resize } = texts;
  return (
    <fieldset>
      <legend>{texts.image}</legend>
      <div class="fields">
        <TextField label={texts.size} hint={texts.sizeHint} {...text("size")} />
        <ChoiceField
          label={texts.resize}
          value={form.resize}
          onValue={(resize) => set({ resize })}
          choices={[
            ["stretch", resize.stretch],
            ["pad", resize.pad],
            ["letterbox", resize.letterbox],
            ["crop", resize.crop],
          ]}
        />
        <ChoiceField
          label={texts.layout}
          value={form.layout}
          onValue={(layout) => set({ layout })}
          choices={[["", texts.byModel], ["nchw", "NCHW"], ["nhwc", "NHWC"]]}
        />
        <ChoiceField
          label={texts.channels}
          value={form.channels}
          onValue={(channels) => set({ channels })}
          choices={[["", texts.byModel], ["rgb", "RGB"], ["bgr", "BGR"], ["gray", "gray"]]}
        />
        <TextField label={texts.scale} placeholder="1/255" {...text("scale")} />
        <TextField label={texts.mean} hint={texts.listHint} placeholder="0" {...text("mean")} />
        <TextField label={texts.std} hint={texts.listHint} placeholder="1" {...text("std")} />
        <TextField label={texts.padValue} placeholder="0" {...text("padValue")} />
        <TextField label={texts.multipleOf} placeholder="1" {...text("multipleOf")} />
      </div>
    </fieldset>
  );
}
