import { assertEquals, assertRejects } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { loadPackage, PACKAGES } from "../../lib/files/packages.ts";

Deno.test("loadPackage: a package that is missing is named, with the line to type", async () => {
  const missing = "data:text/javascript,import 'npm:'";
  const error = await assertRejects(() => loadPackage("compile", missing), Error);
  assertEquals(error.message.split("\n"), [
    `compile: ${missing} could not be loaded; add it to your project with`,
    `  deno add ${missing}`,
  ]);
});

Deno.test("loadPackage: a missing permission is named", async () => {
  const source = "const e = new Error('Requires ffi access'); e.name = 'NotCapable'; throw e;";
  await assertRejects(
    () => loadPackage("compile", `data:text/javascript,${encodeURIComponent(source)}`),
    Error,
    "--allow-ffi",
  );
});

Deno.test("PACKAGES: the versions are those of deno.json", () => {
  const imports = Object.values<string>(config.imports);
  for (const specifier of Object.values(PACKAGES)) {
    assertEquals(imports.filter((pinned) => pinned === specifier), [specifier]);
  }
});

Deno.test("the version of the parser of arguments is that of deno.json", async () => {
  const source = await Deno.readTextFile(new URL("../../lib/cli/commander.ts", import.meta.url));
  assertEquals(/from "(npm:.*)"/.exec(source)?.[1], config.imports.commander);
});

Deno.test("onnxruntime is told to send nothing before it is loaded", async () => {
  await loadPackage("test", PACKAGES.onnxruntime);
  assertEquals(Deno.env.get("ORT_DISABLE_TELEMETRY"), "1");
});
