import type { Counts } from "./summary.ts";

/** Steps in a row, each announced and timed, and what became of them. */
export class Steps {
  readonly #done: { name: string; counts: Counts; seconds: number }[] = [];

  /** Runs a step that holds or not, or one that counts what held. A step that throws failed. */
  async step(name: string, action: () => Promise<boolean | Counts>): Promise<boolean> {
    console.log(`\n── ${name}`);
    const start = performance.now();
    let result: boolean | Counts = false;
    try {
      result = await action();
    } catch (error) {
      console.error(error);
    }
    const counts = typeof result === "object" ? result : { passed: +result, failed: +!result };
    const seconds = (performance.now() - start) / 1000;
    this.#done.push({ name, counts, seconds });
    const ok = counts.failed === 0;
    console.log(`${ok ? "ok" : "FAILED"} (${seconds.toFixed(1)} s)`);
    return ok;
  }

  /** Prints what became of each step, then one closing line; returns whether all held. */
  summarise(): boolean {
    console.log("\n── summary");
    const total = { passed: 0, failed: 0 };
    for (const { name, counts, seconds } of this.#done) {
      const word = counts.failed === 0 ? "ok    " : "FAILED";
      console.log(`${word} ${seconds.toFixed(1).padStart(7)} s  ${name}`);
      total.passed += counts.passed;
      total.failed += counts.failed;
    }
    console.log(`\n${total.passed} passed, ${total.failed} failed`);
    return total.failed === 0;
  }
}
