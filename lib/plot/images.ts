/**
 * Small pictures in a grid.
 *
 * @module
 */
import { Tensor } from "../tensor/tensor.ts";
import { type Figure, frame, text } from "./figure.ts";
import { attributes } from "./markup.ts";
import { pngDataUri } from "./png.ts";
import { ALERT, FAINT, INK, ink } from "./style.ts";

/** Options of {@linkcode plotImages}. */
export interface PlotImagesOptions {
  /** Stands above the picture. */
  title?: string;
  /** Facts below the title. */
  facts?: readonly string[];
  /** Rows of pixels in an image; by default images are square. */
  rows?: number;
  /** A text for each image; line ends are kept. */
  captions?: readonly string[];
  /** For each image, whether its caption calls for attention. */
  highlights?: readonly boolean[];
  /** Images in a row; 10 by default. */
  columns?: number;
  /** Width of an image in pixels; 56 by default. */
  size?: number;
}

const GAP = 14;
const LINE = 14;
const CAPTION_SIZE = 11;

/**
 * Grey images in a grid with captions, such as the digits of MNIST: 0 is drawn white, 1 black.
 *
 * @param images one image a row: a tensor of shape (count, pixels), or a list of pixels each.
 * @param options captions and layout.
 * @returns the picture.
 * @throws {RangeError} if an image's pixels do not fill its rows.
 *
 * @example
 * ```ts
 * import { plotImages } from "@staticquant/staticquant";
 * const figure = await plotImages([[0, 1, 1, 0]], { captions: ["a small image"] });
 * console.log(figure.description); // 1 image
 * ```
 */
export async function plotImages(
  images: Tensor | readonly ArrayLike<number>[],
  options: PlotImagesOptions = {},
): Promise<Figure> {
  const list = images instanceof Tensor ? await imagesOf(images) : images;
  const { title, captions = [], highlights = [], size = 56 } = options;
  const columns = Math.min(options.columns ?? 10, Math.max(list.length, 1));
  const captionLines = Math.max(0, ...captions.map((caption) => caption.split("\n").length));
  const rows = options.rows ?? Math.sqrt(list[0]?.length ?? 1);
  const tall = Math.round(size * rows * rows / (list[0]?.length ?? 1));
  const [cellWidth, cellHeight] = [size + GAP, tall + 8 + captionLines * LINE];
  const cells = list.map((image, i) => {
    const x = GAP / 2 + 6 + (i % columns) * cellWidth;
    const y = Math.floor(i / columns) * cellHeight;
    const lines = (captions[i] ?? "").split("\n");
    const caption = lines.map((line, j) =>
      text(line, x + size / 2, y + tall + 3 + (j + 0.8) * LINE, CAPTION_SIZE, {
        "text-anchor": "middle",
        fill: highlights[i] ? ALERT : INK,
      })
    );
    return picture(image, rows, x, y, size, tall) + caption.join("");
  });
  const width = Math.max(GAP + 12 + columns * cellWidth, title ? 9 * title.length + 24 : 0);
  const height = Math.ceil(list.length / columns) * cellHeight + 8;
  const facts = options.facts ??
    (title ? [] : [`${list.length} image${list.length === 1 ? "" : "s"}`]);
  return frame({ drawing: cells.join(""), width, height, title, facts });
}

async function imagesOf(images: Tensor): Promise<ArrayLike<number>[]> {
  if (images.ndim !== 2) {
    throw new RangeError(
      `plotImages: expected one image a row, got a tensor of shape [${images.shape.join(", ")}]`,
    );
  }
  const [count, pixels] = images.shape;
  const data = await images.data();
  return Array.from({ length: count }, (_, i) => data.subarray(i * pixels, (i + 1) * pixels));
}

function picture(
  image: ArrayLike<number>,
  rows: number,
  x: number,
  y: number,
  width: number,
  height: number,
): string {
  const columns = image.length / rows;
  if (!Number.isInteger(columns) || !Number.isInteger(rows) || columns === 0) {
    throw new RangeError(
      `plotImages: an image of ${image.length} pixels does not fall into ${rows} rows; give { rows }`,
    );
  }
  const href = pngDataUri(columns, rows, (i, j) => ink(image[i * columns + j]), 3);
  const place = { x, y, width, height };
  return `<image${attributes({ href, ...place })} style="image-rendering:pixelated"/>` +
    `<rect${attributes({ ...place, fill: "none", stroke: FAINT })}/>`;
}
