/**
 * The kinds of quantized layers with those of this toolkit among them: each is imported here, which
 * registers it.
 *
 * @module
 */
import type { Module } from "../../nn/module.ts";
import type { ActivationQuantizer } from "../tensors/activation_quantizer.ts";
import { describeFunction } from "./function_kind.ts";
import { describeLayer } from "./layer_kind.ts";
import "./quantized_conv1d.ts";
import "./quantized_conv2d.ts";
import "./quantized_conv3d.ts";
import "./quantized_conv_transpose1d.ts";
import "./quantized_conv_transpose2d.ts";
import "./quantized_functional.ts";
import "./quantized_linear.ts";
import "./quantized_pool.ts";
import "./quantized_table.ts";
import "./weight_linear.ts";

export * from "./layer_kind.ts";

/** How a quantized layer's output becomes bytes; null where it stays float, and for other modules. */
export function outputQuantizerOf(module: Module): ActivationQuantizer | null {
  return describeLayer(module)?.output ?? describeFunction(module)?.parts.output ?? null;
}
