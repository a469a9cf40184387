/**
 * The file in which measured tiles are remembered.
 *
 * @module
 */
import { isNotFound, makeFolders, readTextSync } from "../files/disk.ts";
import { HOST } from "../files/host.ts";
import { pathOf, paths } from "../files/paths.ts";
import { mayUse } from "../files/permissions.ts";
import { StagedFile } from "../files/staged_file.ts";

const FORMAT = "staticquant autotune";
const VERSION = 1;

/** What the file holds. */
interface Contents {
  readonly format: typeof FORMAT;
  readonly version: typeof VERSION;
  /** The adapter that was measured. */
  readonly adapter: string;
  /** The fastest tile of each product. */
  readonly tiles: Record<string, string>;
}

/** Where winners are kept unless a file is named: a folder of the program's own, which a page has not. */
function defaultPath(adapter: string): string | undefined {
  if (HOST === "browser") return undefined;
  const name = adapter.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
  return paths().join(".cache", "staticquant", `autotune-${name || "unknown"}.json`);
}

/** Whether a path may be read and written without asking. */
function granted(path: string): boolean {
  return mayUse("read", path) && mayUse("write", path);
}

function parse(text: string): Contents {
  const contents: Contents = JSON.parse(text);
  if (contents?.format !== FORMAT) throw new Error(`it is no cache of measured tiles`);
  if (contents.version !== VERSION) throw new Error(`its version is not ${VERSION}`);
  const { adapter, tiles } = contents;
  const texts = tiles && typeof tiles === "object" ? Object.values(tiles) : [undefined];
  if (typeof adapter !== "string" || texts.some((tile) => typeof tile !== "string")) {
    throw new Error(`it is damaged`);
  }
  return contents;
}

/** Winners by product, for one adapter. */
export class AutotuneCache {
  private constructor(
    private readonly adapter: string,
    private readonly path: string | undefined,
    private readonly tiles: Map<string, string>,
    /** Whether a failure to write is to be told. */
    private readonly asked: boolean,
  ) {}

  /**
   * Reads the file. One that is damaged or of another adapter is told of, ignored and left alone.
   *
   * @param adapter as the backend names it.
   * @param file by default one of the adapter's own in `.cache/staticquant`, if that may be read and
   * written; null for none.
   */
  static open(adapter: string, file?: string | URL | null): AutotuneCache {
    const asked = file !== undefined;
    const path = asked ? file === null ? undefined : pathOf(file) : defaultPath(adapter);
    const none = () => new AutotuneCache(adapter, undefined, new Map(), asked);
    if (path === undefined || (!asked && !granted(path))) return none();
    try {
      const contents = parse(readTextSync(path));
      if (contents.adapter !== adapter) {
        throw new Error(`it was measured on "${contents.adapter}", this is "${adapter}"`);
      }
      return new AutotuneCache(adapter, path, new Map(Object.entries(contents.tiles)), asked);
    } catch (error) {
      if (isNotFound(error)) {
        return new AutotuneCache(adapter, path, new Map(), asked);
      }
      const reason = error instanceof Error ? error.message : String(error);
      console.warn(
        `compile: the autotune cache ${path} is ignored: ${reason}. Delete it, or name another with ` +
          `{ cacheFile }`,
      );
      return none();
    }
  }

  /** The name of the tile that was fastest. */
  get(product: string): string | undefined {
    return this.tiles.get(product);
  }

  /** Remembers a winner. */
  set(product: string, tile: string): void {
    this.tiles.set(product, tile);
  }

  /** Writes the file, whole or not at all. */
  async save(): Promise<void> {
    const { path, adapter } = this;
    if (path === undefined) return;
    const tiles = Object.fromEntries([...this.tiles].sort(([a], [b]) => a < b ? -1 : 1));
    const contents: Contents = { format: FORMAT, version: VERSION, adapter, tiles };
    const text = JSON.stringify(contents, null, 2) + "\n";
    try {
      if (!this.asked) await makeFolders(paths().dirname(path));
      await using file = await StagedFile.write(path, [new TextEncoder().encode(text)]);
      await file.commit();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (this.asked) console.warn(`compile: the autotune cache ${path} was not saved: ${reason}`);
    }
  }
}
