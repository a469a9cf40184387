/**
 * Fields of forms, each with its label.
 *
 * @module
 */
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

/** A label above a field, and a hint below it. */
function Field({ label, hint, children }: {
  readonly label: string;
  readonly hint?: string;
  readonly children: (
    ids: { id: string; "aria-describedby": string | undefined },
  ) => ComponentChildren;
}) {
  const id = useId();
  const hintId = `${id}-hint`;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({ id, "aria-describedby": hint ? hintId : undefined })}
      {hint && <small id={hintId}>{hint}</small>}
    </div>
  );
}

/** A line of text. */
export function TextField({ label, hint, value, onValue, placeholder }: {
  readonly label: string;
  readonly hint?: string;
  readonly value: string;
  readonly onValue: (value: string) => void;
  readonly placeholder?: string;
}) {
  return (
    <Field label={label} hint={hint}>
      {(ids) => (
        <input
          {...ids}
          type="text"
          value={value}
          placeholder={placeholder}
          spellcheck={false}
          onInput={({ currentTarget }) => onValue(currentTarget.value)}
        />
      )}
    </Field>
  );
}

/** A choice of few. */
export function ChoiceField<T extends string>({ label, hint, value, choices, onValue }: {
  readonly label: string;
  readonly hint?: string;
  readonly value: T;
  readonly choices: readonly (readonly [value: T, name: string])[];
  readonly onValue: (value: T) => void;
}) {
  return (
    <Field label={label} hint={hint}>
      {(ids) => (
        <select
          {...ids}
          value={value}
          onChange={({ currentTarget }) =>
            onValue(choices.find(([choice]) => choice === currentTarget.value)![0])}
        >
          {choices.map(([choice, name]) => <option key={choice} value={choice}>{name}</option>)}
        </select>
      )}
    </Field>
  );
}

/** Yes or no. */
export function CheckField({ label, value, onValue }: {
  readonly label: string;
  readonly value: boolean;
  readonly onValue: (value: boolean) => void;
}) {
  return (
    <label class="check">
      <input
        type="checkbox"
        checked={value}
        onChange={({ currentTarget }) => onValue(currentTarget.checked)}
      />
      <span>{label}</span>
    </label>
  );
}
