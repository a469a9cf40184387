/**
 * The remedies, in the order of what they promise.
 *
 * @module
 */
import { absorbBiases } from "./absorption.ts";
import { adaptRounding } from "./adaptive_rounding.ts";
import { correctBiases } from "./biases.ts";
import { copyOutliers } from "./channel_copies.ts";
import { leaveFaster } from "./faster_nodes.ts";
import { fitRanges } from "./fitted_ranges.ts";
import { rangeChannels } from "./floats_between.ts";
import { fuseGates } from "./hard_gates.ts";
import { leaveFloat } from "./float_nodes.ts";
import { tuneRanges } from "./ranges.ts";
import type { Remedy } from "./remedy.ts";
import { roundWeights } from "./rounding.ts";
import { splitOutliers } from "./side_products.ts";
import { equalize, smoothNorms } from "./smoothing.ts";

/**
 * All remedies. What costs nothing comes first; those that rewrite the float model come before the others, which go by the
 * numbers in it, and what stays float is settled before ranges, weights and biases make up for what the rest is off by.
 * Biases, which take little time, are corrected once before weights are rounded, which takes much, and once after.
 */
export const REMEDIES: readonly Remedy[] = [
  fuseGates,
  leaveFaster,
  splitOutliers,
  rangeChannels,
  equalize,
  absorbBiases,
  smoothNorms,
  leaveFloat,
  copyOutliers,
  fitRanges,
  correctBiases,
  adaptRounding,
  roundWeights,
  correctBiases,
  tuneRanges,
];

/** The remedies by their names. */
export const REMEDY_NAMES: readonly string[] = [...new Set(REMEDIES.map(({ name }) => name))];
