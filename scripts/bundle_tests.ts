/**
 * Tests as one module for a page or for Node, so that nothing is written twice.
 *
 * @module
 */
import * as esbuild from "esbuild";
import { hostPlugin } from "./bundle.ts";
import { filesIn } from "./folders.ts";
import { ensureNodePackages, pinned } from "./node_packages.ts";
import { cache, root } from "./paths.ts";
import config from "../deno.json" with { type: "json" };

/** Where the tests are that ask nothing of Deno but to be run. */
const FOLDERS = ["backend", "conformance", "nn", "numbers", "quantization", "tensor"];

/** Those in them that ask for more, and what that is. */
const MORE: ReadonlyMap<string, string> = new Map([
  ["tests/nn/tied_weights_test.ts", "onnxruntime"],
  ["tests/quantization/analysis/compare_models_test.ts", "Deno's console"],
  ["tests/numbers/float16_test.ts", "the language's own halves"],
  ["tests/quantization/configs/smooth_quant_test.ts", "onnxruntime"],
  ["tests/quantization/observers/streaming_observers_test.ts", "onnxruntime"],
  ["tests/quantization/observers/toy_observer_test.ts", "Deno's console"],
  ["tests/quantization/toy_layer_test.ts", "onnxruntime and Deno's console"],
  ["tests/tensor/inputs_test.ts", "the memory of the process"],
]);

/** Packages that tests use, in their bundles. */
const BUNDLED = ["@bufbuild/protobuf", "@observablehq/plot", "fast-check", "linkedom", "onnx-buf"];

/** The tests that run everywhere. */
export async function portableTests(): Promise<string[]> {
  const found: string[] = [];
  for (const folder of FOLDERS) {
    for await (const path of filesIn(`${root}/tests/${folder}`)) {
      if (path.endsWith("_test.ts") && !MORE.has(path.slice(root.length + 1))) {
        found.push(path);
      }
    }
  }
  return found.sort();
}

/** What stands in for Deno, as a module's text; it is imported before the tests. */
export async function bundleShim(): Promise<string> {
  const source = await Deno.readTextFile(`${root}/tests/hosts/shim.ts`);
  return (await esbuild.transform(source, { loader: "ts", format: "esm" })).code;
}

/**
 * A module that defines the tests of a file, as text.
 *
 * @param minify whether names are made short, as projects do; functions of tests are then called otherwise too.
 */
export async function bundleTests(
  host: "node" | "browser",
  path: string,
  minify = false,
): Promise<string> {
  const modules = await ensureNodePackages(`${cache}/test_packages`, pinned(BUNDLED));
  const { outputFiles } = await esbuild.build({
    entryPoints: [path],
    bundle: true,
    format: "esm",
    platform: host,
    target: ["es2023"],
    write: false,
    logLevel: "warning",
    alias: {
      "@std/assert": `${root}/vendor/std-assert/mod.ts`,
      [config.name]: `${root}/mod.ts`,
    },
    nodePaths: [modules],
    minify,
    keepNames: !minify,
    plugins: [hostPlugin(host, BUNDLED)],
  });
  return outputFiles[0].text;
}
