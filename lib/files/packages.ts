/**
 * The packages that ONNX, samples and plots need, loaded when first used.
 *
 * @module
 */
import { setIfUnset } from "./environment.ts";
import { HOST, HostError, type HostName } from "./host.ts";
import { importPackage, nameOn, packageName } from "./import_package.ts";
import { isRefused } from "./permissions.ts";

/** Reads and writes protobuf. */
export type Protobuf = typeof import("@bufbuild/protobuf");
/** The messages of ONNX files. */
export type OnnxBuf = typeof import("onnx-buf");

/** The pinned versions; the same as in deno.json. */
export const PACKAGES = {
  protobuf: "npm:@bufbuild/protobuf@2.17.0",
  onnxBuf: "npm:onnx-buf@1.20.0-1",
  linkedom: "npm:linkedom@0.18.15",
  onnxruntime: "npm:onnxruntime-node@1.30.0",
  onnxruntimeWasm: "npm:onnxruntime-web@1.30.0/wasm",
  plot: "npm:@observablehq/plot@0.6.17",
  sharp: "npm:sharp@0.35.5",
  webgpu: "npm:webgpu@0.6.2",
} as const;

/** What onnxruntime looks at when it is loaded: unless it is set, it sends data about its use to its makers. */
const NO_TELEMETRY = "ORT_DISABLE_TELEMETRY";

/**
 * The line that adds packages to a project.
 *
 * @param host where it is loaded.
 * @param specifiers the packages, as Deno names them.
 */
export function addingLine(host: HostName, specifiers: string): string {
  if (host === "deno") return `deno add ${specifiers}`;
  const packages = specifiers.split(" ").map((specifier) => {
    // With its version, where it is the same package on this host.
    const name = nameOn(host, specifier) ?? packageName(specifier);
    const whole = specifier.replace(/^npm:/, "");
    return whole.startsWith(`${name}@`) ? whole : name.replace(/\/wasm$/, "");
  });
  // The script of onnxruntime-node fetches what graphics cards need, and where it cannot, npm leaves all of it out.
  const isRuntime = host === "node" && specifiers === PACKAGES.onnxruntime;
  return `npm install ${isRuntime ? "--ignore-scripts " : ""}${packages.join(" ")}`;
}

/**
 * Loads a package. Before onnxruntime its telemetry is switched off, which takes the permission
 * `--allow-env=ORT_DISABLE_TELEMETRY`, or that variable set.
 *
 * @param where opens the error.
 * @param specifier the package with its version, as Deno names it.
 * @param needed what to add to a project that lacks it; the package by default.
 * @throws {Error} if it cannot be loaded; says what to type.
 */
export async function loadPackage<T>(
  where: string,
  specifier: string,
  needed: string = specifier,
): Promise<T> {
  const name = nameOn(HOST, specifier);
  if (name === undefined) {
    throw new HostError(
      `${where}: ${packageName(specifier)} is native code, which no page can load`,
    );
  }
  if (specifier === PACKAGES.onnxruntime) setIfUnset(NO_TELEMETRY, "1");
  try {
    return await importPackage(specifier) as T;
  } catch (cause) {
    const refused = isRefused(cause);
    throw new Error(
      refused
        ? `${where}: ${name} may not be loaded (${cause.message}); native code needs ` +
          `the permission --allow-ffi`
        : `${where}: ${name} could not be loaded; add it to your project with\n  ${
          addingLine(HOST, needed)
        }`,
      { cause },
    );
  }
}
