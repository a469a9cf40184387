/** How many tests held and how many did not. */
export interface Counts {
  passed: number;
  failed: number;
}

/** Reads the line that closes a run of `deno test`, or nothing where there is none. */
export function parseSummary(output: string): Counts | undefined {
  // deno-lint-ignore no-control-regex
  const plain = output.replace(/\x1b\[[0-9;]*m/g, "");
  const closing = /^(?:ok|FAILED) \| (\d+) passed(?: \([^)]*\))? \| (\d+) failed\b/gm;
  const last = [...plain.matchAll(closing)].at(-1);
  return last && { passed: Number(last[1]), failed: Number(last[2]) };
}

/**
 * What a run of `deno test` comes to. A run that failed has at least one failure, even if no
 * test was to blame, and a run without a test proves nothing.
 */
export function countTests(exitedOk: boolean, output: string): Counts {
  const counts = parseSummary(output) ?? { passed: 0, failed: 0 };
  const fine = exitedOk && counts.passed > 0;
  return fine || counts.failed > 0 ? counts : { ...counts, failed: 1 };
}
