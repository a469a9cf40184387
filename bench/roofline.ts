/**
 * The roofline: what an adapter lets a product reach, by how often each byte is used.
 *
 * @module
 */
import type { Figure } from "../mod.ts";
import { draw } from "../lib/plot/draw.ts";
import { frame } from "../lib/plot/figure.ts";
import { type Place, placeLabels, spread } from "../lib/plot/place_labels.ts";
import { axisLabel, FAINT, INK, SERIES, TEXT_SIZE } from "../lib/plot/style.ts";
import { bytes, operations, type Shape, title, type Widths } from "./shapes.ts";

/** Operations for each byte that must cross the memory at least. */
export function intensity(shape: Shape, widths: Widths): number {
  return operations(shape) / bytes(shape, widths);
}

/**
 * The most operations a second: bound by the bytes that come in as long as each is used seldom, by
 * the arithmetic from then on.
 *
 * @param intensity operations a byte.
 * @param bandwidth bytes a second.
 * @param arithmetic operations a second.
 */
export function roof(intensity: number, bandwidth: number, arithmetic: number): number {
  return Math.min(arithmetic, intensity * bandwidth);
}

/** What a kind of layer may reach, and what its layers do. */
export interface RooflineKind {
  readonly name: string;
  /** Operations a second, nothing read. */
  readonly arithmetic: number;
  /** Each product with its operations a byte and its operations a second. */
  readonly layers: readonly { shape: Shape; intensity: number; reached: number }[];
}

/** Around the drawing, in pixels. */
const MARGIN = { left: 64, right: 64, top: 20, bottom: 46 };

/** Numbers at 1, 10, 100, … from `low` to `high`. */
function powers(low: number, high: number): number[] {
  const first = Math.ceil(Math.log10(low));
  return Array.from(
    { length: Math.floor(Math.log10(high)) - first + 1 },
    (_, i) => 10 ** (first + i),
  );
}

/**
 * Draws the roofs of some kinds and, under them, their layers as numbered dots.
 *
 * @param bandwidth bytes a second.
 * @param kinds the kinds, all with layers of the same shapes in the same order.
 */
export async function plotRoofline(
  bandwidth: number,
  kinds: readonly RooflineKind[],
): Promise<Figure> {
  const [width, height] = [760, 400];
  const dots = kinds.flatMap(({ layers }, i) =>
    layers.map(({ intensity, reached }, j) => ({
      x: intensity,
      y: reached / 1e9,
      number: `${j + 1}`,
      colour: SERIES[i % SERIES.length],
    }))
  );
  const xs = dots.map(({ x }) => x);
  const [left, right] = [Math.min(...xs) / 2, Math.max(...xs) * 2];
  const top = Math.max(...kinds.map(({ arithmetic }) => arithmetic)) / 1e9;
  const low = Math.min(...dots.map(({ y }) => y), left * bandwidth / 1e9);
  const domain = [low / 1.5, top * 1.5];
  const slope = [left, top * 1e9 / bandwidth].map((x) => ({ x, y: x * bandwidth / 1e9 }));
  const roofs = kinds.map(({ arithmetic }) =>
    [arithmetic / bandwidth, right].map((x) => ({ x, y: arithmetic / 1e9 }))
  );
  const along = (value: number, [from, to]: readonly number[]) =>
    Math.log(value / from) / Math.log(to / from);
  const pixels = ({ x, y }: Place) => ({
    x: MARGIN.left + along(x, [left, right]) * (width - MARGIN.left - MARGIN.right),
    y: height - MARGIN.bottom - along(y, domain) * (height - MARGIN.top - MARGIN.bottom),
  });
  const places = dots.map(pixels);
  const lines = [slope, ...roofs].flatMap(([from, to]) => stations(pixels(from), pixels(to)));
  const labels = placeLabels(places, { width: 9, height: 12 }, lines);
  const ends = roofs.map(([, end], i) => ({ name: kinds[i].name, at: pixels(end).y }))
    .sort((a, b) => a.at - b.at);
  const apart = spread(ends.map(({ at }) => at), TEXT_SIZE + 3, height);
  const moved = new Map(ends.map(({ name, at }, i) => [name, apart[i] - at]));
  const drawing = await draw((Plot) => ({
    width,
    height,
    marginLeft: MARGIN.left,
    marginRight: MARGIN.right,
    marginTop: MARGIN.top,
    marginBottom: MARGIN.bottom,
    style: { fontSize: `${TEXT_SIZE}px` },
    x: { type: "log", domain: [left, right], axis: null },
    y: { type: "log", domain, axis: null },
    marks: [
      Plot.axisX(powers(left, right), { ...axisLabel("operations a byte", 36), text: String }),
      Plot.axisY(powers(domain[0], domain[1]), {
        ...axisLabel("10⁹ operations a second", 52),
        text: String,
      }),
      Plot.gridX(powers(left, right), { stroke: FAINT, strokeOpacity: 1 }),
      Plot.gridY(powers(domain[0], domain[1]), { stroke: FAINT, strokeOpacity: 1 }),
      Plot.line(slope, { x: "x", y: "y", stroke: INK, strokeWidth: 2 }),
      ...kinds.flatMap(({ name }, i) => [
        Plot.line(roofs[i], { x: "x", y: "y", stroke: SERIES[i % SERIES.length], strokeWidth: 2 }),
        Plot.text(roofs[i].slice(1), {
          x: "x",
          y: "y",
          text: [name],
          textAnchor: "start",
          dx: 8,
          dy: moved.get(name),
          fill: SERIES[i % SERIES.length],
        }),
      ]),
      Plot.dot(dots, { x: "x", y: "y", fill: "colour", r: 4 }),
      ...dots.map((dot, i) =>
        Plot.text([dot], {
          x: "x",
          y: "y",
          text: "number",
          dx: labels[i].x - places[i].x,
          dy: labels[i].y - places[i].y,
          fill: dot.colour,
        })
      ),
    ],
  }));
  const facts = kinds[0].layers.map(({ shape }, j) => `${j + 1}: ${title(shape)}`);
  return frame({ drawing, width, height, title: "The roofline of this adapter", facts });
}

/** Places along a line, a few pixels apart. */
function stations(from: Place, to: Place): Place[] {
  const count = Math.ceil(Math.hypot(to.x - from.x, to.y - from.y) / 6);
  return Array.from({ length: count + 1 }, (_, i) => ({
    x: from.x + (to.x - from.x) * i / count,
    y: from.y + (to.y - from.y) * i / count,
  }));
}
