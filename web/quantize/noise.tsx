/**
 * The tensors along the way through the model, and how noisy each is.
 *
 * @module
 */
import { decibels } from "../../lib/plot/format.ts";
import { useTexts } from "../texts/texts.ts";
import { DataTable } from "../widgets/data_table.tsx";
import { FigureView } from "../widgets/figure.tsx";
import type { Comparison } from "../worker/protocol.ts";

/** How many of the noisiest are listed. */
const NOISIEST = 12;
/** So many have a bar each. */
const FEW = 8;

/** The part of the page that shows where noise comes from. */
export function Noise({ comparison: { tensors } }: { readonly comparison: Comparison }) {
  const texts = useTexts().results;
  if (tensors.length === 0) return null;
  const noisiest = tensors.toSorted((a, b) => a.sqnr - b.sqnr).slice(0, NOISIEST);
  return (
    <section class="card wide" aria-labelledby="noise-title">
      <h2 id="noise-title">{texts.noise}</h2>
      <p class="muted">{texts.noiseIntro} {tensors.length > FEW && texts.noiseDots}</p>
      <FigureView
        deps={[tensors]}
        widest={1100}
        draw={async (width) => {
          const { plotBars, plotTensors } = await import("../plots.ts");
          if (tensors.length > FEW) return await plotTensors(tensors, width);
          const finite = tensors.filter(({ sqnr }) => Number.isFinite(sqnr));
          if (finite.length === 0) return null;
          const bars = Object.fromEntries(finite.map(({ name, sqnr }) => [name, sqnr]));
          return await plotBars(bars, { label: "SQNR, dB", format: decibels, width });
        }}
      />
      <h3>{texts.noisiest}</h3>
      <DataTable
        caption={texts.noisiest}
        rows={noisiest}
        columns={[
          { head: texts.tensor, cell: ({ name }) => <code>{name}</code> },
          { head: texts.madeBy, cell: ({ opType }) => opType },
          { head: texts.keptAs, cell: ({ quantized }) => quantized ? texts.integers : texts.float },
          { head: "SQNR", cell: ({ sqnr }) => decibels(sqnr), number: true },
        ]}
      />
    </section>
  );
}
