/**
 * Writes the pages site into `.cache/site`: the API's reference and the notebooks as pages, with an
 * index.
 *
 * @module
 */
import { basename, join } from "node:path";
import { ensureJupyter, jupyterEnv } from "./jupyter.ts";
import { cache, notebooks, root } from "./paths.ts";
import { deno, run } from "./run.ts";

const site = join(cache, "site");
await Deno.mkdir(join(site, "notebooks"), { recursive: true });

const { exports } = JSON.parse(await Deno.readTextFile(join(root, "deno.json")));
const entries = Object.values(exports as Record<string, string>)
  .filter((entry) => entry !== exports["./cli"]);
const doc = ["doc", "--html", "--name=staticquant", `--output=${join(site, "api")}`, ...entries];
if (!(await deno(doc)).ok) Deno.exit(1);

const jupyter = await ensureJupyter();
if (!jupyter) Deno.exit(1);
const [program, ...first] = jupyter;
const pages: string[] = [];
for (const path of notebooks()) {
  const args = [...first, "--to=html", `--output-dir=${join(site, "notebooks")}`, path];
  if (!(await run(program, args, { env: jupyterEnv() })).ok) Deno.exit(1);
  pages.push(basename(path, ".ipynb"));
}

const links = pages.map((name) => `<li><a href="notebooks/${name}.html">${name}</a></li>`);
await Deno.writeTextFile(
  join(site, "index.html"),
  `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>staticquant</title>
<style>:root { color-scheme: light dark } body { font: 16px/1.5 system-ui; max-width: 40em; margin: 2em auto; padding: 0 1em }</style>
<h1>staticquant</h1>
<p>Static quantization of neural networks in TypeScript, on Deno.</p>
<h2>Notebooks</h2>
<ul>
${links.join("\n")}
</ul>
<h2>Reference</h2>
<ul><li><a href="api/index.html">Every export</a></li></ul>
</html>
`,
);
console.log(`Written: ${join(site, "index.html")}`);
