import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { IndexedAverage } from "../../../lib/onnx/calibration/indexed_average.ts";

const value = fc.float({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 });
const ranges = fc.array(
  fc.tuple(value, value).map(([a, b]) => ({
    min: Math.fround(Math.min(a, b)),
    max: Math.fround(Math.max(a, b)),
  })),
  { minLength: 1, maxLength: 60 },
);
const constants = fc.constantFrom(1e-6, 0.01, 0.3, 0.5, 0.9999, 1);

Deno.test("IndexedAverage: PyTorch's recurrence, to rounding", () => {
  fc.assert(
    fc.property(ranges, constants, (list, constant) => {
      const average = new IndexedAverage(constant);
      let [min, max] = [list[0].min, list[0].max];
      list.forEach((range, i) => {
        average.add(range, i);
        if (i > 0) {
          min += constant * (range.min - min);
          max += constant * (range.max - max);
        }
      });
      const size = Math.max(...list.flatMap(({ min, max }) => [Math.abs(min), Math.abs(max)]));
      const found = average.range();
      assert(Math.abs(found.min - min) <= 1e-6 * size, `${found.min} ${min}`);
      assert(Math.abs(found.max - max) <= 1e-6 * size, `${found.max} ${max}`);
      assert(found.min >= Math.min(...list.map(({ min }) => min)));
      assert(found.max <= Math.max(...list.map(({ max }) => max)));
    }),
    { seed: 1, numRuns: 300 },
  );
});

Deno.test("IndexedAverage: whoever sees which sample of the list in which order, the same bits", () => {
  fc.assert(
    fc.property(ranges, constants, fc.infiniteStream(fc.nat(3)), (list, constant, whose) => {
      const whole = new IndexedAverage(constant);
      list.forEach((range, i) => whole.add(range, 1000 * i));
      const parts = Array.from({ length: 4 }, () => new IndexedAverage(constant));
      const owners = list.map(() => whose.next().value);
      for (let i = list.length - 1; i >= 0; i--) parts[owners[i]].add(list[i], 1000 * i);
      const [a, b, c, d] = parts;
      assertEquals(a.merged(b).merged(c.merged(d)).save(), whole.save());
      const again = parts.map((part) => IndexedAverage.load(part.save(), constant, list.length)!);
      assertEquals(
        again[3].merged(again[1].merged(again[0])).merged(again[2]).save(),
        whole.save(),
      );
      assertEquals(IndexedAverage.load(whole.save(), constant, list.length - 1), undefined);
    }),
    { seed: 2, numRuns: 300 },
  );
});

Deno.test("IndexedAverage: places of a billion samples", () => {
  const average = new IndexedAverage(0.01);
  for (let i = 0; i < 100; i++) average.add({ min: -i, max: i }, 1e9 + i);
  const { min, max } = average.range();
  assert(max > 49 && max < 70 && min === -max, `${min} ${max}`);
});
