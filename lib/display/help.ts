/**
 * The documentation of an export, where one is at work.
 *
 * @module
 */
import { nearest } from "../numbers/arguments.ts";
import { CUSTOM_INSPECT, type DisplayBundle, JUPYTER_DISPLAY } from "../plot/bundle.ts";

/**
 * What {@linkcode help} shows: an export's doc comment, with its parameters, members and example.
 *
 * @example
 * ```ts
 * import { help } from "@staticquant/staticquant";
 * const { name, markdown } = await help("plotBars");
 * console.log(name, markdown.includes("A bar for each number")); // plotBars true
 * ```
 */
export class HelpPage {
  /** The class's name, whatever a minifier makes of it. */
  static readonly name: string = "HelpPage";

  /** The export's name. */
  readonly name: string;
  /** The page as Markdown. */
  readonly markdown: string;

  /**
   * A page; {@linkcode help} finds them.
   *
   * @param name the export's name.
   * @param markdown the page.
   */
  constructor(name: string, markdown: string) {
    this.name = name;
    this.markdown = markdown;
  }

  /** The page as Markdown. */
  toString(): string {
    return this.markdown;
  }

  /** What a notebook shows. */
  [Symbol.for("Jupyter.display")](): DisplayBundle {
    return { "text/markdown": this.markdown, "text/plain": this.markdown };
  }

  /** What the console shows. */
  [Symbol.for("Deno.customInspect")](): string {
    return this.markdown;
  }
}

/**
 * Shows the doc comment of one of this library's exports, in a notebook and on the console: what it
 * does, its parameters, an example.
 *
 * A notebook shows it of `help(plotBars)` as the last line of a cell; on the console it is
 * `console.log(await help(plotBars))`. The pages are loaded when the first is asked for.
 *
 * @param of a function or a class, something made by a class, or a name as text, such as `"uint8"`.
 * @returns the page. An options object is explained where the function that takes it is.
 * @throws {RangeError} if this library exports nothing of that name; says which name is like it.
 *
 * @example
 * ```ts
 * import { help, plotBars } from "@staticquant/staticquant";
 * console.log(await help(plotBars));
 * ```
 */
export function help(of: unknown): Promise<HelpPage> {
  const page = find(of);
  // A cell may end with the promise itself; what it shows then is waited for.
  return Object.defineProperties(page, {
    [JUPYTER_DISPLAY]: {
      value: async () => {
        const { markdown } = await page;
        return { "text/markdown": markdown, "text/plain": markdown };
      },
    },
    [CUSTOM_INSPECT]: { value: () => "Promise of a page; show it with console.log(await help(…))" },
  });
}

async function find(of: unknown): Promise<HelpPage> {
  const { HELP_PAGES: pages } = await import("./help_pages.ts");
  const names = namesOf(of);
  const name = names.find((name) => Object.hasOwn(pages, name));
  if (name === undefined) {
    const like = names.map((name) => nearest(name, Object.keys(pages))).find(Boolean);
    throw new RangeError(
      `help: nothing that this library exports is called ${JSON.stringify(names[0] ?? "")}` +
        (like ? `; did you mean ${like}?` : ""),
    );
  }
  return new HelpPage(name, withOptions(name, pages));
}

/** The names under which something may be documented, the likeliest first. */
function namesOf(of: unknown): string[] {
  if (typeof of === "string") return [of];
  if (typeof of === "function") return [of.name];
  const names: string[] = [];
  for (let at = of && Object.getPrototypeOf(of); at; at = Object.getPrototypeOf(at)) {
    names.push(at.constructor?.name ?? "");
  }
  const own = (of as { name?: unknown } | null)?.name; // a dtype has the name that it is exported by
  return [...names, ...typeof own === "string" ? [own] : []]
    .filter((name) => name !== "Object" && name !== "");
}

/** A page, and below it the options that its signature names. */
function withOptions(name: string, pages: Readonly<Record<string, string>>): string {
  const page = pages[name];
  const [signature] = page.split("\n```\n", 1);
  const named = new Set(signature.match(/\b[A-Z]\w*Options\b/g) ?? []);
  const options = [...named].filter((other) => other !== name && Object.hasOwn(pages, other));
  return [page, ...options.map((other) => pages[other])].join("\n\n---\n\n");
}
