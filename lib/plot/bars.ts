/**
 * The picture of a few numbers.
 *
 * @module
 */
import { draw } from "./draw.ts";
import { type Figure, frame } from "./figure.ts";
import { formatNumber } from "./format.ts";
import { ACCENT, axisLabel, INK, TEXT_SIZE, textWidth } from "./style.ts";

/** Options of {@linkcode plotBars}. */
export interface PlotBarsOptions {
  /** Stands above the picture. */
  title?: string;
  /** What the numbers are, for the axis. */
  label?: string;
  /** How a number is written beside its bar. */
  format?: (value: number) => string;
  /** Width in pixels; 640 by default. */
  width?: number;
}

/**
 * A bar for each number, with the number beside it.
 *
 * @param values numbers by name, in the order in which they are drawn.
 * @param options labels.
 * @returns the picture.
 *
 * @example
 * ```ts
 * import { plotBars } from "@staticquant/staticquant";
 * const figure = await plotBars({ float32: 32768, uint8: 8704 }, { title: "Model", label: "bytes" });
 * console.log(figure.width); // 640
 * ```
 */
export async function plotBars(
  values: Readonly<Record<string, number>>,
  options: PlotBarsOptions = {},
): Promise<Figure> {
  const { title, label, format = formatNumber, width = 640 } = options;
  const bars = Object.entries(values).map(([name, value]) => ({ name, value }));
  const widest = (texts: string[]) => Math.max(...texts.map((t) => textWidth(t, TEXT_SIZE)), 0);
  const height = bars.length * 32 + 48;
  const marginLeft = widest(bars.map(({ name }) => name)) + 24;
  const marginRight = widest(bars.map(({ value }) => format(value))) + 16;
  // As many numbers as find room side by side.
  const each = widest(bars.map(({ value }) => formatNumber(Math.round(value)))) + 24;
  const ticks = Math.max(1, Math.min(4, Math.floor((width - marginLeft - marginRight) / each)));
  const drawing = await draw((Plot) => ({
    width,
    height,
    marginLeft,
    marginRight,
    marginTop: 4,
    marginBottom: 46,
    style: { fontSize: `${TEXT_SIZE}px` },
    x: { ...axisLabel(label, 36), ticks, zero: true },
    y: {
      type: "band",
      label: null,
      domain: bars.map(({ name }) => name),
      tickSize: 0,
      padding: 0.25,
    },
    marks: [
      Plot.barX(bars, { x: "value", y: "name", fill: ACCENT }),
      Plot.text(bars, {
        x: "value",
        y: "name",
        text: (bar) => format(bar.value),
        textAnchor: "start",
        dx: 6,
        fill: INK,
      }),
      Plot.ruleX([0], { stroke: INK }),
    ],
  }));
  return frame({ drawing, width, height, title });
}
