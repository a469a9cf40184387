/**
 * The picture of what an observer saw and what it decided.
 *
 * @module
 */
import type { DType } from "../numbers/dtype.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { coarser, isCounts, type PlotCounts } from "./counts.ts";
import { draw } from "./draw.ts";
import { type Figure, frame } from "./figure.ts";
import { extent, formatNumber, formatShare } from "./format.ts";
import { ACCENT, ALERT, axisLabel, FAINT, INK, MUTED, TEXT_SIZE, textWidth } from "./style.ts";
import { type PlotValues, readNumber, readValues } from "./values.ts";

/** Options of {@linkcode plotDistribution}. */
export interface PlotDistributionOptions {
  /** Stands above the picture. */
  title?: string;
  /** The quantization's scale, one number; with `dtype` it gives the range. */
  scale?: number | Tensor;
  /** The quantization's zero point, one number; 0 by default. */
  zeroPoint?: number | Tensor;
  /** The integer dtype that values are quantized to. */
  dtype?: DType;
  /** The least integer; the dtype's by default. */
  quantMin?: number;
  /** The greatest integer; the dtype's by default. */
  quantMax?: number;
  /** The range of floats that can be represented, in place of scale and dtype. */
  range?: readonly [low: number, high: number];
  /** What the values are, for the axis. */
  label?: string;
  /** About how many bars; 64 by default. */
  bins?: number;
  /** Width in pixels; 640 by default. */
  width?: number;
  /** Height of the drawing in pixels; 220 by default. */
  height?: number;
}

/** A label above the drawing. */
interface Mark {
  readonly x: number;
  readonly text: string;
  readonly colour: string;
}

const LEFT = 72;
const LABEL = 26;
const RIGHT = 26;

interface Range {
  readonly low: number;
  readonly high: number;
  /** How far outside a value may lie and still be rounded to the range's end. */
  readonly slack: number;
  readonly facts: string[];
  /** The integers at the range's ends and at zero. */
  readonly marks: readonly Mark[];
}

/**
 * A histogram of values with the range that a quantization can represent shaded: zero is marked,
 * the integers at zero and at the range's ends stand above, and what lies outside (and would be
 * clipped) is drawn in another colour and counted.
 *
 * @param values what was observed, or how many values lie where.
 * @param options the range, by scale, zero point and dtype or by its ends, and labels.
 * @returns the picture.
 * @throws {RangeError} if there are no finite values, or scale or zero point is more than one number.
 *
 * @example
 * ```ts
 * import { plotDistribution, randn, uint8 } from "@staticquant/staticquant";
 * const figure = await plotDistribution(randn([1000]), { scale: 0.02, zeroPoint: 128, dtype: uint8 });
 * console.log(figure.description);
 * ```
 */
export async function plotDistribution(
  values: PlotValues | PlotCounts,
  options: PlotDistributionOptions = {},
): Promise<Figure> {
  const where = "plotDistribution";
  const { title, label = "value", width = 640, height = 220 } = options;
  const range = await chosenRange(where, options);
  const bars = Math.max(1, options.bins ?? 64);
  const { least, most, total, binned, clipped } = isCounts(values)
    ? ofCounts(coarser(values, bars), range)
    : ofValues(await readValues(values), bars, range);
  if (!(least <= most)) throw new RangeError(`${where}: there are no finite values to show`);
  const facts = [
    `${formatNumber(total)} values from ${formatNumber(least)} to ${formatNumber(most)}`,
    ...range?.facts ?? [],
    ...range ? [`${formatShare(clipped, total)} clipped`] : [],
  ];
  const low = Math.min(least, range?.low ?? least, 0);
  const high = Math.max(most, range?.high ?? most, 0);
  const pad = (high - low || 1) * 0.02;
  const highest = formatNumber(Math.max(...binned.map(({ count }) => count)));
  const left = Math.max(LEFT, textWidth(highest, TEXT_SIZE) + 10 + LABEL);
  const drawing = await draw((Plot) => ({
    width,
    height,
    marginTop: range ? 24 : 10,
    marginLeft: left,
    marginRight: RIGHT,
    marginBottom: 46,
    insetTop: 6,
    style: { fontSize: `${TEXT_SIZE}px` },
    x: {
      domain: [low - pad, high + pad],
      ...axisLabel(label, 36),
    },
    y: {
      ...axisLabel("count", left - 12),
      ticks: 4,
      tickFormat: formatNumber,
    },
    marks: [
      ...range
        ? [
          Plot.rect([range], { x1: "low", x2: "high", fill: ACCENT, fillOpacity: 0.1 }),
          Plot.ruleX([range.low, range.high], { stroke: ACCENT, strokeWidth: 1.5 }),
          Plot.text(apart(range.marks, low, high, width - left - RIGHT), {
            x: "x",
            text: "text",
            frameAnchor: "top",
            dy: -16,
            fill: "colour",
          }),
        ]
        : [],
      Plot.gridY({ ticks: 4, stroke: FAINT, strokeOpacity: 1 }),
      Plot.rectY(binned, {
        x1: "from",
        x2: "to",
        y: "count",
        fill: (bin) => bin.outside ? ALERT : ACCENT,
        insetLeft: 0.5,
        insetRight: 0.5,
      }),
      Plot.ruleX([0], { stroke: INK, strokeDasharray: "3,3" }),
      Plot.ruleY([0], { stroke: INK }),
    ],
  }));
  return frame({ drawing, width, height, title, facts });
}

