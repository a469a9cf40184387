/**
 * The layers, each from its file.
 *
 * @module
 */
export type { LayerOptions } from "./layer_arguments.ts";
export { Linear, type LinearOptions } from "./linear.ts";
export { type ConvLayerOptions, Convolution, type PaddingMode } from "./convolution.ts";
export { Conv1d } from "./conv1d.ts";
export { Conv2d } from "./conv2d.ts";
export { Conv3d } from "./conv3d.ts";
export { type ConvTransposeLayerOptions, TransposedConvolution } from "./transposed_convolution.ts";
export { ConvTranspose1d } from "./conv_transpose1d.ts";
export { ConvTranspose2d } from "./conv_transpose2d.ts";
export { ChannelNorm, type ChannelNormOptions } from "./channel_norm.ts";
export { BatchNorm } from "./batch_norm.ts";
export { BatchNorm1d } from "./batch_norm1d.ts";
export { BatchNorm2d } from "./batch_norm2d.ts";
export { InstanceNorm } from "./instance_norm.ts";
export { InstanceNorm1d } from "./instance_norm1d.ts";
export { InstanceNorm2d } from "./instance_norm2d.ts";
export { LayerNorm, type LayerNormOptions } from "./layer_norm.ts";
export { GroupNorm, type GroupNormOptions } from "./group_norm.ts";
export { RMSNorm, type RMSNormOptions } from "./rms_norm.ts";
export { Embedding, type EmbeddingOptions } from "./embedding.ts";
export { ReLU } from "./relu.ts";
export { ReLU6 } from "./relu6.ts";
export { LeakyReLU, type LeakyReLUOptions } from "./leaky_relu.ts";
export { PReLU, type PReLUOptions } from "./prelu.ts";
export { ELU, type ELUOptions } from "./elu.ts";
export { GELU } from "./gelu.ts";
export { SiLU } from "./silu.ts";
export { Sigmoid } from "./sigmoid.ts";
export { Tanh } from "./tanh.ts";
export { Hardswish } from "./hardswish.ts";
export { Hardsigmoid } from "./hardsigmoid.ts";
export { Add, type AddOptions } from "./add.ts";
export { AddScalar } from "./add_scalar.ts";
export { Mul } from "./mul.ts";
export { MulScalar } from "./mul_scalar.ts";
export { Cat } from "./cat.ts";
export { Softmax } from "./softmax.ts";
export { LogSoftmax } from "./log_softmax.ts";
export { Pool } from "./pool.ts";
export { MaxPool1d } from "./max_pool1d.ts";
export { MaxPool2d } from "./max_pool2d.ts";
export { AvgPool1d } from "./avg_pool1d.ts";
export { AvgPool2d } from "./avg_pool2d.ts";
export { AdaptivePool, type OutputSizes } from "./adaptive_pool.ts";
export { AdaptiveAvgPool1d } from "./adaptive_avg_pool1d.ts";
export { AdaptiveAvgPool2d } from "./adaptive_avg_pool2d.ts";
export { AdaptiveMaxPool2d } from "./adaptive_max_pool2d.ts";
export { Flatten, type FlattenOptions } from "./flatten.ts";
export { Unflatten } from "./unflatten.ts";
export { Identity } from "./identity.ts";
export { Upsample } from "./upsample.ts";
export { Dropout, type DropoutOptions } from "./dropout.ts";
export {
  MultiheadAttention,
  type MultiheadAttentionOptions,
  splitProjections_,
} from "./multihead_attention.ts";
export {
  TransformerEncoderLayer,
  type TransformerEncoderLayerOptions,
} from "./transformer_encoder_layer.ts";
export { TransformerEncoder, type TransformerEncoderOptions } from "./transformer_encoder.ts";
export { Recurrent, type RecurrentOptions } from "./recurrent.ts";
export { LSTM } from "./lstm.ts";
export { GRU } from "./gru.ts";
