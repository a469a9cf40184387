/**
 * Writes the pages site into `.cache/site`: the two READMEs, the documents, the notebooks of both languages, the
 * API's reference, and in `app/` the page that quantizes in the browser.
 *
 * @module
 */
import { basename, dirname, join, posix, relative } from "node:path";
import { copy, emptyFolder } from "./folders.ts";
import { cache, notebooks, root } from "./paths.ts";
import { deno } from "./run.ts";
import { framed, type Language, type Page, wayTo } from "./site/frame.ts";
import { markdownHtml } from "./site/markdown.ts";
import { notebookHtml } from "./site/notebook.ts";
import { SITE as BUILT } from "./web/folder.ts";

const SITE = join(cache, "site");
const PICTURE = /\.(?:svg|png)$/;

/** Documents of the repository that become pages, and those that are the same in two languages. */
const DOCUMENTS = [
  "README.md",
  "README.zh-CN.md",
  ...[...Deno.readDirSync(join(root, "docs"))].map(({ name }) => `docs/${name}`)
    .filter((name) => name.endsWith(".md")).sort(),
  ...["ARCHITECTURE", "CHANGELOG", "CONTRIBUTING", "SECURITY"].map((name) => `${name}.md`),
  "bench/RESULTS.md",
];
const TRANSLATIONS: readonly (readonly [english: string, chinese: string])[] = [
  ["README.md", "README.zh-CN.md"],
  ["notebooks/01_static_quantization.ipynb", "notebooks/zh/01_静态量化.ipynb"],
  ["notebooks/02_mnist.ipynb", "notebooks/zh/02_手写数字.ipynb"],
];

/** Where a document of the repository lies on the site. */
export function pagePath(source: string): string {
  if (source === "README.md") return "index.html";
  if (source === "README.zh-CN.md") return "zh.html";
  return source.replace(/\.(?:md|ipynb)$/, ".html");
}

/**
 * What a link in a document is on the site: another page, a picture, an address; nothing where there is no such page.
 *
 * @param pages the documents that are pages, by their paths in the repository.
 */
export function linkFrom(source: string, pages: ReadonlySet<string>) {
  return (href: string): string | undefined => {
    if (/^(?:[a-z]+:|#)/.test(href)) return href;
    const [path, fragment] = href.split("#");
    const target = posix.join(posix.dirname(source), decodeURI(path));
    const place = pages.has(target) ? pagePath(target) : PICTURE.test(target) ? target : undefined;
    if (place === undefined) return undefined;
    return encodeURI(wayTo(pagePath(source), place)) + (fragment ? `#${fragment}` : "");
  };
}

/** The page of a document. */
export function pageOf(source: string, text: string, pages: ReadonlySet<string>): Page {
  const link = linkFrom(source, pages);
  const body = source.endsWith(".ipynb")
    ? notebookHtml(JSON.parse(text), link)
    : markdownHtml(text, link);
  const title = /<h1[^>]*>(.*?)<\/h1>/s.exec(body)?.[1].replace(/<[^>]*>/g, "") ?? basename(source);
  const pair = TRANSLATIONS.find((pair) => pair.includes(source));
  const language: Language = /zh/.test(source) ? "zh" : "en";
  const translation = pair && pagePath(pair[language === "zh" ? 0 : 1]);
  return { path: pagePath(source), title, language, body, translation };
}

/** Links of the site's own pages that lead nowhere. */
async function deadLinks(pages: readonly Page[]): Promise<string[]> {
  const dead: string[] = [];
  for (const { path, body } of pages) {
    for (const [, href] of body.matchAll(/(?:href|src)="([^"#:]+)(?:#[^"]*)?"/g)) {
      const target = join(SITE, dirname(path), decodeURI(href));
      const there = await Deno.stat(target).then(() => true, () => false);
      if (!there) dead.push(`${path} → ${href}`);
    }
  }
  return dead;
}

async function write(path: string, content: string | Uint8Array): Promise<void> {
  const file = join(SITE, path);
  await Deno.mkdir(dirname(file), { recursive: true });
  if (typeof content === "string") await Deno.writeTextFile(file, content);
  else await Deno.writeFile(file, content);
}

/** The API's reference. */
async function writeReference(): Promise<boolean> {
  const { exports } = JSON.parse(await Deno.readTextFile(join(root, "deno.json")));
  const entries = Object.values(exports as Record<string, string>)
    .filter((entry) => entry !== exports["./cli"]);
  return (await deno([
    "doc",
    "--html",
    "--name=staticquant",
    `--output=${join(SITE, "api")}`,
    ...entries,
  ])).ok;
}

async function main(): Promise<boolean> {
  await emptyFolder(SITE);
  const { buildPage } = await import("./web/build.ts"); // brings a bundler
  await buildPage();
  await copy(BUILT, join(SITE, "app"));
  if (!await writeReference()) return false;
  const walks = notebooks().map((path) => relative(root, path).replaceAll("\\", "/"));
  const sources = [...DOCUMENTS, ...walks];
  const known = new Set(sources);
  const pages: Page[] = [];
  for (const source of sources) {
    pages.push(pageOf(source, await Deno.readTextFile(join(root, source)), known));
  }
  for (const page of pages) await write(page.path, framed(page));
  for (const { name } of Deno.readDirSync(join(root, "docs"))) {
    if (PICTURE.test(name)) {
      await write(`docs/${name}`, await Deno.readFile(join(root, "docs", name)));
    }
  }
  const dead = await deadLinks(pages);
  dead.forEach((line) => console.error(`leads nowhere: ${line}`));
  console.log(`Written: ${join(SITE, "index.html")}, ${pages.length} pages beside the reference`);
  return dead.length === 0;
}

if (import.meta.main && !await main()) Deno.exit(1);
