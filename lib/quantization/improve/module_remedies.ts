/**
 * The remedies for models that are made of modules, in the order of what they promise.
 *
 * @module
 */
import { absorbShifts } from "./absorb_shifts.ts";
import { chooseRanges } from "./choose_ranges.ts";
import { copyOutliers } from "./copy_outliers.ts";
import { correctLayers } from "./correct_layers.ts";
import { equalizeLayers, smoothLayers } from "./divide_channels.ts";
import { leaveLayersFloat } from "./float_layers.ts";
import { moveRanges } from "./move_ranges.ts";
import type { ModuleRemedy } from "./module_tools.ts";
import { roundInTurn } from "./round_in_turn.ts";
import { roundLayers } from "./round_weights.ts";
import { shiftNorms } from "./shift_norms.ts";
import { splitOutliers } from "./split_outliers.ts";

/**
 * All remedies. Those that rewrite the float model come first, for the others go by the numbers in it; what stays float is
 * settled before ranges, weights and biases make up for what the rest is off by.
 */
export const MODULE_REMEDIES: readonly ModuleRemedy[] = [
  equalizeLayers,
  absorbShifts,
  copyOutliers,
  smoothLayers,
  splitOutliers,
  leaveLayersFloat,
  chooseRanges,
  moveRanges,
  roundInTurn,
  roundLayers,
  correctLayers,
  shiftNorms,
];
