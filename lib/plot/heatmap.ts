/**
 * The picture of a matrix.
 *
 * @module
 */
import { draw } from "./draw.ts";
import { type Figure, frame, text } from "./figure.ts";
import { extent, formatNumber } from "./format.ts";
import { attributes } from "./markup.ts";
import { pngDataUri } from "./png.ts";
import { axisLabel, diverging, INK, MISSING, sequential, TEXT_SIZE, textWidth } from "./style.ts";
import { type Matrix, type PlotRows, readMatrix } from "./values.ts";

/** Options of {@linkcode plotHeatmap}. */
export interface PlotHeatmapOptions {
  /** Stands above the picture. */
  title?: string;
  /** What the columns are, for the axis. */
  columnLabel?: string;
  /** What the rows are, for the axis. */
  rowLabel?: string;
  /** Colours on both sides of zero (`diverging`) or from least to most (`sequential`); by default
   * the first for floats, the second for integers. */
  scheme?: "diverging" | "sequential";
  /** The values at the ends of the colour scale; by default what the data spans. */
  domain?: readonly [low: number, high: number];
  /** Width in pixels; 420 by default. */
  width?: number;
}

const LEGEND = 90;
const LEFT = 52;
const BOTTOM = 46;
const TOP = 6;
const MAX_HEIGHT = 640;

/**
 * A heat map of a matrix, such as a weight or its integers, with a legend.
 *
 * @param values a tensor of two dimensions, or rows of numbers.
 * @param options labels and colours.
 * @returns the picture.
 * @throws {RangeError} if the values are no matrix.
 *
 * @example
 * ```ts
 * import { plotHeatmap, randn } from "@staticquant/staticquant";
 * const figure = await plotHeatmap(randn([4, 8]), { title: "weight" });
 * console.log(figure.width); // 420
 * ```
 */
export async function plotHeatmap(
  values: PlotRows,
  options: PlotHeatmapOptions = {},
): Promise<Figure> {
  const matrix = await readMatrix("plotHeatmap", values);
  const { title, columnLabel = "column", rowLabel = "row", width = 420 } = options;
  const { rows, columns, data } = matrix;
  const scheme = options.scheme ?? (matrix.isFloat ? "diverging" : "sequential");
  const [low, high] = options.domain ?? domainOf(data, scheme);
  const palette = scheme === "diverging" ? diverging : sequential;
  const colour = (value: number) =>
    Number.isFinite(value) ? palette(high > low ? (value - low) / (high - low) : 0.5) : MISSING;

  const drawn = width - LEFT - LEGEND;
  const tall = Math.min(Math.max(drawn * rows / columns, 60), MAX_HEIGHT);
  const height = Math.round(tall) + TOP + BOTTOM;
  const drawing = await draw((Plot) => ({
    width,
    height,
    marginLeft: LEFT,
    marginRight: LEGEND,
    marginTop: TOP,
    marginBottom: BOTTOM,
    style: { fontSize: `${TEXT_SIZE}px` },
    x: {
      domain: [0, columns],
      ...axisLabel(columnLabel, 36),
      ticks: wholeTicks(columns, drawn / (textWidth(`${columns}`, TEXT_SIZE) + 4)),
      tickFormat: "d",
    },
    y: {
      domain: [rows, 0],
      ...axisLabel(rowLabel, 40),
      ticks: wholeTicks(rows, tall / (1.4 * TEXT_SIZE)),
      tickFormat: "d",
    },
    marks: [
      Plot.image([0], {
        x: columns / 2,
        y: rows / 2,
        width: drawn,
        height: height - TOP - BOTTOM,
        preserveAspectRatio: "none",
        imageRendering: "pixelated",
        src: () => cells(matrix, colour, drawn),
      }),
      Plot.frame({ stroke: INK, strokeOpacity: 0.5 }),
    ],
  }));
  const [least, most] = extent(data);
  const facts = [
    `${rows} × ${columns}`,
    `${formatNumber(least)} to ${formatNumber(most)}`,
  ];
  const legend = ramp(width - LEGEND + 14, TOP, height - TOP - BOTTOM, low, high, palette);
  return frame({ drawing: drawing + legend, width, height, title, facts });
}

/** What the colours span; around zero if there are two sides. */
function domainOf(
  data: ArrayLike<number>,
  scheme: "diverging" | "sequential",
): [low: number, high: number] {
  const [low, high] = extent(data);
  if (scheme === "sequential") return [low, high];
  const most = Math.max(Math.abs(low), Math.abs(high)) || 1;
  return [-most, most];
}

/** The matrix as a picture, its cells enlarged so that they stay sharp where it is drawn. */
function cells(
  { data, rows, columns }: Matrix,
  colour: (value: number) => readonly [number, number, number],
  drawn: number,
): string {
  const zoom = Math.min(Math.max(1, Math.ceil(drawn / columns)), 32);
  return pngDataUri(columns, rows, (i, j) => colour(data[i * columns + j]), zoom);
}

/** Whole numbers at even steps, as many as find room and no more than a reader wants. */
function wholeTicks(size: number, room: number): number[] {
  const most = Math.max(1, Math.min(8, room));
  const step = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512].find((step) => size / step <= most) ?? size;
  return Array.from({ length: Math.floor(size / step) + 1 }, (_, i) => i * step);
}

/** The legend: colours from high to low with the numbers they stand for. */
function ramp(
  x: number,
  y: number,
  height: number,
  low: number,
  high: number,
  palette: (t: number) => readonly [number, number, number],
): string {
  const tall = Math.min(height, 200);
  const steps = 64;
  const href = pngDataUri(1, steps, (i) => palette(1 - i / (steps - 1)));
  const image = `<image${
    attributes({ href, x, y, width: 12, height: tall, preserveAspectRatio: "none" })
  }/>`;
  const label = (value: number, at: number) =>
    text(formatNumber(Number(value.toPrecision(3))), x + 17, y + at + 4, 11);
  return image + label(high, 6) + label((low + high) / 2, tall / 2) + label(low, tall - 5);
}
