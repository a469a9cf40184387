import { assertEquals } from "@std/assert";
import { ProgressBar } from "../../lib/cli/progress_bar.ts";
import { duration } from "../../lib/plot/progress_text.ts";
import { TestConsole } from "./console.ts";

Deno.test("a bar shows what is done and how long the rest takes, and leaves nothing behind", () => {
  const console = new TestConsole();
  console.interactive = true;
  let time = 0;
  const lines = () => console.written.err.split("\r").map((line) => line.trimEnd()).filter(Boolean);
  {
    using bar = new ProgressBar(console, () => time);
    bar.update("calibrating", 0, 4);
    time = 20;
    bar.update("calibrating", 1, 4); // too soon
    time = 2000;
    bar.update("calibrating", 2, 4);
    time = 4000;
    bar.update("calibrating", 4, 4);
  }
  assertEquals(lines(), [
    "calibrating ░░░░░░░░░░░░░░░░░░░░░░░░ 0/4",
    "calibrating ████████████░░░░░░░░░░░░ 2/4  2.0 s left",
    "calibrating ████████████████████████ 4/4",
  ]);
  assertEquals(console.written.err.endsWith(`${" ".repeat(40)}\r`), true);
});

Deno.test("what was done before it was first shown says nothing of the pace", () => {
  const console = new TestConsole();
  console.interactive = true;
  let time = 0;
  using bar = new ProgressBar(console, () => time);
  bar.update("calibrating", 50, 100);
  assertEquals(console.written.err.includes("left"), false);
  time = 1000;
  bar.update("calibrating", 60, 100);
  assertEquals(console.written.err.endsWith("60/100  4.0 s left"), true, console.written.err);
});

Deno.test("a bar is no wider than the terminal, and silent where nobody watches", () => {
  const console = new TestConsole();
  using bar = new ProgressBar(console);
  bar.update("x", 1, 2);
  assertEquals(console.written.err, "");
  console.interactive = true;
  console.columns = 20;
  bar.update("a long description", 1);
  assertEquals(console.written.err, "\ra long description ");
});

Deno.test("durations as people read them", () => {
  assertEquals([0.42, 12.4, 59.7, 200, 7500].map(duration), [
    "0.4 s",
    "12 s",
    "1 min 0 s",
    "3 min 20 s",
    "2 h 5 min",
  ]);
});
