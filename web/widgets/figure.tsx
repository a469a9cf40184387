/**
 * Pictures of the library's.
 *
 * @module
 */
import { useEffect, useRef, useState } from "preact/hooks";
import type { Figure } from "../../lib/plot/figure.ts";
import { inWordsOf, withWords } from "../texts/figure_words.ts";
import { useTexts } from "../texts/texts.ts";

/** Pixels of the page's text that pictures are drawn for. */
const TEXT_PX = 16;
/** Pixels that a picture is wide at most: wider ones are no easier to read. */
const WIDEST = 760;
/** Those that it is drawn with at least. */
const NARROWEST = 300;

/**
 * A picture as wide as there is room. It is an image, which the page's theme reaches by its `color-scheme`.
 *
 * @param props what draws it, for a width in pixels; drawn anew if `deps` change.
 */
export function FigureView({ draw, deps, widest = WIDEST }: {
  readonly draw: (width: number) => Promise<Figure | null>;
  readonly deps: readonly unknown[];
  readonly widest?: number;
}) {
  const frame = useRef<HTMLDivElement>(null);
  const { figures: words } = useTexts();
  const [width, setWidth] = useState(0);
  // Where the page's text is larger, pictures are too.
  const zoom = parseFloat(getComputedStyle(document.documentElement).fontSize) / TEXT_PX;
  const [figure, setFigure] = useState<Figure | null>(null);
  useEffect(() => {
    const observer = new ResizeObserver(([{ contentRect }]) => {
      const room = Math.floor(contentRect.width / zoom);
      // Hidden tabs have no width.
      if (room > 0) setWidth(Math.min(Math.max(room, NARROWEST), widest));
    });
    observer.observe(frame.current!);
    return () => observer.disconnect();
  }, [zoom]);
  useEffect(() => {
    if (width === 0) return;
    let current = true;
    draw(width).then((figure) => current && setFigure(figure), (error) => {
      if (current) setFigure(null);
      console.error(error);
    });
    return () => {
      current = false;
    };
  }, [width, ...deps]);
  return (
    <div class="figure" ref={frame}>
      {figure && (
        <img
          src={`data:image/svg+xml,${encodeURIComponent(withWords(words, figure.svg))}`}
          width={figure.width * zoom}
          height={figure.height * zoom}
          alt={inWordsOf(words, figure.description)}
        />
      )}
    </div>
  );
}
