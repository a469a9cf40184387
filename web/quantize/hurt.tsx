/**
 * The nodes that hurt: each quantized alone.
 *
 * @module
 */
import { decibels } from "../../lib/plot/format.ts";
import { useTexts } from "../texts/texts.ts";
import { DataTable } from "../widgets/data_table.tsx";
import { FigureView } from "../widgets/figure.tsx";
import type { RankOutcome } from "../worker/protocol.ts";
import type { Quantization } from "./use_quantization.ts";

/** How many nodes are drawn and listed. */
const SHOWN = 16;
/** How many a click leaves in float. */
const LEFT_OUT = 4;

/** The part of the page that ranks nodes. */
export function Hurt({ state, ranking }: {
  readonly state: Quantization;
  readonly ranking?: RankOutcome;
}) {
  const texts = useTexts().results;
  const { run, rank, form, setForm } = state;
  const leaveOut = () => {
    const names = ranking!.nodes.slice(0, LEFT_OUT).map(({ node }) => node);
    const before = form.exclude.split(",").map((name) => name.trim()).filter(Boolean);
    setForm({ ...form, exclude: [...new Set([...before, ...names])].join(", ") });
    document.getElementById("run-title")?.scrollIntoView({ behavior: "smooth" });
  };
  return (
    <section class="card wide" aria-labelledby="hurt-title" data-testid="hurt">
      <h2 id="hurt-title">{texts.hurt}</h2>
      <p class="muted">{texts.hurtIntro}</p>
      {!ranking && (
        <p class="buttons">
          <button type="button" disabled={!!run} onClick={rank}>{texts.rank}</button>
        </p>
      )}
      {ranking && <Ranking ranking={ranking} />}
      {ranking && ranking.nodes.length > LEFT_OUT && (
        <p class="buttons">
          <button type="button" onClick={leaveOut}>{texts.leaveOut(LEFT_OUT)}</button>
        </p>
      )}
    </section>
  );
}

function Ranking({ ranking: { nodes } }: { readonly ranking: RankOutcome }) {
  const texts = useTexts().results;
  const worst = nodes.slice(0, SHOWN);
  return (
    <>
      <FigureView
        deps={[nodes, texts]}
        draw={async (width) => {
          const { plotBars } = await import("../plots.ts");
          const finite = worst.filter(({ sqnr }) => Number.isFinite(sqnr));
          if (finite.length === 0) return null;
          const bars = Object.fromEntries(finite.map(({ node, sqnr }) => [shorten(node), sqnr]));
          return await plotBars(bars, { label: `${texts.alone}, dB`, format: decibels, width });
        }}
      />
      <DataTable
        caption={texts.hurt}
        rows={worst}
        columns={[
          { head: texts.node, cell: ({ node }) => <code>{node}</code> },
          { head: texts.madeBy, cell: ({ opType }) => opType },
          {
            head: texts.alone,
            cell: ({ sqnr, estimated }) =>
              estimated ? <span title={texts.estimated}>≈ {decibels(sqnr)}</span> : decibels(sqnr),
            number: true,
          },
        ]}
      />
    </>
  );
}

/** The end of a long name, which tells nodes apart. */
function shorten(name: string): string {
  const characters = [...name];
  return characters.length > 28 ? `…${characters.slice(-27).join("")}` : name;
}
