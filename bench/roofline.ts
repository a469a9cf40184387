/**
 * The roofline: what an adapter lets a product reach, by how often each byte is used.
 *
 * @module
 */
import type { Figure } from "../mod.ts";
import { draw } from "../lib/plot/draw.ts";
import { frame } from "../lib/plot/figure.ts";
import { FAINT, INK, SERIES, TEXT_SIZE } from "../lib/plot/style.ts";
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
  const layers = kinds.flatMap(({ layers }) => layers);
  const xs = layers.map(({ intensity }) => intensity);
  const [left, right] = [Math.min(...xs) / 2, Math.max(...xs) * 2];
  const top = Math.max(...kinds.map(({ arithmetic }) => arithmetic)) / 1e9;
  const low = Math.min(...layers.map(({ reached }) => reached / 1e9), left * bandwidth / 1e9);
  const domain = [low / 1.5, top * 1.5];
  const slope = [left, top * 1e9 / bandwidth].map((x) => [x, x * bandwidth / 1e9]);
  const axis = (label: string) => ({ label, labelAnchor: "center", labelArrow: "none" }) as const;
  const drawing = await draw((Plot) => ({
    width,
    height,
    marginLeft: 64,
    marginRight: 64,
    marginBottom: 46,
    style: { fontSize: `${TEXT_SIZE}px` },
    x: { type: "log", domain: [left, right], axis: null },
    y: { type: "log", domain, axis: null },
    marks: [
      Plot.axisX(powers(left, right), {
        ...axis("operations a byte"),
        labelOffset: 36,
        text: String,
      }),
      Plot.axisY(powers(domain[0], domain[1]), {
        ...axis("10⁹ operations a second"),
        labelOffset: 52,
        text: String,
      }),
      Plot.gridX(powers(left, right), { stroke: FAINT, strokeOpacity: 1 }),
      Plot.gridY(powers(domain[0], domain[1]), { stroke: FAINT, strokeOpacity: 1 }),
      Plot.line(slope, { stroke: INK, strokeWidth: 2 }),
      ...kinds.flatMap(({ name, arithmetic, layers }, i) => {
        const colour = SERIES[i % SERIES.length];
        const corner = arithmetic / bandwidth;
        const flat = [corner, right].map((x) => [x, arithmetic / 1e9]);
        const dots = layers.map(({ intensity, reached }, j) => ({
          x: intensity,
          y: reached / 1e9,
          number: `${j + 1}`,
        }));
        // Neighbours have their numbers on different sides.
        const numbers = (odd: boolean) =>
          Plot.text(dots.filter((_, j) => (j % 2 === 0) === odd), {
            x: "x",
            y: "y",
            text: "number",
            dy: odd ? 13 : -13,
            fill: colour,
          });
        return [
          Plot.line(flat, { stroke: colour, strokeWidth: 2 }),
          Plot.text(flat.slice(1), { text: [name], textAnchor: "start", dx: 8, fill: colour }),
          Plot.dot(dots, { x: "x", y: "y", fill: colour, r: 4 }),
          numbers(true),
          numbers(false),
        ];
      }),
    ],
  }));
  const facts = kinds[0].layers.map(({ shape }, j) => `${j + 1}: ${title(shape)}`);
  return frame({ drawing, width, height, title: "The roofline of this adapter", facts });
}
