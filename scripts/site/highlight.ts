/**
 * Colours for code.
 *
 * @module
 */
import { escape } from "../../lib/plot/markup.ts";

/** What is told apart, in the order in which it is looked for. */
const SCRIPT = new RegExp(
  [
    String.raw`(?<comment>\/\/[^\n]*|\/\*[^]*?\*\/)`,
    String.raw`(?<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|` + "`(?:\\\\.|[^`\\\\])*`)",
    String
      .raw`(?<word>\b(?:abstract|as|async|await|break|case|catch|class|const|constructor|continue|default|` +
    String
      .raw`else|export|extends|finally|for|from|function|get|if|import|in|instanceof|interface|keyof|let|` +
    String
      .raw`new|of|override|private|protected|public|readonly|return|set|static|super|switch|this|throw|` +
    String.raw`try|type|typeof|using|void|while|yield|null|undefined|true|false)\b)`,
    String.raw`(?<number>\b\d[\d_.]*(?:e[+-]?\d+)?n?\b)`,
  ].join("|"),
  "g",
);
const SHELL =
  /(?<comment>(?<=^|\s)#[^\n]*)|(?<text>"[^"]*"|'[^']*')|(?<word>(?<=\s)--?[a-z][\w-]*)/g;

const LANGUAGES: ReadonlyMap<string, RegExp> = new Map([
  ["ts", SCRIPT],
  ["js", SCRIPT],
  ["json", SCRIPT],
  ["sh", SHELL],
]);

/** Code as HTML, its kinds of words in spans where the language is known. */
export function highlight(code: string, language: string): string {
  const pattern = LANGUAGES.get(language);
  if (!pattern) return escape(code);
  let html = "";
  let at = 0;
  for (const match of code.matchAll(pattern)) {
    const [kind] = Object.entries(match.groups!).find(([, found]) => found !== undefined)!;
    html += `${escape(code.slice(at, match.index))}<span class="${kind}">${
      escape(match[0])
    }</span>`;
    at = match.index + match[0].length;
  }
  return html + escape(code.slice(at));
}

/** A block of code. */
export function codeBlock(code: string, language: string): string {
  return `<pre class="code"><code>${highlight(code, language)}</code></pre>`;
}
