/** A U-Net of one step: down, up by a transposed convolution, and past both. */
import {
  Cat,
  Conv2d,
  ConvTranspose2d,
  MaxPool2d,
  Module,
  ReLU,
  type Tensor,
} from "../../../mod.ts";

/** (N, 1, H, W) to (N, 2, H, W), for even sizes. */
export class UNet extends Module {
  down = new Conv2d(1, 6, 3, { padding: 1 });
  relu = new ReLU();
  pool = new MaxPool2d(2);
  middle = new Conv2d(6, 12, 3, { padding: 1 });
  up = new ConvTranspose2d(12, 6, 2, { stride: 2 });
  cat = new Cat(1);
  out = new Conv2d(12, 2, 1);

  override forward(x: Tensor): Tensor {
    const a = this.relu.forward(this.down.forward(x));
    const b = this.relu.forward(this.middle.forward(this.pool.forward(a)));
    return this.out.forward(this.cat.forward(a, this.up.forward(b)));
  }
}
