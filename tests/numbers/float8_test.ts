import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  AffineQuantizedHistogramObserver,
  AffineQuantizedMinMaxObserver,
  AffineQuantizedMSEObserver,
  chooseQParamsAffine,
  dequantizeAffine,
  type DType,
  finfo,
  float8_e4m3fn,
  float8_e5m2,
  loadSafetensors,
  MappingType,
  PerAxis,
  PerTensor,
  quantizeAffine,
  saveSafetensors,
  tensor,
  tensorFromBytes,
} from "../../mod.ts";
import { eachBackend } from "../backends.ts";

const float8s: [DType, number, number][] = [[float8_e4m3fn, 3, 7], [float8_e5m2, 2, 15]];

/** Every finite value of a dtype, by its bits, from the definition. */
function values(mantissaBits: number, bias: number, max: number): number[] {
  const all: number[] = [];
  for (let bits = 0; bits < 128; bits++) {
    const field = bits >> mantissaBits;
    const mantissa = (bits & ((1 << mantissaBits) - 1)) / (1 << mantissaBits);
    const value = field === 0 ? mantissa * 2 ** (1 - bias) : (1 + mantissa) * 2 ** (field - bias);
    if (value <= max) all.push(value);
  }
  return all;
}

eachBackend("all finite 8-bit floats are read and written as defined", async (device) => {
  for (const [dtype, mantissaBits, bias] of float8s) {
    const finite = values(mantissaBits, bias, dtype.max);
    assertEquals(finite.at(-1), dtype.max);
    const bytes = Uint8Array.from([...finite.keys(), ...[...finite.keys()].map((b) => b | 0x80)]);
    const both = [...finite, ...finite.map((v) => -v)];
    using raw = tensorFromBytes(bytes, { shape: [bytes.length], dtype, device });
    assertEquals([...await raw.data()], both);
    using wide = raw.to(tensor([0]).dtype);
    assertEquals([...await wide.data()], both);
    using narrow = wide.to(dtype);
    assertEquals(await narrow.bytes(), bytes);
    assertEquals(finfo(dtype).eps, 2 ** -mantissaBits);
  }
});

eachBackend(
  "floats become the nearest 8-bit float, ties to even, as PyTorch casts",
  async (device) => {
    for (const [dtype, mantissaBits, bias] of float8s) {
      const finite = values(mantissaBits, bias, dtype.max);
      const nearest = (x: number) => {
        if (dtype === float8_e5m2 && Math.abs(x) >= 61440) return x * Infinity;
        const magnitude = Math.min(Math.abs(x), dtype.max);
        let best = 0;
        finite.forEach((v, bits) => {
          const [d, least] = [Math.abs(v - magnitude), Math.abs(finite[best] - magnitude)];
          if (d < least || (d === least && bits % 2 === 0)) best = bits;
        });
        return Math.sign(x) * finite[best];
      };
      const inputs = [
        ...finite.flatMap((v, i) => [v, (v + (finite[i + 1] ?? v)) / 2, -v * 1.01]),
        ...fc.sample(fc.float({ noNaN: true, min: -600, max: 600 }), { seed: 4, numRuns: 400 }),
        61439,
        61440,
        -65535,
        1e9,
        -Infinity,
        2 ** -140,
      ].map(Math.fround);
      using x = tensor(inputs, { device });
      using y = x.to(dtype);
      const got = await y.data();
      inputs.forEach((v, i) => assert(got[i] === nearest(v), `${v}: ${got[i]}, not ${nearest(v)}`));
      using nan = tensor([NaN], { device }).to(dtype);
      assert(Number.isNaN(await nan.item()));
    }
  },
);

eachBackend("8-bit floats are targets of primitives and observers", async (device) => {
  for (const [dtype, mantissaBits] of float8s) {
    const data = Array.from({ length: 96 }, (_, i) => Math.sin(i * 1.3) * (i + 1));
    using x = tensor(data, { shape: [4, 24], device });
    const [scale, zeroPoint] = await chooseQParamsAffine(x, MappingType.SYMMETRIC, [1, 24], dtype);
    const scales = await scale.data();
    for (let row = 0; row < 4; row++) {
      const largest = Math.max(
        ...data.slice(row * 24, row * 24 + 24).map(Math.fround).map(Math.abs),
      );
      assertEquals(scales[row], Math.fround(largest / dtype.max));
    }
    using q = quantizeAffine(x, [1, 24], scale, zeroPoint, dtype);
    assertEquals(q.dtype, dtype);
    using y = dequantizeAffine(q, [1, 24], scale, zeroPoint, dtype);
    (await y.data()).forEach((v, i) => {
      const s = scales[Math.floor(i / 24)];
      const bound = Math.max(Math.abs(data[i]) * 2 ** -(mantissaBits + 1), s * finfo(dtype).tiny);
      assert(Math.abs(v - data[i]) <= bound * 1.0001, `${data[i]} became ${v}`);
    });
    for (
      const Observer of [
        AffineQuantizedMinMaxObserver,
        AffineQuantizedHistogramObserver,
        AffineQuantizedMSEObserver,
      ]
    ) {
      const observer = new Observer(MappingType.SYMMETRIC, dtype, { granularity: new PerAxis(0) });
      observer.forward(x);
      const [s, z] = await observer.calculateQParams();
      assertEquals([...s.shape], [4]);
      assertEquals([...await z.data()], [0, 0, 0, 0]);
    }
    assertThrows(
      () => {
        const make = AffineQuantizedMinMaxObserver;
        new make(MappingType.SYMMETRIC, tensor([0]).dtype, { granularity: new PerTensor() });
      },
      TypeError,
      "float8_e4m3fn",
    );
  }
});

Deno.test("8-bit floats pass through safetensors", async () => {
  for (const [dtype] of float8s) {
    const x = tensor([1, -0.5, 3], { device: "cpu" }).to(dtype);
    const { x: back } = loadSafetensors(await saveSafetensors({ x }), { device: "cpu" });
    assertEquals(back.dtype, dtype);
    assertEquals(await back.bytes(), await x.bytes());
  }
});
