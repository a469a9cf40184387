/**
 * The picture of how numbers change along an axis.
 *
 * @module
 */
import { draw } from "./draw.ts";
import { Figure, frame } from "./figure.ts";
import { extent, formatNumber } from "./format.ts";
import { spread } from "./place_labels.ts";
import { axisLabel, FAINT, SERIES, TEXT_SIZE, textWidth } from "./style.ts";

/** Options of {@linkcode plotLines}. */
export interface PlotLinesOptions {
  /** Stands above the picture. */
  title?: string;
  /** Where the numbers stand on the horizontal axis; 0, 1, 2, … by default. */
  x?: ArrayLike<number>;
  /** What the horizontal axis is. */
  xLabel?: string;
  /** What the numbers are, for the vertical axis. */
  yLabel?: string;
  /** How the horizontal axis is divided; `linear` by default. */
  xScale?: "linear" | "log";
  /** How the vertical axis is divided; `linear` by default. */
  yScale?: "linear" | "log";
  /** The numbers at the ends of the vertical axis; by default what the data spans. */
  yDomain?: readonly [low: number, high: number];
  /** Width in pixels; 640 by default. */
  width?: number;
  /** Height of the drawing in pixels; 320 by default. */
  height?: number;
}

/** A number of a series. */
interface Point {
  readonly name: string;
  readonly x: number;
  readonly y: number;
}

const LEFT = 64;
const LABEL = 26;
const TOP = 10;
const BOTTOM = 46;
const LINE_HEIGHT = TEXT_SIZE + 3;

/**
 * A line for each series of numbers, with its name at its end. Where a number is not finite, its
 * line has a gap.
 *
 * @param series numbers by name, as many in each.
 * @param options where they stand, labels and scales.
 * @returns the picture.
 * @throws {RangeError} if the series differ in length, nothing is finite, or a logarithmic axis is
 * asked for numbers that are not positive.
 *
 * @example
 * ```ts
 * import { plotLines } from "@staticquant/staticquant";
 * const figure = await plotLines({ a: [1, 2, 3], b: [3, 2, 2] }, { x: [1, 2, 4], xScale: "log" });
 * console.log(figure.width); // 640
 * ```
 */
export async function plotLines(
  series: Readonly<Record<string, ArrayLike<number>>>,
  options: PlotLinesOptions = {},
): Promise<Figure> {
  const { title, xLabel = null, yLabel = null, width = 640, height = 320 } = options;
  const { xScale = "linear", yScale = "linear" } = options;
  const points = pointsOf(series, options.x);
  const xs = extent(points.map(({ x }) => x));
  const domain = options.yDomain ?? widened(extent(points.map(({ y }) => y)), yScale);
  for (const [axis, type, [low]] of [["x", xScale, xs], ["y", yScale, domain]] as const) {
    if (type === "log" && !(low > 0)) {
      throw new RangeError(
        `plotLines: the ${axis} axis is logarithmic, but the least number on it is ${low}`,
      );
    }
  }
  const names = Object.keys(series);
  const right = Math.max(...names.map((name) => textWidth(name, TEXT_SIZE))) + 18;
  const widest = Math.max(...domain.map((y) => textWidth(tickLike(y), TEXT_SIZE)));
  const left = Math.max(LEFT, widest + 10 + LABEL);
  const labels = endLabels(names, points, domain, yScale, height - TOP - BOTTOM);
  const places = [...new Set(points.map(({ x }) => x))];
  const heights = yScale === "log" ? logarithmicTicks(domain) : 6;
  const drawing = await draw((Plot) => ({
    width,
    height,
    marginLeft: left,
    marginRight: right,
    marginTop: TOP,
    marginBottom: BOTTOM,
    insetLeft: 6,
    insetRight: 6,
    style: { fontSize: `${TEXT_SIZE}px` },
    x: { type: xScale, axis: null },
    y: { type: yScale, domain, axis: null },
    color: { domain: names, range: names.map((_, i) => SERIES[i % SERIES.length]) },
    marks: [
      // Axes with texts of their own: a logarithmic one leaves out labels that it takes for crowded.
      Plot.axisX({
        ...axisLabel(xLabel, 36),
        ...places.length <= 9 ? { ticks: places } : { ticks: 8 },
        text: formatNumber,
      }),
      Plot.axisY({
        ...axisLabel(yLabel, left - 12),
        ticks: heights,
        text: formatNumber,
      }),
      Plot.gridY({ ticks: heights, stroke: FAINT, strokeOpacity: 1 }),
      Plot.line(points, { x: "x", y: "y", stroke: "name", strokeWidth: 1.75, clip: true }),
      Plot.dot(points, { x: "x", y: "y", fill: "name", r: 2.6, clip: true }),
      ...labels.map(({ name, x, y, dy }) =>
        Plot.text([{ name, x, y }], {
          x: "x",
          y: "y",
          text: "name",
          fill: "name",
          textAnchor: "start",
          dx: 8,
          dy,
        })
      ),
    ],
  }));
  const figure = frame({ drawing, width, height, title });
  const description = [title, ...names.map((name) => inWords(name, points))].filter(Boolean);
  return new Figure(figure.svg, figure, description.join("; "));
}

