/**
 * The options of commands that do a share of the work.
 *
 * @module
 */
import type { Shard } from "../data/shard.ts";
import { usage } from "./cli_error.ts";
import type { OptionSpec } from "./command_spec.ts";
import { choice, TEXT } from "./option_kinds.ts";

/** Which share. */
export const SHARD_OPTION: OptionSpec = {
  at: "shard",
  flags: "--shard <i/n>",
  text: "do only every n-th sample, from number i of 0 to n-1",
  kind: TEXT,
  group: "Many machines",
};

/** How progress is told. */
export const LOG_OPTION: OptionSpec = {
  at: "log",
  flags: "--log <form>",
  text: "tell of progress and errors in lines of JSON on standard error",
  kind: choice(["json"]),
  group: "Many machines",
};

/** The share that a text stands for; nothing without one. */
export function shardOf(text: string | undefined): Shard | undefined {
  if (text === undefined) return undefined;
  const match = /^(\d{1,10})\/(\d{1,10})$/.exec(text);
  if (!match) usage(`--shard ${text}: give i/n, such as 0/4, 1/4, 2/4 and 3/4`);
  const [index, of] = [Number(match[1]), Number(match[2])];
  if (of === 0 || index >= of) {
    usage(`--shard ${text}: there is no such shard; of ${of} they are 0/${of} to ${of - 1}/${of}`);
  }
  return { index, of };
}
