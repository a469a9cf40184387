/**
 * What is done so that a quantized graph loses less.
 *
 * @module
 */
import type { RemediedOf, RemedyOf } from "../../quantization/improve/remedy.ts";
import type { ImprovedModel, ImproveTools } from "./state.ts";

/** What a remedy did. */
export type Remedied = RemediedOf<ImprovedModel>;

/** A way to make a quantized graph better; what a recipe has that does not fit is an `OnnxError`. */
export type Remedy = RemedyOf<ImprovedModel, ImproveTools>;
