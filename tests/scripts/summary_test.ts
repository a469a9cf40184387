import { assertEquals } from "@std/assert";
import { countTests, parseSummary } from "../../scripts/summary.ts";

Deno.test("parseSummary reads the last closing line, coloured or not", () => {
  assertEquals(parseSummary("ok | 12 passed | 0 failed (39ms)\n"), { passed: 12, failed: 0 });
  assertEquals(
    parseSummary("\x1b[0m\x1b[31mFAILED\x1b[0m | 3 passed (5 steps) | 2 failed (1 step) (1s)"),
    { passed: 3, failed: 2 },
  );
  assertEquals(
    parseSummary(
      "ok | 1 passed | 0 failed\nprinted by a test\nok | 7 passed | 0 failed | 1 ignored",
    ),
    { passed: 7, failed: 0 },
  );
  assertEquals(parseSummary("error: No test modules found"), undefined);
});

Deno.test("countTests never lets a failed or an empty run pass", () => {
  assertEquals(countTests(true, "ok | 2 passed | 0 failed"), { passed: 2, failed: 0 });
  assertEquals(countTests(false, "FAILED | 2 passed | 3 failed"), { passed: 2, failed: 3 });
  assertEquals(countTests(false, "ok | 2 passed | 0 failed"), { passed: 2, failed: 1 });
  assertEquals(countTests(true, "ok | 0 passed | 0 failed"), { passed: 0, failed: 1 });
  assertEquals(countTests(true, ""), { passed: 0, failed: 1 });
});
