/**
 * A config for each module by its full name.
 *
 * @module
 */
import { given } from "../../numbers/arguments.ts";
import { pythonFullMatch } from "./python_pattern.ts";
import { AOBaseConfig } from "./quantize.ts";

/** What {@linkcode FqnToConfig} is made from: configs by full name, `re:` pattern or RegExp. */
export type FqnConfigs =
  | ReadonlyMap<string | RegExp, AOBaseConfig | null>
  | Readonly<Record<string, AOBaseConfig | null>>;

/** A pattern, which is tried on the names of modules and on those of their parameters. */
interface Rule {
  readonly key: string;
  readonly config: AOBaseConfig | null;
  readonly matchesModule: (fullName: string) => boolean;
  readonly matchesParameter: (fullName: string) => boolean;
}

/** The parameter that configs quantize, and the one that stays float. */
const WEIGHT = "weight";
const BIAS = "bias";

/**
 * Gives each module a config of its own, for `quantize_`, as torchao's. Keys are full names of parameters
 * (`encoder.linear1.weight`) or modules (`encoder.linear1`), patterns for either (strings beginning with `re:`,
 * in Python's spelling, which must match a whole name, or RegExps in a Map, which match as `test` does), and
 * `_default` for all modules that no other key names. null leaves a module alone.
 *
 * Of several keys that fit, a parameter's name counts first, then the module's name, a pattern that matches
 * the parameter, a pattern that matches the module, and the default; of several patterns the first. A key that
 * matches nothing is passed over, since a config may serve several models; a warning names it.
 *
 * @example
 * ```ts
 * import {
 *   FqnToConfig, Int4WeightOnlyConfig, Int8WeightOnlyConfig, Linear, quantize_, Sequential,
 * } from "@staticquant/staticquant";
 * const m = new Sequential({ up: new Linear(256, 64), down: new Linear(64, 64), head: new Linear(64, 8) });
 * const names = await quantize_(m, new FqnToConfig({
 *   "up.weight": new Int4WeightOnlyConfig(),
 *   "re:.*head": null,
 *   "_default": new Int8WeightOnlyConfig(),
 * }));
 * console.log(names); // [ "up", "down" ]
 * ```
 */
export class FqnToConfig extends AOBaseConfig {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "FqnToConfig";

  /** The config of modules that no key names; null to leave them alone. */
  readonly default: AOBaseConfig | null;
  private readonly names: ReadonlyMap<string, AOBaseConfig | null>;
  private readonly patterns: readonly Rule[];

  /**
   * Takes the configs.
   *
   * @param fqnToConfig a Map or a record of configs, null for modules to leave alone.
   * @throws {TypeError} if a value is neither a config nor null, or is itself a `FqnToConfig`; or if a key names
   * a bias, which is not quantized.
   * @throws {SyntaxError} if a `re:` pattern is not a regular expression.
   */
  constructor(fqnToConfig: FqnConfigs) {
    super();
    if (typeof fqnToConfig !== "object" || fqnToConfig === null || Array.isArray(fqnToConfig)) {
      throw new TypeError(`FqnToConfig: expected configs by name, got ${given(fqnToConfig)}`);
    }
    const entries: [string | RegExp, AOBaseConfig | null][] = fqnToConfig instanceof Map
      ? [...fqnToConfig]
      : Object.entries(fqnToConfig);
    const names = new Map<string, AOBaseConfig | null>();
    const patterns: Rule[] = [];
    for (const [key, config] of entries) {
      if (config !== null && (!(config instanceof AOBaseConfig) || config.configsFor)) {
        throw new TypeError(
          `FqnToConfig: the value of ${key} must be a config for one module, or null to leave it alone, got ` +
            given(config),
        );
      }
      if (typeof key === "string" && !key.startsWith("re:")) {
        checkName(key, config);
        names.set(key, config);
      } else patterns.push(ruleOf(key, config));
    }
    this.default = names.get("_default") ?? null;
    names.delete("_default");
    this.names = names;
    this.patterns = patterns;
  }

  /** The config of each of the modules with these full names; null for those to leave alone. */
  override configsFor(fullNames: readonly string[]): (AOBaseConfig | null)[] {
    const used = new Set<string>();
    const configs = fullNames.map((fullName) => this.configFor(fullName, used));
    const keys = [...this.names.keys(), ...this.patterns.map(({ key }) => key)];
    const unused = keys.filter((key) => !used.has(key));
    if (unused.length) {
      console.warn(
        `FqnToConfig: ${unused.join(", ")} ${
          unused.length > 1 ? "match" : "matches"
        } none of the ` +
          `modules that quantize_ may swap, which are: ${fullNames.join(", ") || "none"}`,
      );
    }
    return configs;
  }

  /** The config of one module; `used` takes the keys that name it. */
  private configFor(fullName: string, used: Set<string>): AOBaseConfig | null {
    const [weight, bias] = [WEIGHT, BIAS].map((part) => fullName ? `${fullName}.${part}` : part);
    const { names } = this;
    for (const name of [weight, bias, fullName]) if (names.has(name)) used.add(name);
    const parameterRules = this.patterns.filter((rule) => rule.matchesParameter(weight));
    const moduleRules = this.patterns.filter((rule) => rule.matchesModule(fullName));
    for (const { key } of [...parameterRules, ...moduleRules]) used.add(key);
    if (names.has(weight)) return names.get(weight)!;
    // A bias that is named speaks for its module, as in torchao.
    const named = names.has(bias) ? undefined : names.get(fullName);
    if (named !== undefined) return named;
    const [rule] = names.has(bias) ? parameterRules : [...parameterRules, ...moduleRules];
    if (rule) return rule.config;
    return names.has(bias) ? null : this.default;
  }
}

/** Refuses a config for a parameter that is not quantized. */
function checkName(key: string, config: AOBaseConfig | null): void {
  if (config === null || key !== BIAS && !key.endsWith(`.${BIAS}`)) return;
  throw new TypeError(
    `FqnToConfig: ${key} names a bias, but configs quantize weights; name ${
      key.slice(0, -BIAS.length)
    }${WEIGHT}, or the module`,
  );
}

/** A pattern's rule. */
function ruleOf(key: string | RegExp, config: AOBaseConfig | null): Rule {
  if (typeof key === "string") {
    const pattern = pythonPattern(key.slice(3));
    const matches = (name: string) => pattern.test(name);
    return { key, config, matchesModule: matches, matchesParameter: matches };
  }
  // Without the flags that would make `test` remember where it was.
  const pattern = new RegExp(key.source, key.flags.replace(/[gy]/g, ""));
  return {
    key: String(key),
    config,
    matchesModule: (name) => pattern.test(name),
    // What is found in a module's name is found in its parameters' too.
    matchesParameter: (name) =>
      pattern.test(name) && !pattern.test(name.slice(0, Math.max(name.lastIndexOf("."), 0))),
  };
}

function pythonPattern(pattern: string): RegExp {
  try {
    return pythonFullMatch(pattern);
  } catch (error) {
    throw new SyntaxError(`FqnToConfig: ${(error as Error).message}`);
  }
}
