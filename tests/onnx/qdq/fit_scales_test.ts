import { assert, assertEquals } from "@std/assert";
import { fitScales, offCentre } from "../../../lib/onnx/qdq/fit_scales.ts";
import { quantizeConstant, quantizeWeight } from "../../../lib/onnx/qdq/weights.ts";

const spec = { type: "int8", symmetric: true } as const;

/** Numbers with the density of a bell. */
function gaussian(length: number, seed: number): Float32Array {
  let state = seed;
  const uniform = () => (state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff) / 2 ** 31;
  return Float32Array.from({ length }, () => uniform() + uniform() + uniform() + uniform() - 2);
}

/** What rounding changes, element by element. */
function changes(data: Float32Array, quantized: ReturnType<typeof quantizeConstant>): number[] {
  const { integers, scale, zeroPoint } = quantized;
  const row = data.length / scale.length;
  return Array.from(data, (x, i) => {
    const c = Math.floor(i / row);
    return x - (integers[i] - zeroPoint[c]) * scale[c];
  });
}

const energy = (numbers: readonly number[]) => numbers.reduce((sum, x) => sum + x * x, 0);

Deno.test("fitScales: rounding changes less, the more the fewer elements a channel has", () => {
  for (const [size, gain] of [[9, 2], [32, 0.7], [128, 0.2]]) {
    const weight = { dims: [200, size], data: gaussian(200 * size, size) };
    for (const type of ["int8", "uint8"] as const) {
      const [plain, fitted] = [quantizeConstant, quantizeWeight].map((quantize) =>
        energy(changes(weight.data, quantize(weight, { ...spec, type }, 0)))
      );
      const decibels = 10 * Math.log10(plain / fitted);
      assert(decibels > gain, `${size} elements of ${type} gain ${decibels} dB`);
    }
  }
});

Deno.test("fitScales: of inputs with a mean, what all changes of a channel add up to counts", () => {
  const [channels, size] = [100, 64];
  const weight = { dims: [channels, size], data: gaussian(channels * size, 3) };
  const sums = (mean: number) => {
    const all = changes(weight.data, quantizeWeight(weight, spec, 0, undefined, mean));
    return energy(
      Array.from(
        { length: channels },
        (_, c) => all.slice(c * size, (c + 1) * size).reduce((sum, x) => sum + x, 0),
      ),
    );
  };
  assert(sums(1) < sums(0) / 10);
});

Deno.test("fitScales: along any axis, and large channels keep the scale that they have", () => {
  const data = gaussian(60, 5);
  const turned = data.map((_, i) => data[(i % 5) * 12 + Math.floor(i / 5)]);
  const scales = new Float32Array(5).fill(0.016);
  const rows = fitScales(data, { outer: 1, channels: 5, inner: 12 }, scales, 127);
  assertEquals(fitScales(turned, { outer: 12, channels: 5, inner: 1 }, scales, 127), rows);
  const large = gaussian(5000, 7);
  const [one] = fitScales(large, { outer: 1, channels: 1, inner: 5000 }, scales.slice(0, 1), 127);
  assertEquals(one, scales[0]);
});

Deno.test("offCentre: 0 around zero, 1 from zero on", () => {
  assertEquals([{ min: -2, max: 2 }, { min: 0, max: 3 }, { min: -3, max: 0 }].map(offCentre), [
    0,
    1,
    1,
  ]);
});
