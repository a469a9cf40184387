/** Resizing: dtypes, shapes, many dimensions, compiling, and what is refused. */
import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import {
  backendFor,
  bfloat16,
  bool,
  compile,
  float16,
  float32,
  init,
  int32,
  int8,
  interpolate,
  Module,
  randn,
  resize,
  type Tensor,
  tensor,
  uint8,
  zeros,
} from "../../mod.ts";
import { eachBackend } from "../backends.ts";

eachBackend("the nearest is taken in every dtype", async () => {
  for (const dtype of [float32, float16, bfloat16, int32, int8, uint8, bool]) {
    const values = [0, 1, 1, 0, 1, 1, 0, 0, 1, 0];
    using x = tensor(values, { shape: [1, 2, 5], dtype });
    using y = interpolate(x, { size: 7 });
    assertStrictEquals(y.dtype, dtype);
    const places = [0, 0, 1, 2, 2, 3, 4];
    const expected = [0, 5].flatMap((row) => places.map((place) => values[row + place]));
    assertEquals([...await y.data()], expected, dtype.name);
  }
});

eachBackend(
  "floats narrower than float32 are rounded once, not dimension by dimension",
  async () => {
    for (const dtype of [float16, bfloat16]) {
      using x = randn([1, 3, 5, 7], { dtype });
      using wide = x.to(float32);
      for (const mode of ["bilinear", "bicubic"] as const) {
        using y = interpolate(x, { size: [9, 4], mode });
        using once = interpolate(wide, { size: [9, 4], mode }).to(dtype);
        assertStrictEquals(y.dtype, dtype);
        assertEquals(await y.data(), await once.data(), `${dtype.name} ${mode}`);
      }
    }
  },
);

eachBackend("a size that stays gives the same numbers, and none gives none", async () => {
  using x = randn([2, 3, 4]);
  for (const mode of ["nearest", "linear"] as const) {
    using same = interpolate(x, { size: 4, mode });
    assertEquals(await same.data(), await x.data());
    using none = interpolate(zeros([0, 3, 4]), { size: 9, mode });
    assertEquals(none.shape, [0, 3, 9]);
    using empty = interpolate(x, { size: 0, mode });
    assertEquals([empty.shape, [...await empty.data()]], [[2, 3, 0], []]);
  }
});

eachBackend("any dimension of any rank is resized", async () => {
  using x = tensor([[[[[[1, 3]]]]]]);
  using y = resize(x, { sizes: [2, 1, 1, 1, 2, 3], mode: "linear" });
  assertEquals([...await y.data()], [1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3]);
  using scalar = resize(tensor(4), { sizes: [] });
  assertEquals(await scalar.item(), 4);
  using far = resize(tensor([1, 2]), {
    sizes: [3],
    mode: "linear",
    coordinateMode: "tf_crop_and_resize",
    roi: [0, 2],
    extrapolationValue: -1,
  });
  assertEquals([...await far.data()], [1, 2, -1]);
});

/** Twice as large, and back. */
class UpAndDown extends Module {
  forward(x: Tensor): Tensor {
    const large = interpolate(x, { scaleFactor: 2, mode: "bilinear" });
    return interpolate(large, { scaleFactor: 0.5 });
  }
}

Deno.test("resizing is compiled [webgpu]", async () => {
  await init({ device: "webgpu" });
  const model = new UpAndDown();
  using compiled = compile(model);
  for (let turn = 0; turn < 3; turn++) {
    using x = randn([1, 2, 5, 3]);
    using plain = model.forward(x);
    using fast = compiled.forward(x);
    assertEquals(await fast.data(), await plain.data());
  }
});

eachBackend("what does not fit is refused, and nothing stays behind", (device) => {
  using x = zeros([1, 2, 3]);
  using whole = zeros([1, 2, 3], { dtype: uint8 });
  using flat = zeros([2, 3]);
  using none = zeros([1, 2, 0]);
  const { liveBuffers } = backendFor(device).memory();
  const cases: [() => unknown, string][] = [
    [
      () => interpolate(x, {}),
      "interpolate: give either the sizes, non-negative integers, or the scales",
    ],
    [() => interpolate(x, { size: 2, scaleFactor: 2 }), "of shape (3,); got both"],
    [() => interpolate(x, { size: [2, 2] }), "got [2,2]"],
    [() => interpolate(x, { size: 1.5 }), "got [1.5]"],
    [() => interpolate(x, { scaleFactor: 0 }), "got [0]"],
    [() => interpolate(flat, { size: 2 }), 'mode "nearest" takes at least 3 dimensions'],
    [() => interpolate(x, { size: 2, mode: "bilinear" }), 'mode "bilinear" takes 4 dimensions'],
    [() => interpolate(none, { size: 2 }), "shape (1, 2, 0) has no elements to make (1, 2, 2) of"],
    [() => resize(x, { sizes: [1, 2] }), "resize: give either the sizes"],
    [() => resize(x, { sizes: [1, 2, 3], roi: [0, 1] }), "the roi has 2 numbers, but 6 are needed"],
  ];
  for (const [use, message] of cases) assertThrows(use, RangeError, message);
  assertThrows(
    () => interpolate(whole, { size: 2, mode: "linear" }),
    TypeError,
    'interpolate: mode "linear" takes a float tensor, got uint8; convert it with .to(float32)',
  );
  assertThrows(() => interpolate(x, { size: 2, alignCorners: true }), TypeError, "alignCorners");
  assertThrows(
    () => resize(x, { sizes: [1, 2, 3], coordinateMode: "halfpixel" as "half_pixel" }),
    TypeError,
    'did you mean "half_pixel"?',
  );
  for (const mode of ["nearest", "linear"] as const) interpolate(x, { size: 7, mode }).dispose();
  assertEquals(backendFor(device).memory().liveBuffers, liveBuffers);
});
