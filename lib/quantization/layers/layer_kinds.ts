/**
 * The kinds of quantized layers with those of this toolkit among them: each is imported here, which
 * registers it.
 *
 * @module
 */
import "./quantized_conv2d.ts";
import "./quantized_conv_transpose2d.ts";
import "./quantized_functional.ts";
import "./quantized_linear.ts";
import "./quantized_pool.ts";
import "./quantized_table.ts";
import "./weight_linear.ts";

export * from "./layer_kind.ts";
