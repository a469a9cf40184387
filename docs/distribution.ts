/**
 * Draws `distribution.svg`: the inputs of a layer, and the range that each of two mappings chose
 * for them.
 *
 * deno run --allow-read --allow-write=docs --allow-env=XDG_RUNTIME_DIR docs/distribution.ts
 * deno fmt docs
 *
 * @module
 */
import {
  AffineQuantizedMinMaxObserver,
  type DType,
  init,
  int8,
  joinFigures,
  MappingType,
  PerTensor,
  plotDistribution,
  uint8,
} from "@staticquant/staticquant";
import { loadMnist } from "../examples/support/mnist_data.ts";
import { imagesTensor, loadMnistModel } from "../examples/support/mnist_model.ts";

await init();
const { train } = loadMnist({ train: 512, test: 0 });
const [fc1, relu1] = (await loadMnistModel()).namedChildren().map(([, module]) => module);
const inputs = relu1.forward(fc1.forward(imagesTensor(train, 0, train.count)));
const active = (await inputs.data()).filter((value) => value > 0); // most are exactly zero

async function chosen(mappingType: MappingType, dtype: DType, title: string) {
  const observer = new AffineQuantizedMinMaxObserver(mappingType, dtype, {
    granularity: new PerTensor(),
  });
  observer.forward(inputs);
  const [scale, zeroPoint] = await observer.calculateQParams();
  const label = "input of the second layer";
  return plotDistribution(active, { title, scale, zeroPoint, dtype, label, height: 180 });
}

const figure = joinFigures([
  await chosen(MappingType.ASYMMETRIC, uint8, "uint8, asymmetric: all integers are in use"),
  await chosen(MappingType.SYMMETRIC, int8, "int8, symmetric: half of them never occur"),
], { columns: 1 });
await Deno.writeTextFile(new URL("distribution.svg", import.meta.url), figure.svg + "\n");
