/** Small networks that plain int8 ruins. */
import {
  add,
  AvgPool2d,
  BatchNorm2d,
  Conv2d,
  type Device,
  Flatten,
  LayerNorm,
  LeakyReLU,
  Linear,
  type LinearWeight,
  manualSeed,
  MaxPool2d,
  Module,
  mul,
  PReLU,
  ReLU,
  Sequential,
  type Tensor,
  tensor,
} from "../../../mod.ts";

/** Multiplies some elements of a weight. */
export async function scaled(
  module: { weight: Tensor | LinearWeight | null },
  factor: (index: number) => number,
): Promise<void> {
  const { shape, device } = module.weight as Tensor;
  const values = Float32Array.from(
    await (module.weight as Tensor).data(),
    (x, i) => Number(x) * factor(i),
  );
  module.weight = tensor(values, { shape, device }).keep();
}

/** 3 × 8 × 8 → 4: a convolution with two outlier channels, PReLU, one a channel, batch normalization, pooling. */
export async function convolutions(device: Device): Promise<Sequential> {
  manualSeed(3);
  const parts = {
    first: new Conv2d(3, 8, 3, { padding: 1, device }),
    prelu: new PReLU({ numParameters: 8, device }),
    depthwise: new Conv2d(8, 8, 3, { padding: 1, groups: 8, device }),
    norm: new BatchNorm2d(8, { device }),
    relu: new ReLU(),
    pointwise: new Conv2d(8, 8, 1, { device }),
    pool: new AvgPool2d(8),
    flat: new Flatten(),
    last: new Linear(8, 4, { device }),
  };
  await scaled(parts.first, (i) => i < 2 * 27 ? 100 : 1);
  await scaled(parts.depthwise, (i) => i < 2 * 9 ? 1 / 100 : 1);
  return new Sequential(parts);
}

/** Adds to the biases of every fourth channel. */
async function lift(module: { bias: Tensor | null }, by: number): Promise<void> {
  const bias = module.bias!;
  const values = Float32Array.from(await bias.data(), (x, i) => Number(x) + (i % 4 ? 0 : by));
  module.bias = tensor(values, { shape: bias.shape, device: bias.device }).keep();
}

/** 16 → 4: a layer, some channels of which never come down to what the others hold. */
export async function lifted(device: Device, between: Module = new ReLU()): Promise<Sequential> {
  manualSeed(15);
  const fc1 = new Linear(16, 32, { device });
  await lift(fc1, 60);
  return new Sequential({ fc1, between, fc2: new Linear(32, 4, { device }) });
}

/** 3 × 8 × 8 → 4 × 4 × 4: such channels behind a batch normalization, and another behind the layer that reads them. */
export async function liftedConvolutions(
  device: Device,
  { padding = 0, norm = true } = {},
): Promise<Sequential> {
  manualSeed(16);
  const norm1 = new BatchNorm2d(8, { device });
  await lift(norm1, 60);
  return new Sequential({
    conv1: new Conv2d(3, 8, 3, { bias: false, device }),
    norm1,
    relu: new ReLU(),
    conv2: new Conv2d(8, 4, 3, { padding, bias: false, device }),
    ...(norm ? { norm2: new BatchNorm2d(4, { device }) } : {}),
  });
}

/** 16 → 4: two of the 64 channels in the middle are far greater, and weigh little. */
export async function spiky(device: Device): Promise<Sequential> {
  manualSeed(17);
  const parts = {
    fc1: new Linear(16, 64, { device }),
    relu: new LeakyReLU(),
    fc2: new Linear(64, 4, { device }),
  };
  const isSpike = (channel: number) => channel === 5 || channel === 9;
  await scaled(parts.fc1, (i) => isSpike(Math.floor(i / 16)) ? 30 : 1);
  await scaled(parts.fc2, (i) => isSpike(i % 64) ? 0.1 : 1);
  return new Sequential(parts);
}

/** 3 × 8 × 8 → 4: such a channel behind a batch normalization, which two layers read; one of them makes another. */
export async function spikyConvolutions(device: Device): Promise<Sequential> {
  manualSeed(18);
  const parts = {
    conv1: new Conv2d(3, 16, 3, { padding: 1, bias: false, device }),
    norm: new BatchNorm2d(16, { device }),
    relu: new ReLU(),
    pool: new MaxPool2d(2),
    conv2: new Conv2d(16, 16, 3, { padding: 1, device }),
    relu2: new ReLU(),
    conv3: new Conv2d(16, 4, 1, { device }),
  };
  await scaled(parts.norm, (i) => i === 5 ? 30 : 1);
  await scaled(parts.conv2, (i) => (Math.floor(i / 9) % 16 === 5 ? 0.1 : 1) * (i < 144 ? 30 : 1));
  await scaled(parts.conv3, (i) => i % 16 === 0 ? 0.1 : 1);
  return new Sequential(parts);
}

/** 16 → 16: many layers in a row. */
export async function deep(layers: number): Promise<Sequential> {
  manualSeed(3);
  const linears = Array.from({ length: layers }, () => new Linear(16, 16));
  for (const linear of linears) await scaled(linear, () => 2.5);
  return new Sequential(linears.flatMap((linear) => [linear, new ReLU()]));
}

/** 32 → 32: a normalization with outlier channels that feeds three layers, whose sum goes on beside what came in. */
export class Residual extends Module {
  norm: LayerNorm;
  q: Linear;
  k: Linear;
  v: Linear;

  constructor(device: Device) {
    super();
    this.norm = new LayerNorm([32], { device });
    const layer = () => new Linear(32, 32, { device });
    this.q = layer();
    this.k = layer();
    this.v = layer();
  }

  static async of(device: Device): Promise<Residual> {
    manualSeed(5);
    const model = new Residual(device);
    await scaled(model.norm, (i) => i < 2 ? 50 : 1);
    for (const layer of [model.q, model.k, model.v]) {
      await scaled(layer, (i) => i % 32 < 2 ? 1 / 50 : 1);
    }
    return model;
  }

  override forward(x: Tensor): Tensor {
    const n = this.norm.forward(x);
    const [q, k, v] = [this.q, this.k, this.v].map((layer) => layer.forward(n));
    return add(add(mul(q, k), v), x);
  }
}

/** Two layers; what the first makes is also added to the output, by no module. */
export class Unseen extends Module {
  fc1: Linear;
  relu: ReLU;
  fc2: Linear;

  constructor(device: Device) {
    super();
    this.fc1 = new Linear(16, 16, { device });
    this.relu = new ReLU();
    this.fc2 = new Linear(16, 16, { device });
  }

  static async of(device: Device): Promise<Unseen> {
    manualSeed(6);
    const model = new Unseen(device);
    await scaled(model.fc1, (i) => i < 32 ? 20 : 1);
    return model;
  }

  override forward(x: Tensor): Tensor {
    const y = this.fc1.forward(x);
    return add(this.fc2.forward(this.relu.forward(y)), y);
  }
}
