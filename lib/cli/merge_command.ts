/**
 * The command `merge`.
 *
 * @module
 */
import type { CommandSpec } from "./command_spec.ts";
import { MERGE_HELP } from "./help.ts";
import { PATH, PATHS, SWITCH } from "./option_kinds.ts";
import type { MergeOptions } from "./options.ts";
import { LOG_OPTION } from "./shard_options.ts";

/** Brings parts together. */
export const MERGE: CommandSpec = {
  name: "merge",
  summary: "bring together what calibrate or compare wrote in shards",
  description: "Merges parts that calibrate or compare wrote: the same bytes in whatever order.",
  help: MERGE_HELP,
  options: [
    {
      at: "parts",
      flags: "<parts...>",
      text: "parts, folders of parts, or - for a list on standard input",
      kind: PATHS,
      required: true,
    },
    {
      at: "out",
      flags: "--out <path>",
      text: "where what they have together goes",
      kind: PATH,
      required: true,
    },
    { at: "force", flags: "--force", text: "replace --out if it exists", kind: SWITCH },
    {
      at: "partial",
      flags: "--partial",
      text: "shards may be missing, for the result is merged with others later",
      kind: SWITCH,
    },
    { at: "json", flags: "--json", text: "print the summary as JSON", kind: SWITCH },
    LOG_OPTION,
  ],
  async run(options, console) {
    const { merge } = await import("./merge.ts");
    return await merge(options as MergeOptions, console);
  },
};
