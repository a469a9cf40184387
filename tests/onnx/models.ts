/** Models to export and compile. */
import { type DType, Linear, Module, randn, ReLU, Sequential, type Tensor } from "../../mod.ts";
import { type FlowOptions, quantized } from "../quantization/flow.ts";

/** Three layers, 40-24-16-10. */
export function mlp(options: { bias?: boolean; dtype?: DType } = {}): Sequential {
  return new Sequential({
    fc1: new Linear(40, 24, options),
    relu1: new ReLU(),
    fc2: new Linear(24, 16, options),
    relu2: new ReLU(),
    fc3: new Linear(16, 10, options),
  });
}

/** The same, quantized. */
export function quantizedMlp(
  dtype: DType,
  options: FlowOptions & { bias?: boolean; float?: DType } = {},
): Promise<Sequential> {
  const { bias, float, ...flow } = options;
  const batch = randn([64, 40], { dtype: float });
  return quantized(mlp({ bias, dtype: float }), dtype, [batch], flow);
}

/** A class of the user's, with a block and a reshape inside. */
export class Block extends Module {
  inner = new Linear(12, 12);
  act = new ReLU();
  override forward(x: Tensor): Tensor {
    return this.act.forward(this.inner.forward(x));
  }
}

/** Uses one block twice. */
export class Toy extends Module {
  last = new Linear(12, 5);
  block = new Block();
  override forward(x: Tensor): Tensor {
    const flat = x.reshape(x.shape[0], 12);
    return this.last.forward(this.block.forward(this.block.forward(flat)));
  }
}
