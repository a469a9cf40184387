import { assert, assertEquals, assertThrows } from "@std/assert";
import * as fc from "fast-check";
import { crc32 as nodeCrc32, inflateSync } from "node:zlib";
import { base64 } from "../../lib/files/base64.ts";
import { crc32, plainCrc32 } from "../../lib/files/checksum.ts";
import { codeOf, OpenFile, stat } from "../../lib/files/disk.ts";
import { HOST } from "../../lib/files/host.ts";
import { nameOn, packageName } from "../../lib/files/import_package.ts";
import { addingLine } from "../../lib/files/packages.ts";
import { deflate, store } from "../../lib/files/zlib.ts";
import { TestFolder } from "../data/files.ts";

Deno.test("what browsers compute themselves is what Node's modules compute", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array(), (a, b) => {
    const sum = plainCrc32(b, plainCrc32(a));
    assertEquals([sum, sum], [crc32(b, crc32(a)), nodeCrc32(b, nodeCrc32(a))]);
    assertEquals(new Uint8Array(inflateSync(store(a))), a);
    assertEquals(new Uint8Array(inflateSync(deflate(a))), a);
    assertEquals(Uint8Array.from(atob(base64(a)), (c) => c.charCodeAt(0)), a);
  }));
  const large = Uint8Array.from({ length: 200_000 }, (_, i) => i * i);
  assertEquals(new Uint8Array(inflateSync(store(large))), large);
  assertEquals(Uint8Array.from(atob(base64(large)), (c) => c.charCodeAt(0)), large);
  assertEquals(base64("é"), "w6k=");
});

Deno.test("errors of the system are of Deno's classes in Deno, with the system's codes", async () => {
  using folder = new TestFolder();
  const of = (work: Promise<unknown>) => work.then(() => undefined, (error) => error);
  const missing = await of(stat(`${folder.path}/none`));
  assert(missing instanceof Deno.errors.NotFound, String(missing));
  assertEquals(codeOf(missing), "ENOENT");
  const taken = await of(OpenFile.open(folder.write("x", ""), "wx"));
  assert(taken instanceof Deno.errors.AlreadyExists, String(taken));
  assertEquals(codeOf(taken), "EEXIST");
  assertThrows(() => OpenFile.openSync(`${folder.path}/none`), Deno.errors.NotFound);
});

Deno.test("packages have the names that hosts know them by", () => {
  assertEquals(HOST, "deno");
  const names = (specifier: string) =>
    (["deno", "node", "browser"] as const).map((host) => nameOn(host, specifier));
  const scoped = "npm:@bufbuild/protobuf@2.17.0";
  assertEquals(names(scoped), [scoped, "@bufbuild/protobuf", "@bufbuild/protobuf"]);
  const runtime = "npm:onnxruntime-node@1.30.0";
  assertEquals(names(runtime), [runtime, "onnxruntime-node", "onnxruntime-web/wasm"]);
  assertEquals(names("npm:sharp@0.35.5"), ["npm:sharp@0.35.5", "sharp", undefined]);
  const part = "npm:onnxruntime-web@1.30.0/wasm";
  assertEquals(names(part), [part, "onnxruntime-web/wasm", "onnxruntime-web/wasm"]);
  assertEquals(names("npm:@a/b@1/c"), ["npm:@a/b@1/c", "@a/b/c", "@a/b/c"]);
  assertEquals(packageName("npm:plain"), "plain");
  assertEquals(
    [addingLine("node", runtime), addingLine("browser", runtime), addingLine("node", scoped)],
    [
      "npm install --ignore-scripts onnxruntime-node@1.30.0",
      "npm install onnxruntime-web",
      "npm install @bufbuild/protobuf@2.17.0",
    ],
  );
  assertEquals(addingLine("deno", runtime), `deno add ${runtime}`);
});
