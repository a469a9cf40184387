/**
 * The picture of several ranges for the same values.
 *
 * @module
 */
import { draw } from "./draw.ts";
import { Figure, frame } from "./figure.ts";
import { extent, formatNumber, formatShare } from "./format.ts";
import { ACCENT, ALERT, axisLabel, FAINT, INK, MUTED, TEXT_SIZE, textWidth } from "./style.ts";
import { type PlotValues, readValues } from "./values.ts";

/** Options of {@linkcode plotRanges}. */
export interface PlotRangesOptions {
  /** Stands above the picture. */
  title?: string;
  /** What the values are, for the axis. */
  label?: string;
  /** How counts are drawn: `log` shows the few that lie far out; `linear` by default. */
  countScale?: "linear" | "log";
  /** How many bars the values fall into; 96 by default. */
  bins?: number;
  /** Width in pixels; 720 by default. */
  width?: number;
  /** Height of the histogram in pixels; 160 by default. */
  height?: number;
}

/** A range, and how much of the data it leaves out. */
interface Row {
  readonly name: string;
  readonly low: number;
  readonly high: number;
  readonly outside: string;
}

const TOP = 8;
const BAND = 24;
const BOTTOM = 46;
const OUTSIDE = "outside";

/**
 * A histogram of values and below it, on the same axis, a bar for each of several ranges: how far it
 * reaches, where values lie outside it (in another colour), and how many.
 *
 * @param values what was observed.
 * @param ranges lower and upper end by name, in the order in which they are drawn.
 * @param options labels.
 * @returns the picture.
 * @throws {RangeError} if there are no finite values.
 *
 * @example
 * ```ts
 * import { plotRanges, randn } from "@staticquant/staticquant";
 * const figure = await plotRanges(randn([1000]), { narrow: [-1, 1], wide: [-3, 3] });
 * console.log(figure.description); // 1,000 values from …; narrow: −1 to 1, 31.6 % outside; …
 * ```
 */
export async function plotRanges(
  values: PlotValues,
  ranges: Readonly<Record<string, readonly [low: number, high: number]>>,
  options: PlotRangesOptions = {},
): Promise<Figure> {
  const { title, label = "value", countScale = "linear", width = 720, height = 160 } = options;
  const data = await readValues(values);
  const [least, most] = extent(data);
  if (Number.isNaN(least)) {
    throw new RangeError("plotRanges: there are no finite values to show");
  }
  const rows = Object.entries(ranges).map(([name, [low, high]]): Row => ({
    name,
    low,
    high,
    outside: formatShare(countOutside(data, low, high), data.length),
  }));
  const [low, high] = extent([0, least, most, ...rows.flatMap((row) => [row.low, row.high])]);
  const pad = (high - low || 1) * 0.02;
  const bars = histogram(data, least, most, Math.max(1, options.bins ?? 96));
  const names = rows.map(({ name }) => name);
  const widest = (texts: string[]) => Math.max(...texts.map((t) => textWidth(t, TEXT_SIZE)));
  const common: Common = {
    width,
    marginLeft: Math.max(widest(["", ...names]) + 20, 72),
    marginRight: widest([OUTSIDE, ...rows.map(({ outside }) => outside)]) + 16,
    style: { fontSize: `${TEXT_SIZE}px` },
    domain: [low - pad, high + pad],
  };
  const above = await drawCounts(common, bars, countScale, height);
  const tall = rows.length * BAND + BOTTOM + TEXT_SIZE + 6;
  const below = await drawRanges(common, rows, beyond(rows, least, most), label, tall);
  const facts = [
    `${formatNumber(data.length)} values from ${formatNumber(least)} to ${formatNumber(most)}`,
  ];
  const drawing = `${above}<g transform="translate(0,${height})">${below}</g>`;
  const figure = frame({ drawing, width, height: height + tall, title, facts });
  const described = rows.map((row) =>
    `${row.name}: ${formatNumber(row.low)} to ${formatNumber(row.high)}, ${row.outside} outside`
  );
  return new Figure(figure.svg, figure, [figure.description, ...described].join("; "));
}

/** What both halves share, so that their axes agree. */
interface Common {
  readonly width: number;
  readonly marginLeft: number;
  readonly marginRight: number;
  readonly style: { readonly fontSize: string };
  readonly domain: readonly [low: number, high: number];
}

