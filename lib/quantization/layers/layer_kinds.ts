/**
 * The kinds of quantized layers with those of this toolkit among them: each is imported here, which
 * registers it.
 *
 * @module
 */
import "./quantized_conv2d.ts";
import "./quantized_linear.ts";
import "./weight_linear.ts";

export * from "./layer_kind.ts";
