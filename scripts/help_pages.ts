/**
 * Writes `lib/display/help_pages.ts`, what `help` shows: a page of Markdown for each export, made of its
 * doc comments. With `--check` it only says whether that file is current.
 *
 * @module
 */
import { join } from "node:path";
import { root } from "./paths.ts";
import { deno } from "./run.ts";

const TARGET = join(root, "lib", "display", "help_pages.ts");

/** The parts of `deno doc --json` that a page is made of. */
interface Documented {
  readonly name?: string;
  readonly isStatic?: boolean;
  readonly jsDoc?: { readonly doc?: string; readonly tags?: readonly Tag[] };
}

interface Tag {
  readonly kind: string;
  readonly name?: string;
  readonly doc?: string;
  readonly tsType?: { readonly repr?: string };
}

interface Declaration extends Documented {
  readonly kind: string;
  readonly def: {
    readonly constructors?: readonly Documented[];
    readonly properties?: readonly Documented[];
    readonly methods?: readonly Documented[];
  };
}

/** An export: its declarations, and how `deno doc` prints them. */
export interface Export {
  readonly name: string;
  readonly declarations: readonly Declaration[];
  readonly printed: string;
}

/** `{@linkcode x}` and other links as the name that they show. */
function plain(text: string | undefined): string {
  return (text ?? "").trim().replace(/\{@link(?:code|plain)?\s+([^}]*?)\}/g, "`$1`");
}

/** Text that goes on in a list: its line ends are spaces. */
function line(text: string | undefined): string {
  return plain(text).replace(/\s*\n\s*/g, " ");
}

/** Parameters, what comes back and what is thrown, as a list. */
function facts(tags: readonly Tag[]): string {
  return tags.flatMap(({ kind, name, doc, tsType }) => {
    if (kind === "param") return [`- \`${name}\`: ${line(doc)}`];
    if (kind === "return") return [`- returns ${line(doc)}`];
    if (kind === "throws") return [`- throws \`${tsType?.repr ?? "Error"}\` ${line(doc)}`];
    return [];
  }).join("\n");
}

/** Public constructors, fields and methods with a doc comment, as a list. */
function members({ name, declarations, printed }: Export): string {
  const defs = declarations.flatMap(({ def }) => [
    ...def.constructors ?? [],
    ...def.properties ?? [],
    ...def.methods ?? [],
  ]);
  const seen = new Set<string>();
  return defs.flatMap((member) => {
    const called = member.name ?? "constructor";
    const text = line(member.jsDoc?.doc);
    if (member.isStatic && called === "name") return []; // the class itself is called so
    if (!text || seen.has(called) || !/^[A-Za-z]\w*$/.test(called)) return [];
    seen.add(called);
    const signature = new RegExp(
      `^  (?:(?:static|readonly|abstract|override|async|get|set) )*${called}(?=[?(:<]).*$`,
      "m",
    ).exec(printed)?.[0].trim();
    if (!signature) return []; // private
    return [`- \`${signature.replace(/^constructor/, `new ${name}`)}\`: ${text}`];
  }).join("\n");
}

/** The page of an export. */
export function helpPage(exported: Export): string {
  const { name, declarations, printed } = exported;
  const first = new RegExp(`^(?:[a-z*]+ )*${name}\\b.*$`, "gm");
  const signatures = [...printed.matchAll(first)].map(([signature]) => signature.trim());
  const documented = declarations.find(({ jsDoc }) => jsDoc?.tags?.length) ??
    declarations.find(({ jsDoc }) => jsDoc?.doc);
  const tags = documented?.jsDoc?.tags ?? [];
  const examples = tags.filter(({ kind }) => kind === "example").map(({ doc }) => plain(doc));
  return [
    `\`\`\`ts\n${signatures.join("\n")}\n\`\`\``,
    plain(documented?.jsDoc?.doc),
    facts(tags),
    members(exported),
    ...examples,
  ].filter(Boolean).join("\n\n");
}

/** What `deno doc` prints of each export, by name. */
export function printedByName(text: string): Map<string, string> {
  const blocks = new Map<string, string>();
  for (const block of text.split(/^Defined in .*\n/m).slice(1)) {
    const name = /^\s*(?:[a-z*]+ )*([A-Za-z_$][\w$]*)/.exec(block)?.[1];
    if (name) blocks.set(name, (blocks.get(name) ?? "") + block);
  }
  return blocks;
}

async function denoDoc(...args: string[]): Promise<string> {
  const env = { NO_COLOR: "1" };
  const { ok, stdout } = await deno(["doc", ...args, "mod.ts"], { output: "keep", env });
  if (!ok) throw new Error("`deno doc` failed");
  return stdout;
}

/** The whole file. */
async function helpFile(): Promise<string> {
  const [json, text] = [await denoDoc("--json"), await denoDoc()];
  const printed = printedByName(text);
  const [{ symbols }] = Object.values(JSON.parse(json).nodes) as { symbols: Export[] }[];
  const entries = symbols
    .map((symbol) => helpPage({ ...symbol, printed: printed.get(symbol.name) ?? "" }))
    .map((page, i) => `  ${JSON.stringify(symbols[i].name)}: ${JSON.stringify(page)},`)
    .sort();
  return `// Made of the doc comments by \`deno task help\`; not to be edited.
// deno-fmt-ignore-file
/** A page of Markdown for each export. */
export const HELP_PAGES: Readonly<Record<string, string>> = {
${entries.join("\n")}
};
`;
}

if (import.meta.main) {
  const file = await helpFile();
  if (!Deno.args.includes("--check")) {
    await Deno.writeTextFile(TARGET, file);
  } else if (await Deno.readTextFile(TARGET).catch(() => "") !== file) {
    console.error("lib/display/help_pages.ts is not current; write it anew: deno task help");
    Deno.exitCode = 1;
  }
}
