/**
 * The look that all pictures share.
 *
 * @module
 */
import { columns } from "../numbers/columns.ts";

/** Text and axes. */
export const INK = "#24292f";
/** Text of less weight. */
export const MUTED = "#656d76";
/** What a picture is about. */
export const ACCENT = "#2f6fb3";
/** What deserves a second look: clipped values, mistakes. */
export const ALERT = "#d9622b";
/** Areas and lines in the background. */
export const FAINT = "#d8dee4";

/** Things that are told apart by colour alone, in this order. */
export const SERIES: readonly string[] = [
  "#2f6fb3",
  "#d9622b",
  "#2e8b57",
  "#8250a8",
  "#a8801c",
  "#d0417e",
  "#57606a",
  "#1f9aa5",
];

/** What pictures are drawn on. */
export const GROUND = "#ffffff";

/** What takes the place of each colour on dark ground, as legible there as the first is on light. */
const ON_DARK: Readonly<Record<string, string>> = {
  [GROUND]: "#181b1f",
  [INK]: "#e3e8ee",
  [MUTED]: "#9aa5b1",
  [FAINT]: "#3b434d",
  "#2f6fb3": "#5f9fdc",
  "#d9622b": "#ee8350",
  "#2e8b57": "#52b67c",
  "#8250a8": "#b58bdb",
  "#a8801c": "#cfa544",
  "#d0417e": "#ec76a6",
  "#57606a": "#aab4bf",
  "#1f9aa5": "#45bcc7",
};

/**
 * The style sheet that gives a picture its dark colours where the page around it is dark. The colours
 * for light ground stand in the elements themselves, for those who draw SVG without style sheets.
 */
export const DARK_STYLE: string = `<style>@media (prefers-color-scheme:dark){${
  Object.entries(ON_DARK).map(([light, dark]) =>
    ["fill", "stroke", "color"].map((name) => `[${name}="${light}"]{${name}:${dark}}`).join("")
  ).join("")
}}</style>`;

export const FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif";
export const TITLE_SIZE = 15;
export const TEXT_SIZE = 12;

/** About how wide a text is in pixels; on the safe side. */
export function textWidth(text: string, size: number): number {
  return 0.57 * size * columns(text);
}

type Rgb = readonly [number, number, number];

/** A colour between those of `stops`, which lie evenly on 0 … 1. */
function between(stops: readonly Rgb[], t: number): Rgb {
  const at = Math.min(Math.max(t, 0), 1) * (stops.length - 1);
  const i = Math.min(Math.floor(at), stops.length - 2);
  const mix = (channel: 0 | 1 | 2) =>
    Math.round(stops[i][channel] + (at - i) * (stops[i + 1][channel] - stops[i][channel]));
  return [mix(0), mix(1), mix(2)];
}

/** Blue below, white in the middle, orange above. */
export function diverging(t: number): Rgb {
  const stops: Rgb[] = [
    [22, 66, 120],
    [87, 148, 203],
    [247, 247, 245],
    [240, 150, 95],
    [154, 58, 16],
  ];
  return between(stops, t);
}

/** From almost white to dark blue. */
export function sequential(t: number): Rgb {
  return between([[246, 249, 252], [150, 189, 224], [60, 120, 182], [14, 47, 92]], t);
}

/** From white to dark ink. */
export function ink(t: number): Rgb {
  return between([[255, 255, 255], [27, 31, 36]], t);
}

/** For numbers that are none. */
export const MISSING: Rgb = [255, 0, 170];

/** An axis' label in the middle of it, `offset` pixels away. */
export function axisLabel(label: string | null | undefined, offset: number) {
  return { label, labelAnchor: "center", labelArrow: "none", labelOffset: offset } as const;
}
