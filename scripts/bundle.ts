/**
 * Bundling the library with esbuild. The sources find their packages as Deno does; here they get the names that
 * Node or a browser has for them, written out for bundlers to see.
 *
 * @module
 */
import type { Plugin } from "esbuild";
import type { HostName } from "../lib/files/host.ts";
import { nameOn, packageName } from "../lib/files/import_package.ts";
import { PACKAGES } from "../lib/files/packages.ts";

/** What a browser without `using` lacks of it beside the syntax. */
export const SYMBOLS = `Symbol.dispose ??= Symbol.for("Symbol.dispose");
Symbol.asyncDispose ??= Symbol.for("Symbol.asyncDispose");`;

/** The line of `lib/files/import_package.ts` that puts a name together. */
const IMPORT = "  return import(nameOn(HOST, specifier)!);";

/** Lines in its place that have all names in full. */
function literalImports(host: Exclude<HostName, "deno">): string {
  const names = new Set(
    Object.values(PACKAGES).map((specifier) => nameOn(host, specifier))
      .filter((name) => name !== undefined),
  );
  const lines = [...names].map((name) => `case ${JSON.stringify(name)}: return import("${name}");`);
  return `  switch (nameOn(HOST, specifier)) {
    ${lines.join("\n    ")}
  }
  return Promise.reject(new Error("it is no package of this library"));`;
}

/**
 * Makes the sources fit for Node or for browsers, as a plugin of esbuild. Packages stay outside of the bundle.
 *
 * @param host where the bundle is to run.
 * @param bundled packages that come into the bundle.
 */
export function hostPlugin(
  host: Exclude<HostName, "deno">,
  bundled: readonly string[] = [],
): Plugin {
  return {
    name: "host",
    setup(build) {
      build.onLoad({ filter: /[\\/]lib[\\/]files[\\/]import_package\.ts$/ }, async ({ path }) => {
        const source = await Deno.readTextFile(path);
        if (!source.includes(IMPORT)) throw new Error(`${path} has no line\n${IMPORT}`);
        return { contents: source.replace(IMPORT, literalImports(host)), loader: "ts" };
      });
      // All else that it says is for this repository.
      build.onLoad({ filter: /[\\/]deno\.json$/ }, async ({ path }) => {
        const { version } = JSON.parse(await Deno.readTextFile(path));
        return { contents: JSON.stringify({ version }), loader: "json" };
      });
      if (host === "browser") {
        // Pages have neither a notebook nor a console that would ask; it would keep everything in the bundle.
        build.onLoad(
          { filter: /[\\/]lib[\\/]display[\\/]register\.ts$/ },
          () => ({ contents: "" }),
        );
      }
      build.onResolve({ filter: /^npm:/ }, ({ path }) => {
        return { path: packageName(path), external: true };
      });
      const packages = Object.values(PACKAGES).map((specifier) => nameOn(host, specifier));
      build.onResolve({ filter: /^[@a-z]/ }, ({ path, kind }) => {
        if (kind === "entry-point" || !packages.includes(path) || bundled.includes(path)) return;
        return { path, external: true };
      });
    },
  };
}