/** All numbers of all series. */
function pointsOf(
  series: Readonly<Record<string, ArrayLike<number>>>,
  at: ArrayLike<number> | undefined,
): Point[] {
  const entries = Object.entries(series);
  const length = at?.length ?? entries[0]?.[1].length ?? 0;
  const points = entries.flatMap(([name, numbers]) => {
    if (numbers.length !== length) {
      throw new RangeError(
        `plotLines: "${name}" has ${numbers.length} numbers, expected ${length}; give as many in each`,
      );
    }
    return Array.from(numbers, (y, i) => ({ name, x: at?.[i] ?? i, y }));
  });
  if (!points.some(({ x, y }) => Number.isFinite(x) && Number.isFinite(y))) {
    throw new RangeError("plotLines: there are no finite numbers to show");
  }
  return points;
}

/** 1, 2 and 5 and their multiples by powers of ten, or over many powers these alone. */
function logarithmicTicks([low, high]: readonly [number, number]): number[] {
  const powers = Math.log10(high / low);
  const ticks: number[] = [];
  for (let p = Math.floor(Math.log10(low)); p <= Math.ceil(Math.log10(high)); p++) {
    for (const digit of powers > 3 ? [1] : [1, 2, 5]) ticks.push(Number(`${digit}e${p}`));
  }
  return ticks.filter((tick) => tick >= low && tick <= high);
}

/** A number of about as many characters as the ticks near it have. */
function tickLike(value: number): string {
  return formatNumber(Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(2)));
}

/** A little room above and below. */
function widened([low, high]: [number, number], scale: "linear" | "log"): [number, number] {
  if (scale === "log") return [low / 1.1, high * 1.1];
  const pad = (high - low || Math.abs(high) || 1) * 0.05;
  return [low - pad, high + pad];
}

/** A name beside the last point of its line, moved by `dy` pixels so that no two touch. */
interface EndLabel extends Point {
  readonly dy: number;
}

function endLabels(
  names: readonly string[],
  points: readonly Point[],
  [low, high]: readonly [number, number],
  scale: "linear" | "log",
  height: number,
): EndLabel[] {
  const along = (y: number) => scale === "log" ? Math.log(y) : y;
  const pixel = (y: number) => (along(high) - along(y)) / (along(high) - along(low)) * height;
  const ends = names.flatMap((name) =>
    points.findLast((p) => p.name === name && Number.isFinite(p.x) && Number.isFinite(p.y)) ?? []
  ).map((end) => ({ end, at: Math.min(Math.max(pixel(end.y), 0), height) }));
  ends.sort((a, b) => a.at - b.at);
  const placed = spread(ends.map(({ at }) => at), LINE_HEIGHT, height);
  return ends.map(({ end }, i) => ({ ...end, dy: placed[i] - pixel(end.y) }));
}

/** A line in words. */
function inWords(name: string, points: readonly Point[]): string {
  const finite = points.filter((p) => p.name === name && Number.isFinite(p.y));
  if (finite.length === 0) return `${name}: no finite numbers`;
  const [first, last] = [finite[0], finite[finite.length - 1]];
  return `${name}: ${formatNumber(first.y)} to ${formatNumber(last.y)}`;
}
