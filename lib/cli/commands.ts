/**
 * The commands that recipes can be written for.
 *
 * @module
 */
import { CALIBRATE } from "./calibrate_command.ts";
import type { CommandSpec } from "./command_spec.ts";
import { CONVERT } from "./convert_command.ts";
import { COMPARE } from "./compare_command.ts";
import { INSPECT } from "./inspect_command.ts";
import { MERGE } from "./merge_command.ts";
import { QUANTIZE } from "./quantize_command.ts";
import { TUNE } from "./tune_command.ts";

/** As help lists them. */
export const COMMANDS: readonly CommandSpec[] = [
  ...[INSPECT, QUANTIZE, TUNE, CONVERT, COMPARE],
  ...[CALIBRATE, MERGE],
];
