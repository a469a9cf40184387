/**
 * A config for each module by its full name.
 *
 * @module
 */
import { AOBaseConfig } from "./quantize.ts";

/** What {@linkcode FqnToConfig} is made from: configs by full name, `re:` pattern or RegExp. */
export type FqnConfigs =
  | ReadonlyMap<string | RegExp, AOBaseConfig | null>
  | Readonly<Record<string, AOBaseConfig | null>>;

interface Rule {
  readonly key: string;
  readonly config: AOBaseConfig | null;
  readonly matches: (fullName: string) => boolean;
}

/**
 * Gives each module a config of its own, for `quantize_`. Keys are full names (`encoder.linear1`),
 * patterns (strings beginning with `re:`, which must match a whole name, or RegExps in a Map, which
 * match as `test` does), and `_default` for all modules that no other key names. null leaves a module
 * alone.
 *
 * A name goes before patterns, and of several patterns that match the first counts. A key that matches
 * none of the modules is an error, before anything is changed.
 *
 * @example
 * ```ts
 * import {
 *   FqnToConfig, Int4WeightOnlyConfig, Int8WeightOnlyConfig, Linear, quantize_, Sequential,
 * } from "@staticquant/staticquant";
 * const m = new Sequential({ up: new Linear(256, 64), down: new Linear(64, 64), head: new Linear(64, 8) });
 * const names = await quantize_(m, new FqnToConfig({
 *   "up": new Int4WeightOnlyConfig(),
 *   "re:.*head": null,
 *   "_default": new Int8WeightOnlyConfig(),
 * }));
 * console.log(names); // [ "up", "down" ]
 * ```
 */
export class FqnToConfig extends AOBaseConfig {
  /** The config of modules that no key names; null to leave them alone. */
  readonly default: AOBaseConfig | null;
  private readonly names: ReadonlyMap<string, AOBaseConfig | null>;
  private readonly patterns: readonly Rule[];

  /**
   * Takes the configs.
   *
   * @param fqnToConfig a Map or a record of configs, null for modules to leave alone.
   * @throws {TypeError} if a value is neither a config nor null, or is itself a `FqnToConfig`.
   * @throws {SyntaxError} if a `re:` pattern is not a regular expression.
   */
  constructor(fqnToConfig: FqnConfigs) {
    super();
    const entries: [string | RegExp, AOBaseConfig | null][] = fqnToConfig instanceof Map
      ? [...fqnToConfig]
      : Object.entries(fqnToConfig);
    const names = new Map<string, AOBaseConfig | null>();
    const patterns: Rule[] = [];
    for (const [key, config] of entries) {
      if (config !== null && (!(config instanceof AOBaseConfig) || config.configsFor)) {
        throw new TypeError(
          `FqnToConfig: the value of ${key} must be a config for one module, or null to leave it alone`,
        );
      }
      const pattern = regExpOf(key);
      if (pattern) {
        patterns.push({ key: String(key), config, matches: (name) => pattern.test(name) });
      } else names.set(key as string, config);
    }
    this.default = names.get("_default") ?? null;
    names.delete("_default");
    this.names = names;
    this.patterns = patterns;
  }

  /**
   * The config of each of the modules with these full names; null for those to leave alone.
   *
   * @throws {RangeError} if a key matches none of them; it names all such keys.
   */
  override configsFor(fullNames: readonly string[]): (AOBaseConfig | null)[] {
    const unused = [
      ...[...this.names.keys()].filter((name) => !fullNames.includes(name)),
      ...this.patterns.filter(({ matches }) => !fullNames.some(matches)).map(({ key }) => key),
    ];
    if (unused.length) {
      throw new RangeError(
        `FqnToConfig: ${unused.join(", ")} ${
          unused.length > 1 ? "match" : "matches"
        } none of the ` +
          `modules that quantize_ may swap, which are: ${fullNames.join(", ") || "none"}`,
      );
    }
    return fullNames.map((fullName) => {
      const own = this.names.get(fullName);
      if (own !== undefined) return own;
      const rule = this.patterns.find(({ matches }) => matches(fullName));
      return rule ? rule.config : this.default;
    });
  }
}

/** A pattern's expression, whose `test` keeps no state; undefined for a plain name. */
function regExpOf(key: string | RegExp): RegExp | undefined {
  if (typeof key !== "string") return new RegExp(key.source, key.flags.replace(/[gy]/g, ""));
  return key.startsWith("re:") ? new RegExp(`^(?:${key.slice(3)})$`) : undefined;
}
