/**
 * Normalizations in ONNX.
 *
 * @module
 */
import { BatchNorm1d } from "../../nn/batch_norm1d.ts";
import { BatchNorm2d } from "../../nn/batch_norm2d.ts";
import type { ChannelNorm } from "../../nn/channel_norm.ts";
import { GroupNorm } from "../../nn/group_norm.ts";
import { InstanceNorm1d } from "../../nn/instance_norm1d.ts";
import { InstanceNorm2d } from "../../nn/instance_norm2d.ts";
import { LayerNorm } from "../../nn/layer_norm.ts";
import { RMSNorm } from "../../nn/rms_norm.ts";
import { finfo } from "../../numbers/dtype.ts";
import { numelOf } from "../../numbers/shape.ts";
import { batched, entry, type Form, type FormEntry, parameter, perChannel } from "./form.ts";
import { float, type Input, ints } from "./nodes.ts";

/** Each channel by the mean and the variance that were seen in training. */
const byStatistics: Form<ChannelNorm> = (nodes, layer, [x], { where }) => {
  const { weight, bias, running_mean: mean, running_var: variance, numFeatures: n, eps } = layer;
  if (!mean || !variance) {
    throw new TypeError(
      `${where} has no ONNX form here: it keeps no statistics, so that a batch changes what it gives; use ` +
        `trackRunningStats, or InstanceNorm`,
    );
  }
  const factors = [perChannel("weight", weight, n, 1), perChannel("bias", bias, n, 0)];
  const statistics = [parameter("running_mean", mean), parameter("running_var", variance)];
  return nodes.add("BatchNormalization", [x, ...factors, ...statistics], { epsilon: { f: eps } });
};

/** Each channel of each sample by its own mean and variance. */
const instance: (rank: number) => Form<ChannelNorm> = (rank) => (nodes, layer, inputs, use) => {
  if (layer.running_mean) return byStatistics(nodes, layer, inputs, use);
  const { weight, bias, numFeatures: n, eps } = layer;
  const factors = [perChannel("weight", weight, n, 1), perChannel("bias", bias, n, 0)];
  return batched(
    nodes,
    inputs[0],
    use,
    rank,
    (x) => nodes.add("InstanceNormalization", [x, ...factors], { epsilon: { f: eps } }),
  );
};

const layerNorm: Form<LayerNorm> = (nodes, { weight, bias, normalizedShape, eps }, [x]) => {
  const n = numelOf(normalizedShape);
  const scale: Input = weight
    ? parameter("weight", weight)
    : { kind: "float", values: new Array<number>(n).fill(1), dims: normalizedShape };
  const added = bias ? [parameter("bias", bias)] : [];
  return nodes.add("LayerNormalization", [x, scale, ...added], {
    axis: -normalizedShape.length,
    epsilon: { f: eps },
  });
};

const rmsNorm: Form<RMSNorm> = (nodes, { weight, normalizedShape, eps }, [x], { output }) => {
  const axes = ints(normalizedShape.map((_, d) => d - normalizedShape.length));
  const square = nodes.add("ReduceMean", [nodes.add("Mul", [x, x]), axes], { keepdims: 1 });
  const least = float(eps ?? finfo(output.dtype).eps);
  const y = nodes.add("Div", [x, nodes.add("Sqrt", [nodes.add("Add", [square, least])])]);
  return weight ? nodes.add("Mul", [y, parameter("weight", weight)]) : y;
};

/** Channels of a group together, as an instance norm of the groups. */
const groupNorm: Form<GroupNorm> = (nodes, layer, [x], { output: { shape } }) => {
  const { weight, bias, numGroups, numChannels, eps } = layer;
  const rest = numelOf(shape.slice(2)) * numChannels / numGroups;
  const groups = nodes.reshape(x, [shape[0], numGroups, rest]);
  const fill = (value: number): Input => perChannel("", null, numGroups, value);
  const y = nodes.add("InstanceNormalization", [groups, fill(1), fill(0)], { epsilon: { f: eps } });
  const whole = nodes.reshape(y, shape);
  const dims = [numChannels, ...shape.slice(2).map(() => 1)];
  const scaled = weight ? nodes.add("Mul", [whole, parameter("weight", weight, dims)]) : whole;
  return bias ? nodes.add("Add", [scaled, parameter("bias", bias, dims)]) : scaled;
};

/** Their forms. */
export const NORM_FORMS: readonly FormEntry[] = [
  entry(BatchNorm1d, byStatistics),
  entry(BatchNorm2d, byStatistics),
  entry(InstanceNorm1d, instance(3)),
  entry(InstanceNorm2d, instance(4)),
  entry(LayerNorm, layerNorm),
  entry(RMSNorm, rmsNorm),
  entry(GroupNorm, groupNorm),
];
