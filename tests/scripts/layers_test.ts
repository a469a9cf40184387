import { assertEquals, assertThrows } from "@std/assert";
import type { Imports } from "../../scripts/floors.ts";
import { circles, climbs, floorOf } from "../../scripts/layers.ts";

const floors = ["lib/ground", "lib/wall", "lib/wall/door.ts", "mod.ts"];
const imports = (files: Record<string, string[]>): Imports => new Map(Object.entries(files));

Deno.test("the longest path that fits says on which floor a file is", () => {
  assertEquals(floorOf("lib/wall/a.ts", floors), 1);
  assertEquals(floorOf("lib/wall/door.ts", floors), 2);
  assertThrows(() => floorOf("lib/walls/a.ts", floors), Error, "lib/walls/a.ts is on no floor");
});

Deno.test("an import that climbs is named with both files, one that goes down is not", () => {
  const house = imports({
    "mod.ts": ["lib/wall/a.ts"],
    "lib/wall/a.ts": ["lib/ground/a.ts", "lib/wall/b.ts", "lib/wall/door.ts"],
    "lib/ground/a.ts": ["lib/wall/a.ts"],
  });
  assertEquals(climbs(house, floors), [
    "lib/wall/a.ts → lib/wall/door.ts",
    "lib/ground/a.ts → lib/wall/a.ts",
  ]);
});

Deno.test("circles are found wherever they are entered", () => {
  const house = imports({ a: ["b"], b: ["c", "d"], c: ["b"], d: [] });
  assertEquals(circles(house), ["b → c → b"]);
  assertEquals(circles(imports({ a: ["b", "c"], b: ["c"], c: [] })), []);
});
