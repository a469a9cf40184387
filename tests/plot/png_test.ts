import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { inflateSync } from "node:zlib";
import { pngDataUri } from "../../lib/plot/png.ts";

Deno.test("a PNG holds its cells, enlarged, line by line", () => {
  const uri = pngDataUri(2, 1, (_, column) => column ? [1, 2, 3] : [255, 0, 128], 2);
  const file = Buffer.from(uri.slice("data:image/png;base64,".length), "base64");
  assertEquals(file.subarray(12, 16).toString(), "IHDR");
  assertEquals([file.readUInt32BE(16), file.readUInt32BE(20)], [4, 2]);
  const length = file.readUInt32BE(33);
  assertEquals(file.subarray(37, 41).toString(), "IDAT");
  const line = [0, 255, 0, 128, 255, 0, 128, 1, 2, 3, 1, 2, 3];
  assertEquals([...inflateSync(file.subarray(41, 41 + length))], [...line, ...line]);
});
