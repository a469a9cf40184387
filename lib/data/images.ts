/**
 * Images as samples, decoded by sharp, or in a page by the browser. They are resized here: the same numbers on every machine.
 *
 * @module
 */
import type { InputFile } from "../files/input_file.ts";
import { HOST } from "../files/host.ts";
import { fail, MAX_SAMPLE_BYTES } from "./data_error.ts";
import { IMAGE_ENDINGS, type ImageOptions, type ImageSide } from "./image_options.ts";
import { decodeInPage } from "./page_image.ts";
import { channelCount, normalizePixels, type RgbImage } from "./pixels.ts";
import { fitImage, largestStep } from "./resample.ts";
import { decodeBySharp } from "./sharp_image.ts";
import { describeInput, type Feeds, fits, showDims, type TensorInfo } from "./sample.ts";

/** How files of these formats begin; nothing else reaches the decoder, which knows far more formats. */
const BEGINNINGS = [
  /^\x89PNG\r\n/,
  /^\xff\xd8\xff/,
  /^RIFF[^]{4}WEBP/,
  /^GIF8[79]a/,
  /^(II\*\0|MM\0\*)/,
];

const MAX_FILE_BYTES = 2 ** 28;
/** Pixels of an image at most, and of what it becomes on the way: they are in memory a few times. */
const MAX_PIXELS = 50_000_000;

/** How many times as wide or as high as it was an image may become, in relation, before that is worth a word. */
const DEFORMED = 1.1;

/** What is to be made of every image. */
interface Target {
  readonly options: ImageOptions & {
    readonly layout: "nchw" | "nhwc";
    readonly channels: "rgb" | "bgr" | "gray";
  };
  readonly size: readonly [ImageSide, ImageSide];
  readonly batched: boolean;
}

/**
 * How the model's input takes images.
 *
 * @param where opens the errors.
 * @throws {DataError} if it takes none, or not such as the options say.
 */
export function imageTarget(
  where: string,
  inputs: readonly TensorInfo[],
  options: ImageOptions,
): Target {
  if (inputs.length !== 1) {
    fail(
      where,
      `the model has ${inputs.length} inputs (${
        inputs.map(({ name }) => name).join(", ")
      }), but an ` +
        `image feeds one; give an .npz with an array for each`,
    );
  }
  const [input] = inputs;
  const { dims, dtype } = input;
  const shown = describeInput(input);
  if (dtype !== "float32") fail(where, `images become float32, but the model's input is ${shown}`);
  const batched = dims?.length !== 3;
  if (dims && dims.length !== 3 && dims.length !== 4) {
    fail(where, `the model's input ${shown} takes no images; those have 3 or 4 dimensions`);
  }
  if (batched && typeof dims?.[0] === "number" && dims[0] !== 1) {
    fail(where, `the model's input ${shown} takes ${dims[0]} images at once; give arrays (.npy)`);
  }
  const sizes = dims?.slice(-3) ?? [undefined, undefined, undefined];
  const isCount = (size: unknown) => size === 1 || size === 3;
  const layout = options.layout ?? (!isCount(sizes[0]) && isCount(sizes[2]) ? "nhwc" : "nchw");
  const [count, height, width] = layout === "nchw" ? sizes : [sizes[2], sizes[0], sizes[1]];
  const channels = options.channels ?? (count === 1 ? "gray" : "rgb");
  if (typeof count === "number" && count !== channelCount(channels)) {
    fail(
      where,
      `${layout} images of ${
        channelCount(channels)
      } channels (${channels}) do not fit the model's ` +
        `input ${shown}; see \`image.layout\` and \`image.channels\``,
    );
  }
  const size = options.size ??
    (typeof height === "number" && typeof width === "number" ? [height, width] : fail(
      where,
      `the model's input ${shown} leaves the size open; say it with \`image.size\`, where a side may be auto`,
    ));
  for (const [side, wanted, given] of [["height", height, size[0]], ["width", width, size[1]]]) {
    if (typeof wanted === "number" && wanted !== given) {
      fail(where, `the ${side} given is ${given}, but the model's input is ${shown}`);
    }
  }
  for (const name of ["mean", "std"] as const) {
    const numbers = options[name];
    if (!numbers || numbers.length === 1 || numbers.length === channelCount(channels)) continue;
    fail(
      where,
      `\`image.${name}\` has ${numbers.length} numbers for ${channelCount(channels)} channels`,
    );
  }
  return { options: { ...options, layout, channels }, size, batched };
}

