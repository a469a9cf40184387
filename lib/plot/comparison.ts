/**
 * The picture of a quantized result against the float one.
 *
 * @module
 */
import { draw } from "./draw.ts";
import { type Figure, frame } from "./figure.ts";
import { extent, formatNumber } from "./format.ts";
import { ACCENT, ALERT, FAINT, TEXT_SIZE } from "./style.ts";
import { type PlotValues, readValues } from "./values.ts";

/** Options of {@linkcode plotComparison}. */
export interface PlotComparisonOptions {
  /** Stands above the picture. */
  title?: string;
  /** What the first values are, for the axis. */
  label?: string;
  /** What the second values are, for the axis. */
  quantizedLabel?: string;
  /** Width in pixels; 460 by default. */
  width?: number;
}

const MOST_POINTS = 997;
const ERROR_HEIGHT = 150;

/**
 * Each quantized value over the float value it stands for, with the line on which both agree and
 * the signal-to-quantization-noise ratio, and the errors themselves below. Of very many values some
 * are drawn; the numbers count all.
 *
 * @param float the reference.
 * @param quantized as many values, in the same order.
 * @param options labels.
 * @returns the picture.
 * @throws {RangeError} if the two differ in length, or nothing is finite.
 *
 * @example
 * ```ts
 * import { plotComparison } from "@staticquant/staticquant";
 * const figure = await plotComparison([1, 2, 3], [1, 2, 3.1]);
 * console.log(figure.description); // SQNR 31.46 dB; largest error 0.1; …
 * ```
 */
export async function plotComparison(
  float: PlotValues,
  quantized: PlotValues,
  options: PlotComparisonOptions = {},
): Promise<Figure> {
  const { title, label = "float", quantizedLabel = "quantized", width = 460 } = options;
  const [xs, ys] = await Promise.all([readValues(float), readValues(quantized)]);
  if (xs.length !== ys.length) {
    throw new RangeError(
      `plotComparison: ${xs.length} float values and ${ys.length} quantized ones; give as many of each`,
    );
  }
  const [lowX, highX] = extent(xs);
  const [lowY, highY] = extent(ys);
  const [low, high] = [Math.min(lowX, lowY), Math.max(highX, highY)];
  if (Number.isNaN(low)) throw new RangeError("plotComparison: there are no finite values to show");
  const points = sample(xs, ys);
  const { sqnr, worst } = errors(xs, ys);
  const pad = (high - low || 1) * 0.04;
  const line = [{ x: low - pad, y: low - pad }, { x: high + pad, y: high + pad }];
  const height = width - 40;
  const common = {
    width,
    marginLeft: 72,
    marginRight: 20,
    style: { fontSize: `${TEXT_SIZE}px` },
  } as const;
  const axis = { domain: [low - pad, high + pad], ticks: 6, labelArrow: "none" } as const;
  const center = { labelAnchor: "center", labelOffset: 58 } as const;
  const dot = { fill: ACCENT, r: points.length > 500 ? 1.6 : 2.4, fillOpacity: 0.55 };
  const above = await draw((Plot) => ({
    ...common,
    height,
    marginTop: 8,
    marginBottom: 24,
    x: { ...axis, label: null },
    y: { ...axis, ...center, label: quantizedLabel },
    marks: [
      Plot.gridX({ ticks: 6, stroke: FAINT, strokeOpacity: 1 }),
      Plot.gridY({ ticks: 6, stroke: FAINT, strokeOpacity: 1 }),
      Plot.line(line, { x: "x", y: "y", stroke: ALERT, strokeWidth: 1.5 }),
      Plot.dot(points, { x: "x", y: "y", ...dot }),
    ],
  }));
  const most = worst || 1;
  const below = await draw((Plot) => ({
    ...common,
    height: ERROR_HEIGHT,
    marginTop: 14,
    marginBottom: 46,
    x: { ...axis, label, labelAnchor: "center", labelOffset: 36 },
    y: { ...center, domain: [-most, most], ticks: 3, label: "error", labelArrow: "none" },
    marks: [
      Plot.gridX({ ticks: 6, stroke: FAINT, strokeOpacity: 1 }),
      Plot.gridY({ ticks: 3, stroke: FAINT, strokeOpacity: 1 }),
      Plot.ruleY([0], { stroke: ALERT, strokeWidth: 1.5 }),
      Plot.dot(points, { x: "x", y: (point) => point.y - point.x, ...dot }),
    ],
  }));
  const facts = [
    `SQNR ${Number.isFinite(sqnr) ? `${sqnr.toFixed(2)} dB` : formatNumber(sqnr)}`,
    `largest error ${formatNumber(worst)}`,
    points.length < xs.length
      ? `${formatNumber(points.length)} of ${formatNumber(xs.length)} values drawn`
      : `${formatNumber(xs.length)} values`,
    "on the line both agree",
  ];
  const drawing = `${above}<g transform="translate(0,${height})">${below}</g>`;
  return frame({ drawing, width, height: height + ERROR_HEIGHT, title, facts });
}

/** Points spread evenly over all; their number is prime, so that no column is preferred. */
function sample(xs: ArrayLike<number>, ys: ArrayLike<number>): { x: number; y: number }[] {
  const count = Math.min(xs.length, MOST_POINTS);
  return Array.from({ length: count }, (_, i) => {
    const at = Math.floor(i * xs.length / count);
    return { x: xs[at], y: ys[at] };
  });
}

/** How far apart two sequences are. */
function errors(xs: ArrayLike<number>, ys: ArrayLike<number>): { sqnr: number; worst: number } {
  let [signal, noise, worst] = [0, 0, 0];
  for (let i = 0; i < xs.length; i++) {
    const error = Math.abs(xs[i] - ys[i]);
    signal += xs[i] ** 2;
    noise += error ** 2;
    worst = Math.max(worst, error);
  }
  return { sqnr: 10 * Math.log10(signal / noise), worst: Number(worst.toPrecision(4)) };
}
