/**
 * The tutorial's program, with fields where its numbers stand.
 *
 * @module
 */
import { type ComponentChildren, Fragment } from "preact";
import { useTexts } from "../texts/texts.ts";
import type { TutorialNumbers } from "../worker/protocol.ts";

/** The most that a number may be: a page that answers at once. */
const MOST = {
  ...{ inFeatures: 1024, hidden: 1024, outFeatures: 1024, batch: 1024, batches: 100 },
  seed: 2 ** 31 - 1,
};
type NumberKey = keyof typeof MOST;

const CHOICES = {
  dtype: ["uint8", "int8"],
  mapping: ["ASYMMETRIC", "SYMMETRIC"],
  weights: ["PerAxis", "PerTensor"],
} as const;
type ChoiceKey = keyof typeof CHOICES;

/** How choices are written in the program. */
const WRITTEN = { PerAxis: "new PerAxis(0)", PerTensor: "new PerTensor()" };

/** The program. */
export function Program({ numbers, onNumbers }: {
  readonly numbers: TutorialNumbers;
  readonly onNumbers: (numbers: TutorialNumbers) => void;
}) {
  const texts = useTexts().tutorial;
  const number = (key: NumberKey) => (
    <input
      type="number"
      required
      min={key === "seed" ? 0 : 1}
      max={MOST[key]}
      value={numbers[key]}
      style={{ inlineSize: `${Math.max(String(numbers[key]).length, 2) + 3}ch` }}
      aria-label={texts.numbers[key]}
      onInput={({ currentTarget }) =>
        onNumbers({ ...numbers, [key]: currentTarget.valueAsNumber || 0 })}
    />
  );
  const choice = (key: ChoiceKey) => (
    <select
      value={numbers[key]}
      aria-label={texts.numbers[key]}
      onChange={({ currentTarget }) => onNumbers({ ...numbers, [key]: currentTarget.value })}
    >
      {CHOICES[key].map((value) => (
        <option key={value} value={value}>
          {key === "weights" ? WRITTEN[value as "PerAxis"] : value}
        </option>
      ))}
    </select>
  );
  const lines: readonly ComponentChildren[][] = [
    ["manualSeed(", number("seed"), ");"],
    [
      ...["const model = new ToyLinearModel(", number("inFeatures"), ", ", number("hidden"), ", "],
      ...[number("outFeatures"), ").to(bfloat16);"],
    ],
    [],
    ["const observer = (granularity) =>"],
    [
      ...["  new AffineQuantizedMinMaxObserver(MappingType.", choice("mapping"), ", "],
      ...[choice("dtype"), ", { granularity });"],
    ],
    ["insertObservers_(model, observer(new PerTensor()), observer(", choice("weights"), "));"],
    [],
    ["for (let i = 0; i < ", number("batches"), "; i++) {"],
    [
      ...["  model.forward(randn([", number("batch"), `, ${numbers.inFeatures}], `],
      "{ dtype: bfloat16 }));",
    ],
    ["}"],
    [`await quantize_(model, new StaticQuantConfig(${numbers.dtype}), isObservedLinear);`],
  ];
  return (
    <div class="program" role="group" aria-label={texts.code}>
      {lines.map((parts, i) => (
        <div key={i} class="line">
          {parts.map((part, j) => <Fragment key={j}>{part}</Fragment>)}
        </div>
      ))}
    </div>
  );
}