/**
 * One image as a sample.
 *
 * @param where the file, for errors.
 * @param file the open file.
 * @param onWarning told if the image is deformed and nobody has asked for that.
 * @throws {DataError} if it is no image, too large, or does not become what the model takes.
 */
export async function readImage(
  where: string,
  file: InputFile,
  input: TensorInfo,
  target: Target,
  onWarning?: (warning: string) => void,
): Promise<Feeds> {
  if (file.size > MAX_FILE_BYTES) {
    fail(where, `the file takes ${file.size} bytes, more than the ${MAX_FILE_BYTES} of an image`);
  }
  const bytes = await file.read(0, file.size);
  const image = await decode(where, bytes, target, onWarning);
  const { options: { layout, channels }, batched } = target;
  const count = channelCount(channels);
  const { height, width } = image;
  const dims = layout === "nchw" ? [count, height, width] : [height, width, count];
  if (batched) dims.unshift(1);
  if (!fits(input.dims, dims)) {
    fail(
      where,
      `the image becomes ${showDims(dims)}, but the model's input is ${describeInput(input)}`,
    );
  }
  const data = normalizePixels(image, target.options);
  return { [input.name]: { type: "float32", data, dims } };
}

async function decode(
  where: string,
  bytes: Uint8Array<ArrayBuffer>,
  { size, options }: Target,
  onWarning?: (warning: string) => void,
): Promise<RgbImage> {
  const beginning = String.fromCharCode(...bytes.subarray(0, 12));
  if (!BEGINNINGS.some((format) => format.test(beginning))) {
    fail(where, `this is no image in one of the formats ${IMAGE_ENDINGS.join(", ")}`);
  }
  const decodeFile = HOST === "browser" ? decodeInPage : decodeBySharp;
  const decoded = await decodeFile(where, bytes, MAX_PIXELS);
  const [height, width] = sidesOf(size, [decoded.height, decoded.width], options.multipleOf ?? 1);
  if (height * width * 12 > MAX_SAMPLE_BYTES) {
    fail(where, `${height} × ${width} pixels are more than a sample may hold`);
  }
  if (largestStep(decoded, height, width, options) > MAX_PIXELS) {
    fail(
      where,
      `an image of ${decoded.height} × ${decoded.width} pixels takes too much memory on the way to ` +
        `${height} × ${width}; cut it before`,
    );
  }
  const times = (decoded.height * width) / (decoded.width * height);
  if (options.resize === undefined && Math.max(times, 1 / times) > DEFORMED) {
    onWarning?.(
      `${where} is stretched from ${decoded.height} × ${decoded.width} pixels to ${height} × ${width}, ` +
        `which deforms it; others may be too. See \`image.resize\``,
    );
  }
  return fitImage(decoded, height, width, options);
}

/** What is made of a side that is `auto`. */
function sidesOf(
  [height, width]: readonly [ImageSide, ImageSide],
  [ownHeight, ownWidth]: readonly [number, number],
  multipleOf: number,
): [number, number] {
  const round = (side: number) => Math.max(Math.round(side / multipleOf), 1) * multipleOf;
  if (height === "auto" && width === "auto") return [round(ownHeight), round(ownWidth)];
  if (height === "auto") return [round(ownHeight * (width as number) / ownWidth), width as number];
  if (width === "auto") return [height, round(ownWidth * height / ownHeight)];
  return [height, width];
}
