/** Functions of bytes in compiled models: tables, made once, with the bits of the uncompiled model. */
import { assert, assertEquals } from "@std/assert";
import {
  byteTable,
  type DType,
  float32,
  hardsigmoid,
  hardswish,
  init,
  int32,
  int8,
  lookup,
  Module,
  quantizedAdd,
  quantizedMul,
  quantizeLinear,
  randn,
  type Tensor,
  tensor,
  uint8,
} from "../../mod.ts";
import { ByteConv } from "../../lib/onnx/import/bytes/byte_conv.ts";
import { WebGpuProgram } from "../../lib/compile/webgpu.ts";

const SCALE = 0.05;
const zeroPointOf = (dtype: DType) => dtype === uint8 ? 120 : -8;

/** A convolution of bytes into bytes of a dtype. */
function convolution(shape: number[], dtype: DType, groups = 1): ByteConv {
  const zeroPoint = zeroPointOf(dtype);
  const numel = shape.reduce((product, size) => product * size);
  const weight = Array.from({ length: numel }, (_, i) => (i * 37 + 5) % 19 - 9);
  const type = { scale: SCALE, zeroPoint, dtype };
  return new ByteConv({
    weight: tensor(weight, { shape, dtype: int8 }).keep(),
    weightZeroPoint: null,
    bias: tensor(Array.from({ length: shape[0] }, (_, i) => 7 * i - 20), { dtype: int32 }).keep(),
    multiplier: tensor([0.02]).keep(),
    inputZeroPoint: tensor([zeroPoint]).keep(),
    outputZeroPoint: tensor([zeroPoint]).keep(),
    input: type,
    output: type,
    groups,
    transposed: false,
    places: () => ({ stride: [1, 1], dilation: [1, 1], padding: [[1, 1], [1, 1]] }),
  });
}

/** `x·hardsigmoid(x)` on bytes as files have it: a table, and a product with what it was looked up of. */
class Gated extends Module {
  readonly table: Tensor;

  constructor(dtype: DType) {
    super();
    const params = { scale: SCALE, zeroPoint: zeroPointOf(dtype) };
    this.table = byteTable(hardsigmoid, { x: params, y: params, dtype }).keep();
  }

  override forward(x: Tensor): Tensor {
    const params = { scale: SCALE, zeroPoint: zeroPointOf(x.dtype) };
    using gate = lookup(x, this.table);
    return quantizedMul(x, gate, { a: params, b: params, y: params });
  }
}

class Net extends Module {
  readonly first: ByteConv;
  readonly second: ByteConv;
  readonly gate: Gated;

  constructor(readonly dtype: DType) {
    super();
    this.first = convolution([12, 3, 3, 3], dtype);
    this.second = convolution([12, 1, 3, 3], dtype, 12);
    this.gate = new Gated(dtype);
  }

  override forward(x: Tensor): Tensor {
    const params = { scale: SCALE, zeroPoint: zeroPointOf(this.dtype) };
    using q = quantizeLinear(x, { ...params, dtype: this.dtype });
    using a = this.gate.forward(this.first.forward(q));
    using b = this.gate.forward(this.second.forward(a));
    // Read twice: the table is looked up apart.
    using c = this.gate.forward(b);
    return quantizedAdd(b, c, { a: params, b: params, y: params });
  }
}

/** The kernels of a compiled forward, whose bytes are those of the model. */
async function kernelsOf(model: Module, x: Tensor): Promise<string[]> {
  const program = new WebGpuProgram(model);
  using expected = model.forward(x);
  for (let run = 0; run < 2; run++) {
    using y = program.forwardAll(x)[0];
    assertEquals(await y.bytes(), await expected.bytes());
  }
  const { steps } = program.plan([x]).recording;
  program.dispose();
  return steps.map((step) => "from" in step ? "copy" : step.kernel.key);
}

Deno.test("bytes are looked up where they are made, in a table that is made once [webgpu]", async () => {
  await init({ device: "webgpu" });
  for (const dtype of [uint8, int8]) {
    using x = randn([1, 3, 5, 5]);
    const kernels = await kernelsOf(new Net(dtype), x);
    const named = (start: string) => kernels.filter((key) => key.startsWith(start));
    const convolutions = [...named("packed conv"), ...named("packed depthwise")];
    assertEquals(convolutions.map((key) => key.includes(" table=")), [true, true], dtype.name);
    // What is quantized, and the sum of what was looked up and of what it was looked up of.
    assertEquals(named("pointwise").length, 2, dtype.name);
  }
});

Deno.test("a function of a plain tensor of bytes is one table, whatever it consists of [webgpu]", async () => {
  await init({ device: "webgpu" });
  class Functions extends Module {
    readonly gate = new Gated(uint8);
    readonly ends = [hardswish, hardsigmoid].map((fn) => {
      const params = { scale: SCALE, zeroPoint: 120 };
      return byteTable(fn, { x: params, y: params }).keep();
    });
    override forward(x: Tensor): Tensor {
      const all = this.ends.reduce((x, table) => lookup(x, table), this.gate.forward(x));
      return all;
    }
  }
  // Odd sizes leave a rest in words.
  using x = tensor(Uint8Array.from({ length: 3 * 333 }, (_, i) => i), {
    shape: [3, 333],
    dtype: uint8,
  });
  const kernels = await kernelsOf(new Functions(), x);
  assertEquals(kernels.length, 1);
  assert(kernels[0].startsWith("pointwise words=lookup x1 x0 "));
});

Deno.test("what depends on no input is computed once, and may be an output [webgpu]", async () => {
  await init({ device: "webgpu" });
  class Constant extends Module {
    readonly weight = randn([4, 6]).keep();
    override forward(x: Tensor): Tensor {
      const [first] = this.forwardAll(x);
      return first;
    }
    override forwardAll(x: Tensor): Tensor[] {
      using half = this.weight.to(int32).to(float32);
      return [x.reshape(4, 6).clone(), half.clone()];
    }
  }
  const [model, x] = [new Constant(), randn([24])];
  const program = new WebGpuProgram(model);
  const expected = await Promise.all(model.forwardAll(x).map((y) => y.data()));
  for (let run = 0; run < 2; run++) {
    const ys = program.forwardAll(x);
    assertEquals(await Promise.all(ys.map((y) => y.data())), expected);
    ys.forEach((y) => y.dispose());
  }
  assertEquals(program.plan([x]).recording.steps.length, 1, "the copy of the input");
  program.dispose();
});
