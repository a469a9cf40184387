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

/** WebGPU, computed in software, where a kernel may compile for longer than is waited for a GPU. */
export const WEBGPU_FLAGS: readonly string[] = [
  "--disable-gpu-watchdog",
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
];

/** Where Chromium has its software driver for Vulkan, which Dawn takes in Node too. */
const DRIVERS = ["/usr/lib/chromium", "/opt/google/chrome"].map((folder) =>
  `${folder}/vk_swiftshader_icd.json`
);

/** Variables that give programs that software driver; none where it is not found. */
export async function softwareVulkan(): Promise<Record<string, string>> {
  for (const path of DRIVERS) {
    if (await Deno.stat(path).catch(() => undefined)) return { VK_ICD_FILENAMES: path };
  }
  return {};
}
