/**
 * The forms of a model in one picture: size, accuracy and time.
 *
 * @module
 */
import type { ConvertedFile, Figure } from "../mod.ts";
import { draw } from "../lib/plot/draw.ts";
import { frame } from "../lib/plot/figure.ts";
import { type Place, placeLabels } from "../lib/plot/place_labels.ts";
import { axisLabel, FAINT, SERIES, TEXT_SIZE, textWidth } from "../lib/plot/style.ts";

/** Around the drawing, in pixels. */
const MARGIN = { left: 60, right: 30, top: 34, bottom: 46 };

/** The radius of a form that takes as long as the float model, in pixels. */
const RADIUS = 15;

/** A label with the room around it, in pixels. */
const LABEL = { width: 48, height: 40 };

/** What a form's weights are: the colour that it has. */
const KINDS = [
  { name: "float16", dtypes: ["fp16"] },
  { name: "bytes, ranges while running", dtypes: ["q8", "int8", "uint8"] },
  { name: "bytes, ranges from samples", dtypes: ["static"] },
  { name: "weights of 4 bits", dtypes: ["q4", "q4f16", "bnb4"] },
];

function colourOf(dtype: string): string {
  return SERIES[KINDS.findIndex(({ dtypes }) => dtypes.includes(dtype)) % SERIES.length];
}

/** Forms that lie on one another get one label. */
function named(dots: readonly (Place & { name: string })[]): { name: string; at: Place }[] {
  const groups: { name: string; at: Place }[] = [];
  for (const { name, x, y } of dots) {
    const near = groups.find(({ at }) => Math.hypot(at.x - x, at.y - y) < RADIUS + 1);
    if (near) near.name += `, ${name}`;
    else groups.push({ name, at: { x, y } });
  }
  return groups;
}

/**
 * Each form as a circle: to the left the smaller files, above the more accurate ones, and the smaller the circle the
 * shorter a run.
 *
 * @param files what `convertOnnx` tells of one model.
 */
export async function plotForms(files: readonly ConvertedFile[], title: string): Promise<Figure> {
  const [width, height] = [680, 420];
  const [float] = files;
  const forms = files.filter(({ dtype, sqnr }) => dtype !== "fp32" && sqnr !== undefined);
  const dots = forms.map(({ dtype, bytes, sqnr = NaN, ms = NaN }) => ({
    name: dtype as string,
    x: 100 * bytes / float.bytes,
    y: sqnr,
    r: RADIUS * Math.sqrt(ms / float.ms!),
    fill: colourOf(dtype),
  }));
  const right = Math.max(...dots.map(({ x }) => x)) * 1.1;
  const top = Math.max(...dots.map(({ y }) => y)) * 1.15;
  const pixels = ({ x, y }: Place) => ({
    x: MARGIN.left + x / right * (width - MARGIN.left - MARGIN.right),
    y: height - MARGIN.bottom - y / top * (height - MARGIN.top - MARGIN.bottom),
  });
  const groups = named(dots.map((dot) => ({ name: dot.name, ...pixels(dot) })));
  // Room for the longest, such as of forms that lie on one another.
  const longest = Math.max(...groups.map(({ name }) => textWidth(name, TEXT_SIZE)));
  const room = { ...LABEL, width: Math.max(LABEL.width, longest) };
  const labels = placeLabels(groups.map(({ at }) => at), room);
  const starts = KINDS.map((_, i) =>
    KINDS.slice(0, i).reduce((sum, { name }) => sum + textWidth(`● ${name}`, TEXT_SIZE) + 16, 0)
  );
  const drawing = await draw((Plot) => ({
    ...{ width, height, marginLeft: MARGIN.left, marginRight: MARGIN.right },
    ...{ marginTop: MARGIN.top, marginBottom: MARGIN.bottom },
    style: { fontSize: `${TEXT_SIZE}px` },
    x: { domain: [0, right], axis: null },
    y: { domain: [0, top], axis: null },
    r: { type: "identity" },
    marks: [
      Plot.axisX({ ...axisLabel("size, % of the float file", 36) }),
      Plot.axisY({ ...axisLabel("SQNR of the output, dB", 44) }),
      Plot.gridX({ stroke: FAINT, strokeOpacity: 1 }),
      Plot.gridY({ stroke: FAINT, strokeOpacity: 1 }),
      Plot.dot(dots, { x: "x", y: "y", r: "r", fill: "fill", fillOpacity: 0.35, stroke: "fill" }),
      ...groups.map(({ name, at }, i) =>
        Plot.text([{ x: at.x, y: at.y }], {
          ...{ frameAnchor: "top-left", textAnchor: "middle", text: [name] },
          dx: labels[i].x - MARGIN.left,
          dy: labels[i].y - MARGIN.top,
        })
      ),
      ...KINDS.map(({ name }, i) =>
        Plot.text([name], {
          ...{ frameAnchor: "top-left", text: [`● ${name}`], textAnchor: "start" },
          ...{ fill: SERIES[i % SERIES.length], dx: starts[i], dy: -26 },
        })
      ),
    ],
  }));
  const facts = [
    "the area of a circle is the time of a run, that of the float model being " +
    `${2 * RADIUS} pixels wide`,
  ];
  return frame({ drawing, width, height, title, facts });
}
