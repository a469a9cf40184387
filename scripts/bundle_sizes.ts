/**
 * How large what a page loads is: the tutorial's program alone, and with ONNX files, bundled from the npm package
 * as a project of its user's would, with all that is not used shaken out.
 *
 * @module
 */
import * as esbuild from "esbuild";
import { relative } from "node:path";
import { ensureNodePackages, pinned } from "./node_packages.ts";
import { NPM } from "./npm.ts";
import { cache, root } from "./paths.ts";
import config from "../deno.json" with { type: "json" };

/** What the browser is to load at most, in kilobytes of 1000 bytes, compressed. */
const MOST = { tutorial: 120, onnx: 350 } as const;

const TUTORIAL = `import { init } from "${config.name}";
export * from "${root}/examples/static_quantization.ts";
export { init };
`;

const ONNX = `${TUTORIAL}
export { compareOnnx, inspectOnnx, loadOnnx, OnnxCalibration, quantizeStatic, readSamples, saveOnnx }
  from "${config.name}";
`;

/**
 * Bytes that a page loads of a program, once it is bundled, minified and compressed.
 *
 * @param messages whether it comes to loading the messages of ONNX files; help and pictures are always left out.
 */
async function bytesOf(program: string, messages: boolean): Promise<number> {
  const modules = await ensureNodePackages(
    `${cache}/node_packages_of_pages`,
    pinned(["@bufbuild/protobuf", "onnx-buf"]),
  );
  const { outputFiles, metafile } = await esbuild.build({
    stdin: { contents: program, resolveDir: root },
    bundle: true,
    splitting: true,
    minify: true,
    format: "esm",
    platform: "browser",
    target: ["es2023"],
    write: false,
    metafile: true,
    absWorkingDir: root,
    outdir: `${cache}/sizes`,
    nodePaths: [modules],
    alias: { [config.name]: `${NPM}/browser/mod.js` },
    external: ["onnxruntime-web", "@observablehq/plot", "linkedom"],
    logLevel: "error",
  });
  const wanted = new Set<string>();
  const take = (path: string) => {
    if (wanted.has(path)) return;
    wanted.add(path);
    for (const { path: other, kind, external } of metafile.outputs[path].imports) {
      const loaded = messages && metafile.outputs[other]?.entryPoint?.includes("node_modules");
      if (!external && (kind === "import-statement" || loaded)) take(other);
    }
  };
  const [entry] = Object.keys(metafile.outputs).filter((path) => path.endsWith("/stdin.js"));
  take(entry);
  let sum = 0;
  for (const { path, contents } of outputFiles) {
    if (!wanted.has(relative(root, path))) continue;
    const compressed = new Blob([contents as Uint8Array<ArrayBuffer>]).stream()
      .pipeThrough(new CompressionStream("gzip"));
    sum += (await new Response(compressed).arrayBuffer()).byteLength;
  }
  return sum;
}

/** Whether the bundles are as small as they are to be; needs the built package. */
export async function checkSizes(): Promise<boolean> {
  let ok = true;
  for (const [name, program] of [["tutorial", TUTORIAL], ["onnx", ONNX]] as const) {
    const kilobytes = await bytesOf(program, name === "onnx") / 1000;
    console.log(`${name}: ${kilobytes.toFixed(1)} kB of at most ${MOST[name]}`);
    ok &&= kilobytes <= MOST[name];
  }
  await esbuild.stop();
  return ok;
}

if (import.meta.main) Deno.exit(await checkSizes() ? 0 : 1);
