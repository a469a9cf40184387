/**
 * Which onnxruntime runs models in this program.
 *
 * @module
 */
import { HOST } from "../../files/host.ts";
import { loadPackage, PACKAGES } from "../../files/packages.ts";
import { checkChoice } from "../../numbers/arguments.ts";
import type { Ort } from "./ort.ts";

/** A build of onnxruntime: native code, or WebAssembly, which pages have. */
export type OnnxRuntimeBuild = "native" | "wasm";

let build: OnnxRuntimeBuild = HOST === "browser" ? "wasm" : "native";

/** WebAssembly's part that is set up. */
interface WasmOrt extends Ort {
  readonly env: { readonly wasm: { numThreads?: number } };
}

/**
 * Says which build of onnxruntime runs models from now on; native code unless it is told, and in a browser
 * WebAssembly. Floats are added up in another order by each, so the last bits of what is observed differ, and of the
 * scales that are made of them. WebAssembly does the same everywhere: a model that is quantized with it here and in a page
 * has the same bytes. It is several times slower, asks for no permission but to read its package, and maps no files
 * into memory.
 *
 * @param next the build.
 * @throws {TypeError} if it is none.
 * @throws {Error} for native code in a browser.
 *
 * @example
 * ```ts
 * import { exportOnnx, Linear, quantizeStatic, randn, useOnnxRuntime } from "@staticquant/staticquant";
 * useOnnxRuntime("wasm");
 * const file = await exportOnnx(new Linear(4, 2), randn([1, 4]));
 * console.log((await quantizeStatic(file, [{ input: randn([1, 4]) }])).nodes[0].quantized); // true
 * useOnnxRuntime("native");
 * ```
 */
export function useOnnxRuntime(next: OnnxRuntimeBuild): void {
  checkChoice("useOnnxRuntime", "the build", next, ["native", "wasm"]);
  if (HOST === "browser" && next === "native") {
    throw new Error('useOnnxRuntime: a page cannot load native code; it has "wasm"');
  }
  build = next;
}

/** Whether onnxruntime reads and writes files itself: WebAssembly has none. */
export function runtimeHasFiles(): boolean {
  return build === "native";
}

/**
 * Loads onnxruntime.
 *
 * @param where opens the error.
 * @throws {Error} if the package cannot be loaded; says what to type.
 */
export async function loadOrt(where: string): Promise<Ort> {
  if (build === "native" || HOST === "browser") {
    return await loadPackage<Ort>(where, PACKAGES.onnxruntime);
  }
  const ort = await loadPackage<WasmOrt>(where, PACKAGES.onnxruntimeWasm);
  // As in a page, which mostly may start no more.
  ort.env.wasm.numThreads = 1;
  return ort;
}
