/** What the exit codes of the command line mean. */
export const EXIT = {
  /** Done. */
  ok: 0,
  /** Something went wrong: a file that cannot be read, a model that cannot be quantized, … */
  failed: 1,
  /** The command was not understood. */
  usage: 2,
  /** All went well, but the target that was asked for is not met. */
  targetMissed: 3,
  /** Stopped with Ctrl-C. */
  interrupted: 130,
  /** Stopped by another program, with SIGTERM. */
  terminated: 143,
} as const;
