/**
 * Inputs to judge forms by where nobody gave any.
 *
 * @module
 */
import type { OnnxModel } from "../file/model.ts";
import { madeUpSamples } from "../forms/made_up_sample.ts";
import type { OnnxFeeds } from "../run/runtime.ts";

/** How many are made up. */
const COUNT = 8;
/** Lengths that are tried for sizes which are left open: first that of a sentence or two. */
const LENGTHS = [32, 8, 64, 224, 1];

/** Made-up inputs, the same each time; none if none were found that the model takes. */
export async function sampleInputs(where: string, model: OnnxModel): Promise<OnnxFeeds[]> {
  return await madeUpSamples(where, model, COUNT, LENGTHS);
}
