/**
 * A page without a bundler, as docs/install.md has it, over the installed package.
 *
 * @module
 */
import { chromium } from "playwright-core";
import { CHROMIUM_FLAGS, ensureChromium, findChromium, WEBGPU_FLAGS } from "./chromium.ts";
import { root } from "./paths.ts";
import { serveFolder } from "./web/server.ts";

/** How long the page may take to print something, in milliseconds. */
const PATIENCE_MS = 120_000;

/** The page that the document shows. */
async function documentedPage(): Promise<string> {
  const text = await Deno.readTextFile(`${root}/docs/install.md`);
  const block = /```html\n([^]*?)```/.exec(text)?.[1];
  if (!block) throw new Error("docs/install.md has no page");
  return `<!doctype html><meta charset="utf-8"><title>page</title>${block}`;
}

/**
 * Opens that page in Chromium.
 *
 * @param app a folder in which the package is installed.
 * @throws {Error} if the page does not print a tensor.
 */
export async function browserConsumer(app: string): Promise<boolean> {
  if (!await ensureChromium()) return false;
  await Deno.writeTextFile(`${app}/page.html`, await documentedPage());
  const server = serveFolder(app);
  const browser = await chromium.launch({
    executablePath: await findChromium(),
    args: [...CHROMIUM_FLAGS, ...WEBGPU_FLAGS],
  });
  try {
    const page = await browser.newPage();
    const printed = page.waitForEvent("console", {
      predicate: (message) => message.text().startsWith("Tensor("),
      timeout: PATIENCE_MS,
    });
    const failed = page.waitForEvent("pageerror", { timeout: 0 }).then((error) => {
      throw error;
    });
    failed.catch(() => {});
    await page.goto(`http://127.0.0.1:${server.addr.port}/page.html`);
    console.log(`A page by an import map: ${(await Promise.race([printed, failed])).text()}`);
    return true;
  } finally {
    await browser.close();
    await server.shutdown();
  }
}
