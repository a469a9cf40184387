/** The built page in Chromium, where each request that leaves this machine fails the test. */
import { assertEquals } from "@std/assert";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { CHROMIUM_FLAGS, findChromium, WEBGPU_FLAGS } from "../../scripts/chromium.ts";
import { root } from "../../scripts/paths.ts";
import { SITE } from "../../scripts/web/folder.ts";
import { serveFolder } from "../../scripts/web/server.ts";

/** How long a step of a page may take on a slow machine. */
const PATIENCE_MS = 240_000;

/** Chromium, with the page served to it. */
export class TestBrowser implements AsyncDisposable {
  private readonly server = serveFolder(SITE);
  readonly origin = `http://127.0.0.1:${this.server.addr.port}`;

  private constructor(private readonly browser: Browser) {}

  /** @param webgpu whether it has WebGPU. */
  static async launch(webgpu: boolean): Promise<TestBrowser> {
    const executablePath = await findChromium();
    if (!executablePath) throw new Error("there is no Chromium; deno task test installs it");
    const args = [...CHROMIUM_FLAGS, ...webgpu ? WEBGPU_FLAGS : []];
    return new TestBrowser(await chromium.launch({ executablePath, args }));
  }

  /** Opens the page. */
  async open(path = "", options: BrowserContextOptions = {}): Promise<TestPage> {
    const context = await this.browser.newContext({ acceptDownloads: true, ...options });
    context.setDefaultTimeout(PATIENCE_MS);
    const page = await context.newPage();
    const test = new TestPage(page, this.origin);
    await page.goto(`${this.origin}/${path}`);
    return test;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.browser.close();
    await this.server.shutdown();
  }
}

/** The page. Disposing of it checks that it asked nobody else for anything and that nothing went wrong in it. */
export class TestPage implements AsyncDisposable {
  /** Bytes of all answers so far. */
  bytes = 0;
  private readonly elsewhere: string[] = [];
  private readonly problems: string[] = [];
  private readonly answers: Promise<void>[] = [];

  constructor(readonly page: Page, origin: string) {
    page.context().on("request", (request) => {
      const url = new URL(request.url());
      const own = url.origin === origin || ["data:", "blob:"].includes(url.protocol);
      if (!own) this.elsewhere.push(request.url());
    });
    page.on("response", (response) => {
      const count = async () => {
        this.bytes += (await response.body().catch(() => new Uint8Array())).length;
      };
      this.answers.push(count());
    });
    page.on("console", (message) => {
      if (message.type() === "error") this.problems.push(message.text());
    });
    page.on("pageerror", (error) => this.problems.push(String(error)));
  }

  /** Waits for all answers. */
  async settled(): Promise<void> {
    await this.page.waitForLoadState("networkidle");
    await Promise.all(this.answers);
  }

  /** Gives the page a model, and waits until it was looked into or refused. */
  async giveModel(file: string | GivenFile): Promise<void> {
    await this.page.getByTestId("model-file").setInputFiles(file);
    await this.inspected();
  }

  /** Waits until a model was looked into, or what is wrong with it told. */
  async inspected(): Promise<void> {
    await this.page.getByTestId("inspection").or(this.page.getByRole("alert")).waitFor();
  }

  /** Quantizes, and waits for the file. */
  async quantize(): Promise<void> {
    await this.page.getByRole("button", { name: /^(Quantize|Quantize again|开始量化)$/ }).click();
    await this.page.getByTestId("result").or(this.page.getByRole("alert")).waitFor();
  }

  /** What the page says went wrong. */
  async alert(): Promise<string> {
    return await this.page.getByRole("alert").innerText();
  }

  /** The file that a button gives. */
  async download(name: string): Promise<Uint8Array<ArrayBuffer>> {
    const waiting = this.page.waitForEvent("download");
    await this.page.getByRole("button", { name }).click();
    return await Deno.readFile((await (await waiting).path())!);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.context().close();
    assertEquals(this.elsewhere, [], "the page asked others");
    assertEquals(this.problems, [], "the page has errors in its console");
  }
}

/** A file that the page is given. */
export type GivenFile = { name: string; mimeType: string; buffer: Buffer };

/** A file that the page is given, from memory. */
export function given(name: string, content: string | Uint8Array): GivenFile {
  const buffer = Buffer.from(content as Uint8Array);
  return { name, mimeType: "application/octet-stream", buffer };
}

/** A test with a browser of its own. */
export function browserTest(
  name: string,
  test: (browser: TestBrowser) => Promise<void>,
  { webgpu = true } = {},
): void {
  Deno.test({
    name,
    // Playwright keeps its driver for as long as the program lives.
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      await using browser = await TestBrowser.launch(webgpu);
      await test(browser);
    },
  });
}

/** The path of a file of this repository. */
export const ofRepository = (...parts: string[]): string => join(root, ...parts);
