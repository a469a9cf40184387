import { apt, aptLine, canApt } from "./apt.ts";
import { run } from "./run.ts";

const PACKAGE = "chromium";

/** What the program may be called. */
const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** Where Chromium is; nothing if it is not installed. */
export async function findChromium(): Promise<string | undefined> {
  for (const name of NAMES) {
    const { ok, stdout } = await run("which", [name], { output: "hide" });
    if (ok) return stdout.trim();
  }
}

/** Sees to it that there is Chromium, installing it where that may be; else says what to type. */
export async function ensureChromium(): Promise<boolean> {
  if (await findChromium()) return true;
  if (await canApt() && await apt(PACKAGE) && await findChromium()) return true;
  console.error(`There is no Chromium to test the page in. To install it, type:\n`);
  console.error(`    ${aptLine(PACKAGE)}\n`);
  return false;
}

/** How Chromium is started for tests: without what would reach out. */
export const CHROMIUM_FLAGS: readonly string[] = [
  "--no-sandbox",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** WebGPU, computed in software. */
export const WEBGPU_FLAGS: readonly string[] = [
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
];
