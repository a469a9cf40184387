/**
 * The layers, each from its file.
 *
 * @module
 */
export type { LayerOptions } from "./layer_arguments.ts";
export { Linear, type LinearOptions } from "./linear.ts";
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
export { Flatten, type FlattenOptions } from "./flatten.ts";
export { Unflatten } from "./unflatten.ts";
export { Identity } from "./identity.ts";
export { Dropout, type DropoutOptions } from "./dropout.ts";
export { Recurrent, type RecurrentOptions } from "./recurrent.ts";
export { LSTM } from "./lstm.ts";
export { GRU } from "./gru.ts";
