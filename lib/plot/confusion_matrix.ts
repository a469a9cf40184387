/**
 * The picture of which class was taken for which.
 *
 * @module
 */
import { draw } from "./draw.ts";
import { type Figure, frame } from "./figure.ts";
import { formatNumber, formatShare } from "./format.ts";
import { ACCENT, ALERT, axisLabel, INK, TEXT_SIZE } from "./style.ts";

/** Options of {@linkcode plotConfusionMatrix}. */
export interface PlotConfusionMatrixOptions {
  /** Stands above the picture. */
  title?: string;
  /** The classes' names; by default their numbers, from 0 to the greatest that occurs. */
  classes?: readonly string[];
  /** Width in pixels; 520 by default. */
  width?: number;
}

/**
 * How often each class (row) was given each answer (column). Right answers are blue; of the wrong
 * ones, the more frequent are the darker.
 *
 * @param labels the true classes, as integers from 0.
 * @param answers the model's classes, in the same order.
 * @param options names and labels.
 * @returns the picture.
 * @throws {RangeError} if the two differ in length, are empty, or hold anything but classes.
 *
 * @example
 * ```ts
 * import { plotConfusionMatrix } from "@staticquant/staticquant";
 * const figure = await plotConfusionMatrix([0, 1, 1], [0, 1, 0], { classes: ["cat", "dog"] });
 * console.log(figure.description); // 2 of 3 right (66.67 %)
 * ```
 */
export async function plotConfusionMatrix(
  labels: ArrayLike<number>,
  answers: ArrayLike<number>,
  options: PlotConfusionMatrixOptions = {},
): Promise<Figure> {
  const { title, width = 520 } = options;
  const cells = count(labels, answers, options.classes);
  const right = cells.reduce((sum, cell) => sum + (cell.right ? cell.count : 0), 0);
  const most = Math.max(1, ...cells.map((cell) => cell.right ? 0 : cell.count));
  const height = width - 60;
  const drawing = await draw((Plot) => ({
    width,
    height,
    marginLeft: 62,
    marginBottom: 48,
    marginTop: 4,
    marginRight: 14,
    padding: 0.06,
    style: { fontSize: `${TEXT_SIZE}px` },
    x: { type: "band", label: "answer", labelArrow: "none", labelOffset: 36, tickSize: 0 },
    y: {
      type: "band",
      ...axisLabel("true class", 44),
      tickSize: 0,
    },
    marks: [
      Plot.cell(cells, {
        x: "answer",
        y: "label",
        fill: (cell) => cell.right ? ACCENT : ALERT,
        fillOpacity: (cell) =>
          cell.right ? 0.22 : cell.count ? 0.12 + 0.55 * cell.count / most : 0.03,
      }),
      ...[true, false].map((right) =>
        Plot.text(cells.filter((cell) => cell.count > 0 && cell.right === right), {
          x: "answer",
          y: "label",
          text: (cell) => formatNumber(cell.count),
          fill: INK,
          fontWeight: right ? 600 : 400,
        })
      ),
    ],
  }));
  const facts = [
    `${formatNumber(right)} of ${formatNumber(labels.length)} right (${
      formatShare(right, labels.length)
    })`,
  ];
  return frame({ drawing, width, height, title, facts });
}

interface Cell {
  label: string;
  answer: string;
  right: boolean;
  count: number;
}

function count(
  labels: ArrayLike<number>,
  answers: ArrayLike<number>,
  names: readonly string[] | undefined,
): Cell[] {
  if (labels.length !== answers.length || labels.length === 0) {
    throw new RangeError(
      `plotConfusionMatrix: ${labels.length} labels and ${answers.length} answers; give as many of ` +
        `each, and at least one`,
    );
  }
  const all = [...Array.from(labels), ...Array.from(answers)];
  const size = names?.length ?? all.reduce((a, b) => Math.max(a, b), 0) + 1;
  const wrong = all.find((value) => !Number.isInteger(value) || value < 0 || value >= size);
  if (wrong !== undefined) {
    throw new RangeError(
      `plotConfusionMatrix: ${wrong} is no class; classes are integers from 0 to ${size - 1}`,
    );
  }
  const classes = names ?? Array.from({ length: size }, (_, i) => String(i));
  const cells = classes.flatMap((label, i) =>
    classes.map((answer, j) => ({ label, answer, right: i === j, count: 0 }))
  );
  for (let i = 0; i < labels.length; i++) cells[labels[i] * size + answers[i]].count++;
  return cells;
}
