/**
 * The words that the library sets into pictures, in the page's language. Pictures are the library's own, and it knows
 * English only; what stands in them are few words, in whole pieces of text.
 *
 * @module
 */

/** A piece of text in a picture, and what stands in its place. */
export type FigureWords = readonly (readonly [pattern: RegExp, text: string])[];

/** A picture's text, piece by piece, as far as words for it are known. */
export function inWordsOf(words: FigureWords, text: string): string {
  const translate = (piece: string) => {
    for (const [pattern, replacement] of words) {
      if (pattern.test(piece)) return piece.replace(pattern, replacement);
    }
    return piece;
  };
  return text.split(/( · |; )/).map(translate).join("");
}

/** A picture with its texts in other words: all that stands between tags, and its description. */
export function withWords(words: FigureWords, svg: string): string {
  if (words.length === 0) return svg;
  return svg.replace(/(>)([^<>]+)(?=<\/)/g, (_, open, text) => open + inWordsOf(words, text))
    .replace(/ aria-label="([^"]*)"/, (_, text) => ` aria-label="${inWordsOf(words, text)}"`);
}
