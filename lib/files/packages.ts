/**
 * The packages that ONNX, samples and plots need, loaded when first used. Their specifiers are kept from the module
 * graph on purpose: a literal `import("npm:…")` would make Deno fetch them for every program that
 * imports this library, and onnxruntime-node is more than 100 MB to download.
 *
 * @module
 */

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
  plot: "npm:@observablehq/plot@0.6.17",
  sharp: "npm:sharp@0.35.5",
} as const;

/** What onnxruntime looks at when it is loaded: unless it is set, it sends data about its use to its makers. */
const NO_TELEMETRY = "ORT_DISABLE_TELEMETRY";

/** Switches onnxruntime's telemetry off, if this program may set the variable for it without asking. */
async function switchTelemetryOff(): Promise<void> {
  const { state } = await Deno.permissions.query({ name: "env", variable: NO_TELEMETRY });
  if (state === "granted" && Deno.env.get(NO_TELEMETRY) === undefined) {
    Deno.env.set(NO_TELEMETRY, "1");
  }
}

/**
 * Loads a package. Before onnxruntime its telemetry is switched off, which takes the permission
 * `--allow-env=ORT_DISABLE_TELEMETRY`, or that variable set.
 *
 * @param where opens the error.
 * @param specifier the package with its version.
 * @param needed what to add to a project that lacks it; the package by default.
 * @throws {Error} if it cannot be loaded; says what to type.
 */
export async function loadPackage<T>(
  where: string,
  specifier: string,
  needed: string = specifier,
): Promise<T> {
  if (specifier === PACKAGES.onnxruntime) await switchTelemetryOff();
  try {
    return await import(specifier);
  } catch (cause) {
    const refused = cause instanceof Error && cause.name === "NotCapable";
    throw new Error(
      refused
        ? `${where}: ${specifier} may not be loaded (${cause.message}); native code needs ` +
          `the permission --allow-ffi`
        : `${where}: ${specifier} could not be loaded; add it to your project with\n  deno add ${needed}`,
      { cause },
    );
  }
}
