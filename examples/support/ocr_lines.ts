/**
 * Lines of text as pictures, drawn from a seed: several fonts and sizes, more or less contrast, slightly
 * turned, with noise. They are what a camera's picture of a receipt or a sign looks like after it was
 * cut into lines, and unlike photographs they come with the right answer and without a download.
 *
 * Needs `--allow-read`: Skia, as WebAssembly, and the fonts are npm packages. The pixels are the same on
 * every machine.
 *
 * @module
 */
import initSkia, { type CanvasKit, type Typeface } from "canvaskit-wasm";
// Imported for where they lie.
import "@fontsource/zcool-xiaowei/package.json" with { type: "json" };
import "dejavu-fonts-ttf/package.json" with { type: "json" };
import { lineText, type Script } from "./ocr_text.ts";
import { SeededRandom } from "./seeded_random.ts";

/** The height of every line in pixels, as the recognition model takes it. */
export const LINE_HEIGHT = 48;

/** A picture of a line. */
export interface OcrLine {
  /** What stands there. */
  readonly text: string;
  /** The picture's width. */
  readonly width: number;
  /** `LINE_HEIGHT × width` gray pixels, row by row. */
  readonly pixels: Uint8Array<ArrayBuffer>;
}

const dejavu = (name: string) => ["dejavu-fonts-ttf", `ttf/DejaVu${name}.ttf`];
const FONTS: Record<Script, string[][]> = {
  latin: ["Sans", "Sans-Bold", "SansCondensed", "SansMono", "Serif", "Serif-Italic"].map(dejavu),
  chinese: [
    ["@fontsource/zcool-xiaowei", "files/zcool-xiaowei-chinese-simplified-400-normal.woff2"],
  ],
};

/** Skia and the fonts, loaded. */
interface Studio {
  readonly skia: CanvasKit;
  readonly faces: Record<Script, Typeface[]>;
}

async function open(): Promise<Studio> {
  // Its types are written for bundlers, which see the function one level deeper.
  const skia = await (initSkia as unknown as typeof initSkia.default)();
  const load = async ([name, path]: string[]): Promise<Typeface> => {
    const bytes = await Deno.readFile(new URL(path, import.meta.resolve(`${name}/package.json`)));
    const face = skia.Typeface.MakeTypefaceFromData(bytes.buffer);
    if (!face) throw new Error(`${name}: Skia cannot read ${path}`);
    return face;
  };
  const [latin, chinese] = await Promise.all(
    [FONTS.latin, FONTS.chinese].map((fonts) => Promise.all(fonts.map(load))),
  );
  return { skia, faces: { latin, chinese } };
}

let studio: Promise<Studio> | undefined;

/** Draws the line of this seed. */
function draw({ skia, faces }: Studio, seed: number): OcrLine {
  const random = new SeededRandom(seed);
  const { text, script } = lineText(random);
  const font = new skia.Font(random.pick(faces[script]), random.between(22, 36));
  font.setEdging(skia.FontEdging.AntiAlias);
  const { ascent, descent } = font.getMetrics();
  const glyphs = font.getGlyphWidths(font.getGlyphIDs(text));
  const textWidth = glyphs.reduce((sum, each) => sum + each, 0);
  const margin = random.between(4, 14);
  const width = Math.ceil(textWidth + 2 * margin);
  // Dark on bright or bright on dark; the difference is the contrast.
  const contrast = random.between(70, 230);
  const dark = random.between(5, 250 - contrast);
  const inverted = random.uniform() < 0.25;
  const [ink, ground] = inverted ? [dark + contrast, dark] : [dark, dark + contrast];
  // A long line may be turned less before it leaves the picture.
  const degrees = random.between(-1, 1) * Math.min(2, 240 / width);
  const baseline = (LINE_HEIGHT - ascent - descent) / 2 + random.between(-2, 2);
  const blur = random.uniform() < 0.3 ? random.between(0.3, 0.9) : 0;

  const surface = skia.MakeSurface(width, LINE_HEIGHT)!;
  const canvas = surface.getCanvas();
  const paint = new skia.Paint();
  const gray = (value: number) => skia.Color(value, value, value);
  canvas.clear(gray(ground));
  paint.setColor(gray(ink));
  paint.setAntiAlias(true);
  if (blur > 0) paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.BlurStyle.Normal, blur, true));
  canvas.rotate(degrees, width / 2, LINE_HEIGHT / 2);
  canvas.drawText(text, margin, baseline, paint, font);
  surface.flush();
  const colors = canvas.readPixels(0, 0, {
    ...surface.imageInfo(),
    colorType: skia.ColorType.RGBA_8888,
  })!;
  for (const part of [paint, font, surface]) part.delete();

  const noise = random.between(0, 14);
  const pixels = new Uint8Array(width * LINE_HEIGHT);
  for (let i = 0; i < pixels.length; i++) {
    pixels[i] = Math.max(0, Math.min(255, Math.round(colors[4 * i] + noise * random.normal())));
  }
  return { text, width, pixels };
}

/**
 * Draws lines. Line `i` depends on `seed` and `i` alone.
 *
 * @param seed lines of different seeds are different ones.
 * @param count how many.
 * @param unlike texts that must not be among them: those that a model was calibrated on.
 */
export async function ocrLines(
  seed: number,
  count: number,
  unlike: readonly OcrLine[] = [],
): Promise<OcrLine[]> {
  studio ??= open();
  const ready = await studio;
  const known = new Set(unlike.map(({ text }) => text));
  const lines: OcrLine[] = [];
  for (let i = 0; lines.length < count; i++) {
    const line = draw(ready, seed * 1_000_003 + i);
    if (!known.has(line.text)) lines.push(line);
  }
  return lines;
}
