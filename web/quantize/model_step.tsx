/**
 * Choosing a model, and what is in it.
 *
 * @module
 */
import type { TensorInfo } from "../../lib/data/sample.ts";
import { showDims } from "../../lib/data/sample.ts";
import type { InspectedOperator, OnnxInspection } from "../../lib/onnx/inspect/inspect_onnx.ts";
import { formatBytes, formatNumber } from "../../lib/plot/format.ts";
import { useTexts } from "../texts/texts.ts";
import { DataTable } from "../widgets/data_table.tsx";
import { DropZone } from "../widgets/drop_zone.tsx";
import { Problem } from "../widgets/problem.tsx";
import type { ModelFiles } from "../worker/protocol.ts";
import { EXAMPLES } from "./examples.ts";
import type { Quantization } from "./use_quantization.ts";

/** The first step. */
export function ModelStep({ state: { model, run, openModel, openExample } }: {
  readonly state: Quantization;
}) {
  const texts = useTexts().model;
  const busy = model && !model.inspection && !model.error;
  return (
    <section class="card" aria-labelledby="model-title">
      <h2 id="model-title">
        <span class="number">1</span> {texts.title}
      </h2>
      <p class="muted">{texts.intro}</p>
      <DropZone
        label={texts.drop}
        multiple
        testId="model-file"
        onFiles={openModel}
      />
      <p class="muted">{texts.try}</p>
      <ul class="examples">
        {EXAMPLES.map((example) => (
          <li key={example.key}>
            <button type="button" disabled={!!run} onClick={() => openExample(example)}>
              <strong>{texts.examples[example.key].name}</strong>
              <span>{texts.examples[example.key].about}</span>
            </button>
          </li>
        ))}
      </ul>
      {busy && <p role="status">{texts.opening}</p>}
      {model?.error && <Problem error={model.error} where={model.name} />}
      {model?.inspection && model.files && (
        <Inspection files={model.files} found={model.inspection} />
      )}
    </section>
  );
}

/** What is in the model. */
function Inspection({ files: { model, data }, found }: {
  readonly files: ModelFiles;
  readonly found: OnnxInspection;
}) {
  const texts = useTexts().model;
  const { facts } = texts;
  const name = data.length > 0 ? texts.withData(model.name, data.length) : model.name;
  const size = [model, ...data].reduce((sum, { size }) => sum + size, 0);
  const { opset, producer, constants, nodes, operators, problem } = found;
  const sum = (what: "prepared" | "quantizable") =>
    operators.reduce((total, row) => total + row[what], 0);
  const rows: readonly (readonly [string, string])[] = [
    [facts.file, `${name}, ${formatBytes(size)}`],
    [
      facts.opset,
      Object.entries(opset).map(([domain, version]) => `${domain} ${version}`).join(", "),
    ],
    ...producer ? [[facts.producer, producer] as const] : [],
    [
      facts.constants,
      facts.constantsValue(
        formatNumber(constants.elements),
        constants.tensors,
        formatBytes(constants.bytes),
      ),
    ],
    [facts.nodes, formatNumber(nodes)],
    [
      facts.quantizable,
      problem
        ? facts.nothing(problem)
        : facts.quantizableValue(sum("quantizable"), sum("prepared")),
    ],
  ];
  return (
    <div class="inspection" data-testid="inspection">
      <dl>
        {rows.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <Values found={found} />
      <Operators found={found} />
    </div>
  );
}

function Values({ found: { inputs, outputs } }: { readonly found: OnnxInspection }) {
  const texts = useTexts().model;
  const rows = [
    ...inputs.map((info) => ({ kind: texts.input, info })),
    ...outputs.map((info) => ({ kind: texts.output, info })),
  ];
  type Row = { kind: string; info: TensorInfo };
  return (
    <DataTable
      caption={texts.values}
      rows={rows}
      columns={[
        { head: texts.kind, cell: ({ kind }: Row) => kind },
        { head: texts.name, cell: ({ info }: Row) => <code>{info.name}</code> },
        { head: texts.type, cell: ({ info }: Row) => info.dtype },
        {
          head: texts.shape,
          cell: ({ info: { dims } }: Row) => dims ? showDims(dims) : texts.anyShape,
        },
      ]}
    />
  );
}

function Operators({ found: { operators, problem } }: { readonly found: OnnxInspection }) {
  const texts = useTexts().model;
  const verdict = ({ prepared, quantizable }: InspectedOperator) =>
    problem ? "" : prepared === 0 ? texts.folded : `${quantizable} / ${prepared}`;
  return (
    <details>
      <summary>{texts.operators(operators.length)}</summary>
      <DataTable
        caption={texts.operators(operators.length)}
        rows={operators}
        columns={[
          { head: texts.operator, cell: ({ domain, op }) => domain ? `${domain}.${op}` : op },
          { head: texts.facts.nodes, cell: ({ count }) => formatNumber(count), number: true },
          {
            head: texts.parameters,
            cell: ({ parameters }) => parameters ? formatNumber(parameters) : "",
            number: true,
          },
          {
            head: texts.bytes,
            cell: ({ bytes }) => bytes ? formatBytes(bytes) : "",
            number: true,
          },
          { head: texts.of, cell: verdict },
          { head: texts.whyNot, cell: ({ reasons }) => reasons.join("; ") },
        ]}
      />
    </details>
  );
}
