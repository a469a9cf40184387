import { assert, assertEquals } from "@std/assert";
import { placeLabels, spread } from "../../lib/plot/place_labels.ts";

Deno.test("labels of dots that lie close together neither cover each other nor a dot or a line", () => {
  const dots = [[100, 100], [104, 97], [110, 102], [96, 104], [108, 93]].map(([x, y]) => ({
    x,
    y,
  }));
  const line = Array.from({ length: 40 }, (_, i) => ({ x: 20 + 6 * i, y: 88 }));
  const size = { width: 9, height: 12 };
  const labels = placeLabels(dots, size, line);
  assertEquals(labels.length, dots.length);
  const apart = (a: { x: number; y: number }, b: { x: number; y: number }, w: number, h: number) =>
    Math.abs(a.x - b.x) >= w || Math.abs(a.y - b.y) >= h;
  labels.forEach((label, i) => {
    for (const other of labels.slice(i + 1)) {
      assert(apart(label, other, size.width, size.height), JSON.stringify(labels));
    }
    for (const place of [...dots, ...line]) {
      assert(apart(label, place, size.width / 2 + 5, size.height / 2 + 5), JSON.stringify(label));
    }
  });
});

Deno.test("a label with room around it stands below its dot", () => {
  assertEquals(placeLabels([{ x: 10, y: 10 }], { width: 9, height: 12 }), [{ x: 10, y: 24 }]);
});

Deno.test("places are spread as little as need be", () => {
  assertEquals(spread([0, 50, 51], 10, 100), [0, 50, 60]);
  assertEquals(spread([90, 95, 99], 10, 100), [80, 90, 100]);
  assertEquals(spread([], 10, 100), []);
});
