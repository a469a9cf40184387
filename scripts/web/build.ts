/**
 * Writes the page into `.cache/web`: a folder that any static server serves.
 *
 * @module
 */
import * as esbuild from "esbuild";
import { join } from "node:path";
import { hostPlugin, SYMBOLS } from "../bundle.ts";
import { root } from "../paths.ts";
import { writeExamples } from "./examples.ts";
import { SITE } from "./folder.ts";
import { writeLicences } from "./licences.ts";
import { ensureModules } from "./modules.ts";

/** onnxruntime's part for browsers: plain WebAssembly, which computes bytes rightly and fastest. */
const RUNTIME = ["ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"];

/** Packages that come into the bundle; onnxruntime is loaded beside it when a model is opened. */
const BUNDLED = ["@bufbuild/protobuf", "@observablehq/plot", "onnx-buf"];

/** Lets the bundle import onnxruntime from the page's own folder. */
const runtimePlugin: esbuild.Plugin = {
  name: "onnxruntime",
  setup(build) {
    build.onResolve({ filter: /^onnxruntime-web\/wasm$/ }, () => {
      return { path: `./onnxruntime/${RUNTIME[0]}`, external: true };
    });
    // Only drawn with where there is no page.
    build.onResolve({ filter: /^linkedom$/ }, ({ path }) => ({ path, external: true }));
  },
};

/** Builds the page. */
export async function buildPage(): Promise<void> {
  const modules = await ensureModules();
  await Deno.remove(SITE, { recursive: true }).catch(() => {});
  await Deno.mkdir(join(SITE, "onnxruntime"), { recursive: true });
  const web = join(root, "web");
  const { metafile } = await esbuild.build({
    entryPoints: [join(web, "page.tsx"), join(web, "worker", "worker.ts")],
    entryNames: "[name]",
    chunkNames: "part-[hash]",
    outdir: SITE,
    bundle: true,
    splitting: true,
    format: "esm",
    minify: true,
    sourcemap: true,
    target: ["es2022"],
    jsx: "automatic",
    jsxImportSource: "preact",
    nodePaths: [modules],
    plugins: [runtimePlugin, hostPlugin("browser", BUNDLED)],
    banner: { js: SYMBOLS },
    metafile: true,
    logLevel: "warning",
  });
  await esbuild.stop();
  for (const name of ["index.html", "style.css", "icon.svg"]) {
    await Deno.copyFile(join(web, name), join(SITE, name));
  }
  const runtime = join(modules, "onnxruntime-web");
  for (const name of RUNTIME) {
    await Deno.copyFile(join(runtime, "dist", name), join(SITE, "onnxruntime", name));
  }
  await writeExamples(join(SITE, "examples"));
  const brought = [...Object.keys(metafile.inputs), join(runtime, "package.json")];
  await writeLicences(join(SITE, "licences.txt"), brought);
}

if (import.meta.main) {
  await buildPage();
  console.log(`Written: ${SITE}`);
}