async function chosenRange(
  where: string,
  options: PlotDistributionOptions,
): Promise<Range | undefined> {
  const { dtype } = options;
  if (options.range) {
    const [low, high] = options.range;
    const facts = [`range ${formatNumber(low)} to ${formatNumber(high)}`];
    return { low, high, slack: 0, facts, marks: [] };
  }
  if (options.scale === undefined || !dtype) return;
  const scale = await readNumber(where, options.scale);
  const zeroPoint = await readNumber(where, options.zeroPoint ?? 0);
  const { quantMin = dtype.min, quantMax = dtype.max } = options;
  const low = (quantMin - zeroPoint) * scale;
  const high = (quantMax - zeroPoint) * scale;
  return {
    low,
    high,
    slack: scale / 2,
    facts: [
      `${dtype.name} covers ${formatNumber(low)} to ${formatNumber(high)}`,
      `scale ${formatNumber(scale)}`,
      `zero point ${formatNumber(zeroPoint)}`,
    ],
    marks: [
      { x: low, text: `q = ${formatNumber(quantMin)}`, colour: ACCENT },
      { x: 0, text: `q = ${formatNumber(zeroPoint)}`, colour: MUTED },
      { x: high, text: `q = ${formatNumber(quantMax)}`, colour: ACCENT },
    ],
  };
}

/** The marks without that at zero where it would touch another. */
function apart(
  marks: readonly Mark[],
  low: number,
  high: number,
  width: number,
): readonly Mark[] {
  const pixels = ({ x }: Mark) => (x - low) / (high - low) * width;
  const ends = marks.filter(({ colour }) => colour === ACCENT);
  return marks.filter((mark) =>
    mark.colour === ACCENT || ends.every((end) => Math.abs(pixels(end) - pixels(mark)) > 56)
  );
}

interface Bin {
  from: number;
  to: number;
  count: number;
  outside: boolean;
}

/** What is drawn and told of values. */
interface Binned {
  readonly least: number;
  readonly most: number;
  readonly total: number;
  readonly binned: readonly Bin[];
  readonly clipped: number;
}

function ofValues(data: ArrayLike<number>, bars: number, range: Range | undefined): Binned {
  const [least, most] = extent(data);
  const binned = Number.isNaN(least) ? [] : histogram(data, least, most, bars, range);
  const clipped = range ? countOutside(data, range) : 0;
  return { least, most, total: data.length, binned, clipped };
}

/** Bins as they are; one is outside of the range if the middle of the values in it may be. */
function ofCounts(
  { min, max, start, width, counts }: PlotCounts,
  range: Range | undefined,
): Binned {
  const binned = Array.from(counts, (count, i) => {
    const [from, to] = [start + i * width, start + (i + 1) * width];
    const middle = (Math.max(from, min) + Math.min(to, max)) / 2;
    return { from, to, count, outside: isOutside(middle, range) };
  });
  const sum = (bins: readonly Bin[]) => bins.reduce((sum, { count }) => sum + count, 0);
  const clipped = sum(binned.filter(({ outside }) => outside));
  return { least: min, most: max, total: sum(binned), binned, clipped };
}

/** Whether a value would be clipped, by more than rounding moves it. */
function isOutside(x: number, range: Range | undefined): boolean {
  return !!range && (x < range.low - range.slack || x > range.high + range.slack);
}

/** Bars of equal width, one of whose edges lies at each end of the range where it cuts the data. */
function histogram(
  data: ArrayLike<number>,
  least: number,
  most: number,
  wanted: number,
  range: Range | undefined,
): Bin[] {
  const edges = [least, most];
  if (range) {
    const { low, high, slack } = range;
    edges.push(...[low - slack, high + slack].filter((x) => x > least && x < most));
  }
  edges.sort((a, b) => a - b);
  const step = (most - least || 1) / wanted;
  const bins: Bin[] = [];
  for (let i = 0; i + 1 < edges.length; i++) {
    const [from, to] = [edges[i], Math.max(edges[i + 1], edges[i] + step / 2)];
    const count = Math.max(1, Math.round((to - from) / step));
    const outside = isOutside((from + to) / 2, range);
    for (let j = 0; j < count; j++) {
      const edge = (k: number) => from + (to - from) * k / count;
      bins.push({ from: edge(j), to: edge(j + 1), count: 0, outside });
    }
  }
  for (let i = 0; i < data.length; i++) {
    if (Number.isFinite(data[i])) find(bins, data[i]).count++;
  }
  return bins;
}

/** The bin that holds a value: the last one that does not start above it. */
function find(bins: readonly Bin[], value: number): Bin {
  let [low, high] = [0, bins.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (bins[middle].from <= value) low = middle;
    else high = middle - 1;
  }
  return bins[low];
}

/** Values that lie beyond the range, by more than rounding moves them. */
function countOutside(data: ArrayLike<number>, { low, high, slack }: Range): number {
  let count = 0;
  for (let i = 0; i < data.length; i++) {
    if (data[i] < low - slack || data[i] > high + slack) count++;
  }
  return count;
}
