import { assertEquals } from "@std/assert";
import { hostsIn } from "../../scripts/hosts.ts";

Deno.test("hosts: what binds a file to one is found, comments are passed over", () => {
  const of = (text: string) =>
    hostsIn("lib/nn/x.ts", text).map((found) => found.split(" ").slice(1, 3).join(" "));
  assertEquals(of('const x = Deno.args; import("node:fs");'), ["names Deno", "names a"]);
  assertEquals(of('import { join } from "node:path";'), ["names a"]);
  assertEquals(of("await Deno\n  .readFile(path); `${process.env.X}`"), [
    "names Deno",
    "names what",
  ]);
  assertEquals(of("const b = Buffer.from(x);"), ["names what"]);
  assertEquals(of('import config from "./deno.json" with { type: "json" };'), ["imports what"]);
  assertEquals(of('/** `Deno.args` */ // "node:fs"\nf(node: Node); "http://Deno"; "a // b"'), []);
  assertEquals(of('Symbol.for("Deno.customInspect")'), []);
  assertEquals(of('"/*"; Deno.exit(); "*/"'), ["names Deno"]);
  assertEquals(hostsIn("lib/files/x.ts", "Deno.args"), []);
});
