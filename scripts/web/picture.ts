/**
 * Takes the pictures of the page that the READMEs show, in light and in dark.
 *
 * @module
 */
import { chromium } from "playwright-core";
import { join } from "node:path";
import { CHROMIUM_FLAGS, ensureChromium, findChromium } from "../chromium.ts";
import { root } from "../paths.ts";
import { buildPage } from "./build.ts";
import { SITE } from "./folder.ts";
import { serveFolder } from "./server.ts";

const SIZE = { width: 1080, height: 640 };

if (!await ensureChromium()) Deno.exit(1);
await buildPage();
const server = serveFolder(SITE);
const browser = await chromium.launch({
  executablePath: await findChromium(),
  args: [...CHROMIUM_FLAGS],
});
const languages = { "": "en", "-zh": "zh-CN" };
for (const [suffix, locale] of Object.entries(languages)) {
  for (const colorScheme of ["light", "dark"] as const) {
    const page = await browser.newPage({ colorScheme, locale, viewport: SIZE });
    await page.goto(`http://127.0.0.1:${server.addr.port}/`);
    await page.getByRole("button", { name: /Digits|数字/ }).click();
    await page.getByTestId("inspection").waitFor();
    await page.mouse.move(0, 0);
    await page.screenshot({ path: join(root, "docs", `page${suffix}-${colorScheme}.png`) });
    await page.close();
  }
}
await browser.close();
await server.shutdown();
