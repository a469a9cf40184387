import { assertEquals } from "@std/assert";
import { decodeMinMaxState, emptyMinMaxState } from "../../lib/backend/minmax_state.ts";
import { tensor } from "../../mod.ts";
import { eachBackend, eachTiling } from "../backends.ts";

eachBackend(
  "minima and maxima of blocks are those of their elements",
  (device) =>
    eachTiling(device, async (backend) => {
      for (const [rows, columns] of [[1, 1], [3, 5], [65, 130], [2, 9000]]) {
        const values = Float32Array.from(
          { length: rows * columns },
          (_, i) => Math.sin(i * 1.7) * 2 ** (i % 40 - 20),
        );
        using x = tensor(values, { shape: [rows, columns], device });
        const column = (j: number) => values.filter((_, i) => i % columns === j);
        const cases: [number[], Float32Array[]][] = [
          [[rows, columns], [values]],
          [
            [1, columns],
            Array.from({ length: rows }, (_, r) => values.subarray(r * columns, (r + 1) * columns)),
          ],
          [[rows, 1], Array.from({ length: Math.min(columns, 130) }, (_, j) => column(j))],
        ];
        for (const [block, expected] of cases) {
          if (block[1] === 1 && columns > 130) continue;
          const state = backend.upload(emptyMinMaxState(expected.length));
          backend.updateMinMax(state, x.operand, block, 0);
          const { min, max, badBatch } = decodeMinMaxState(await backend.read(state));
          backend.release(state);
          assertEquals([...min], expected.map((block) => Math.min(...block)));
          assertEquals([...max], expected.map((block) => Math.max(...block)));
          assertEquals(badBatch, undefined);
        }
      }
    }),
);
