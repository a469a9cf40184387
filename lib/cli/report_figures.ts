/**
 * The pictures of a comparison.
 *
 * @module
 */
import { draw } from "../plot/draw.ts";
import { type Figure, frame } from "../plot/figure.ts";
import { ACCENT, FAINT, GROUND, INK, MUTED, SERIES, TEXT_SIZE, textWidth } from "../plot/style.ts";
import type { OnnxTensorComparison } from "../onnx/accuracy/comparison.ts";

const WIDTH = 920;
const OTHER = "others";
/** Where lines of the legend begin. */
const LEGEND_LEFT = 64;

/** The operators with a colour of their own: those that make most tensors. */
function commonOperators(tensors: readonly OnnxTensorComparison[]): string[] {
  const counts = new Map<string, number>();
  for (const { opType } of tensors) counts.set(opType, (counts.get(opType) ?? 0) + 1);
  const sorted = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  const room = SERIES.length - 2;
  return sorted.slice(0, sorted.length > room ? room - 1 : room).map(([op]) => op);
}

/**
 * The SQNR of every tensor, along the way through the model; those kept in integers are filled. Those
 * without a finite one are left out.
 *
 * @param tensors in the order in which they are computed.
 * @param width in pixels.
 */
export async function plotTensors(
  tensors: readonly OnnxTensorComparison[],
  width: number = WIDTH,
): Promise<Figure | null> {
  const operators = commonOperators(tensors);
  const dots = tensors.flatMap(({ opType, sqnr, quantized }, place) => {
    const kind = operators.includes(opType) ? opType : OTHER;
    return Number.isFinite(sqnr) ? [{ kind, sqnr, place, quantized }] : [];
  });
  if (dots.length === 0) return null;
  const kinds = [...operators, OTHER].filter((kind) => dots.some((dot) => dot.kind === kind));
  const colours = kinds.map((kind, i) => kind === OTHER ? MUTED : SERIES[i]);
  const height = 340;
  const r = dots.length > 300 ? 2.2 : 3.2;
  let [left, top] = [LEGEND_LEFT, 12];
  const legend = kinds.map((kind, i) => {
    const room = textWidth(kind, TEXT_SIZE) + 26;
    if (left > LEGEND_LEFT && left + room > width) [left, top] = [LEGEND_LEFT, top + 18];
    left += room;
    return { kind, x: left - room, y: top, colour: colours[i] };
  });
  const drawing = await draw((Plot) => ({
    width,
    height,
    marginLeft: 56,
    marginRight: 12,
    marginTop: top + 18,
    marginBottom: 44,
    style: { fontSize: `${TEXT_SIZE}px` },
    x: { domain: [-1, tensors.length], axis: null },
    y: { zero: true, nice: true, axis: null },
    color: { domain: kinds, range: colours },
    marks: [
      Plot.gridY({ stroke: FAINT, strokeOpacity: 1, ticks: 6 }),
      Plot.axisY({
        label: "SQNR, dB",
        labelAnchor: "center",
        labelArrow: "none",
        labelOffset: 44,
        ticks: 6,
      }),
      Plot.axisX({
        label: "tensors, in order of computation",
        labelAnchor: "center",
        labelArrow: "none",
        labelOffset: 34,
        ticks: 8,
      }),
      Plot.line(dots, { x: "place", y: "sqnr", stroke: FAINT, strokeWidth: 1 }),
      Plot.dot(dots.filter(({ quantized }) => !quantized), {
        x: "place",
        y: "sqnr",
        stroke: "kind",
        fill: GROUND,
        r: r - 0.4,
      }),
      Plot.dot(dots.filter(({ quantized }) => quantized), {
        x: "place",
        y: "sqnr",
        fill: "kind",
        r,
      }),
      Plot.ruleY([0], { stroke: INK }),
    ],
  }));
  const key = legend.map(({ kind, x, y, colour }) =>
    `<circle cx="${x}" cy="${y}" r="4" fill="${colour}"/>` +
    `<text x="${x + 8}" y="${y + 4}" font-size="${TEXT_SIZE}" text-anchor="start" fill="${INK}">${
      kind.replace(/[^\w.:-]/g, "_")
    }</text>`
  );
  return frame({ drawing: drawing + key.join(""), width, height });
}

/** The spread of each model's times, a row of ticks each, with the median. */
export async function plotLatency(
  times: Readonly<Record<string, readonly number[]>>,
  medians: Readonly<Record<string, number>>,
): Promise<Figure> {
  const names = Object.keys(times);
  const ticks = names.flatMap((name) => times[name].map((ms) => ({ name, ms })));
  const marks = names.map((name) => ({ name, ms: medians[name] }));
  // A few runs that were held up would squeeze all others into a corner.
  const sorted = ticks.map(({ ms }) => ms).sort((a, b) => a - b);
  const end = Math.min(
    sorted[Math.floor(sorted.length * 0.97)] * 1.3,
    sorted[sorted.length - 1] * 1.05,
  );
  const height = names.length * 54 + 48;
  const width = 448;
  const left = Math.max(...names.map((name) => textWidth(name, TEXT_SIZE))) + 20;
  const drawing = await draw((Plot) => ({
    width,
    height,
    marginLeft: left,
    marginRight: 16,
    marginTop: 4,
    marginBottom: 44,
    style: { fontSize: `${TEXT_SIZE}px` },
    x: {
      domain: [0, end],
      label: "ms a sample",
      labelArrow: "none",
      labelAnchor: "center",
      labelOffset: 36,
      ticks: 5,
    },
    y: { type: "band", domain: names, label: null, tickSize: 0, padding: 0.2 },
    marks: [
      Plot.tickX(ticks.filter(({ ms }) => ms <= end), {
        x: "ms",
        y: "name",
        stroke: ACCENT,
        strokeOpacity: 0.35,
        insetTop: 16,
      }),
      Plot.tickX(marks, { x: "ms", y: "name", stroke: INK, strokeWidth: 2.5, insetTop: 12 }),
      // A text starts at its mark, or ends there where it would leave the picture.
      ...(["start", "end"] as const).map((textAnchor) =>
        Plot.text(marks.filter(({ ms }) => (ms > end / 2) === (textAnchor === "end")), {
          x: "ms",
          y: "name",
          text: ({ ms }: { ms: number }) => `median ${formatMs(ms)}`,
          dy: -15,
          textAnchor,
          fill: INK,
        })
      ),
      Plot.ruleX([0], { stroke: INK }),
    ],
  }));
  return frame({ drawing, width, height });
}

/** Milliseconds with three digits. */
export function formatMs(ms: number): string {
  return `${ms >= 100 ? Math.round(ms) : ms.toPrecision(3)} ms`;
}