/** The upper half: how many values lie where. */
function drawCounts(
  { domain, ...common }: Common,
  bars: readonly Bar[],
  countScale: "linear" | "log",
  height: number,
): Promise<string> {
  // On a logarithmic scale a bar of one value still has a height.
  const ground = countScale === "log" ? 0.5 : 0;
  const highest = Math.max(...bars.map(({ count }) => count));
  const ticks = countScale === "log" ? powersOfTen(highest) : 4;
  return draw((Plot) => ({
    ...common,
    height,
    marginTop: TOP,
    marginBottom: 6,
    x: { domain, axis: null },
    y: {
      type: countScale,
      domain: [ground, highest],
      ...axisLabel("count", 58),
      ticks,
      tickFormat: formatNumber,
    },
    marks: [
      Plot.gridY({ ticks, stroke: FAINT, strokeOpacity: 1 }),
      Plot.rect(bars.filter(({ count }) => count > 0), {
        x1: "from",
        x2: "to",
        y1: ground,
        y2: "count",
        fill: ACCENT,
        insetRight: 0.5,
      }),
      Plot.ruleY([ground], { stroke: INK }),
    ],
  }));
}

/** The lower half: how far each range reaches, and what lies outside. */
function drawRanges(
  { domain, ...common }: Common,
  rows: readonly Row[],
  outside: readonly Span[],
  label: string,
  height: number,
): Promise<string> {
  return draw((Plot) => ({
    ...common,
    height,
    marginTop: TEXT_SIZE + 6,
    marginBottom: BOTTOM,
    x: {
      domain,
      ...axisLabel(label, 36),
      tickFormat: formatNumber,
    },
    y: {
      type: "band",
      domain: rows.map(({ name }) => name),
      label: null,
      tickSize: 0,
      padding: 0.45,
    },
    marks: [
      Plot.gridX({ stroke: FAINT, strokeOpacity: 1 }),
      Plot.ruleY(outside, { x1: "low", x2: "high", y: "name", stroke: ALERT, strokeWidth: 2 }),
      Plot.barX(rows, { x1: "low", x2: "high", y: "name", fill: ACCENT }),
      Plot.ruleX([0], { stroke: INK, strokeDasharray: "3,3" }),
      Plot.text(rows, {
        y: "name",
        text: "outside",
        frameAnchor: "right",
        textAnchor: "start",
        dx: 10,
        fill: INK,
      }),
      Plot.text([OUTSIDE], {
        frameAnchor: "top-right",
        textAnchor: "start",
        dx: 10,
        dy: -TEXT_SIZE - 2,
        fill: MUTED,
      }),
    ],
  }));
}

/** Values below `low` or above `high`. */
function countOutside(data: ArrayLike<number>, low: number, high: number): number {
  let count = 0;
  for (let i = 0; i < data.length; i++) if (data[i] < low || data[i] > high) count++;
  return count;
}

/** A piece of the axis beside a range. */
interface Span {
  readonly name: string;
  readonly low: number;
  readonly high: number;
}

/** What of the data's span each range leaves out. */
function beyond(rows: readonly Row[], least: number, most: number): Span[] {
  return rows.flatMap(({ name, low, high }) => [
    ...least < low ? [{ name, low: least, high: Math.min(low, most) }] : [],
    ...most > high ? [{ name, low: Math.max(high, least), high: most }] : [],
  ]);
}

/** 1, 10, 100, … up to `most`. */
function powersOfTen(most: number): number[] {
  return Array.from({ length: Math.floor(Math.log10(most) + 1e-9) + 1 }, (_, i) => 10 ** i);
}

/** How many values lie between two. */
interface Bar {
  readonly from: number;
  readonly to: number;
  count: number;
}

/** Bars of equal width. */
function histogram(
  data: ArrayLike<number>,
  least: number,
  most: number,
  count: number,
): Bar[] {
  const step = (most - least || 1) / count;
  const bars = Array.from({ length: count }, (_, i) => ({
    from: least + i * step,
    to: least + (i + 1) * step,
    count: 0,
  }));
  for (let i = 0; i < data.length; i++) {
    if (!Number.isFinite(data[i])) continue;
    bars[Math.min(Math.floor((data[i] - least) / step), count - 1)].count++;
  }
  return bars;
}
