/**
 * The pictures of the notebook.
 *
 * @module
 */
import { useTexts } from "../texts/texts.ts";
import { FigureView } from "../widgets/figure.tsx";
import type { TutorialNumbers, TutorialOutcome } from "../worker/protocol.ts";

interface Props {
  readonly outcome: TutorialOutcome;
  readonly dtype: TutorialNumbers["dtype"];
}

const plots = () => import("../plots.ts");

/** What both observers saw. */
export function InputFigures({ outcome: { activations }, dtype }: Props) {
  const texts = useTexts().tutorial;
  return (
    <div class="pair">
      {activations.map((activation) => (
        <FigureView
          key={activation.layer}
          deps={[activation, texts]}
          draw={async (width) => {
            const { plotDistribution, dtypes } = await plots();
            const { values, scale, zeroPoint, layer } = activation;
            const options = { scale, zeroPoint, dtype: dtypes[dtype], width };
            return await plotDistribution(values, { title: texts.inputOf(layer), ...options });
          }}
        />
      ))}
    </div>
  );
}

/** Rows of a matrix. */
function rows(values: Float32Array, columns: number): Float32Array[] {
  const count = values.length / columns;
  return Array.from({ length: count }, (_, i) => values.subarray(i * columns, (i + 1) * columns));
}

/** The weight, its integers, and the difference. */
export function WeightFigures({ outcome: { weight }, dtype }: Props) {
  const texts = useTexts().tutorial;
  const { columns, float, integers, lost } = weight;
  const pictures = [
    [texts.weightFloat, float],
    [texts.weightIntegers(dtype), integers],
    [texts.difference, lost],
  ] as const;
  return (
    <div class="triple">
      {pictures.map(([title, values], i) => (
        <FigureView
          key={i}
          deps={[values, texts]}
          widest={380}
          draw={async (width) => {
            const { plotHeatmap } = await plots();
            const labels = { columnLabel: texts.inputAxis, rowLabel: texts.channelAxis };
            return await plotHeatmap(rows(values, columns), { title, ...labels, width });
          }}
        />
      ))}
    </div>
  );
}

/** The output of both models. */
export function OutputFigure({ outcome: { output }, dtype }: Props) {
  const texts = useTexts().tutorial;
  return (
    <FigureView
      deps={[output, texts]}
      widest={520}
      draw={async (width) => {
        const { plotComparison } = await plots();
        const options = { title: texts.outputTitle, quantizedLabel: dtype, width };
        return await plotComparison(output.float, output.quantized, options);
      }}
    />
  );
}

/** Bytes of the models. */
export function BytesFigure({ outcome: { bytes }, dtype }: Props) {
  const texts = useTexts().tutorial;
  return (
    <FigureView
      deps={[bytes, texts]}
      draw={async (width) => {
        const { plotBars } = await plots();
        const values = {
          float32: bytes.float32,
          bfloat16: bytes.bfloat16,
          [dtype]: bytes.quantized,
        };
        return await plotBars(values, { title: texts.bytesTitle, label: texts.bytesAxis, width });
      }}
    />
  );
}
