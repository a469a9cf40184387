/**
 * Checking what JavaScript lets through: misspelt options and constants, text where a value is meant,
 * a forgotten `await`.
 *
 * @module
 */
import { type DType, dtypes } from "./dtype.ts";

/** What a value is, for the end of "…, got"; with what to do about it where that is plain. */
export function given(value: unknown): string {
  if (value === null || typeof value === "undefined") return String(value);
  if (typeof value === "string") return `the text ${JSON.stringify(value)}`;
  if (typeof value === "bigint") return `the BigInt ${value}n`;
  if (typeof value === "symbol") return String(value);
  if (typeof value === "function") {
    return /^class\b/.test(Function.prototype.toString.call(value))
      ? `the class ${value.name}; make one with new ${value.name}(…)`
      : `the function ${value.name || "without a name"}`;
  }
  if (typeof value !== "object") return String(value);
  if (typeof (value as { then?: unknown }).then === "function") {
    return "a Promise; `await` it first";
  }
  if (Array.isArray(value)) return "an array";
  if ("dims" in value && "data" in value) {
    return "an ONNX tensor; make it one of this library's with tensor(t.data, { shape: t.dims })";
  }
  const { name } = Object.getPrototypeOf(value)?.constructor ?? {};
  return name && name !== "Object" ? `${/^[AEIOU]/.test(name) ? "an" : "a"} ${name}` : "an object";
}

/**
 * Throws a TypeError unless `options` is an object that has none but the `known` keys; it names the
 * known one that looks most like the unknown. `where` opens the message.
 */
export function checkOptions(where: string, options: unknown, known: readonly string[]): void {
  if (options === undefined) return;
  const plain = typeof options === "object" && options !== null && !Array.isArray(options) &&
    typeof (options as { then?: unknown }).then !== "function" && !ArrayBuffer.isView(options);
  if (!plain) {
    const list = known.length ? `{ ${known.join(", ")} }` : "{}";
    throw new TypeError(`${where}: the options must be an object ${list}, got ${given(options)}`);
  }
  for (const key of Object.keys(options)) {
    if (known.includes(key)) continue;
    const like = nearest(key, known);
    throw new TypeError(
      `${where}: there is no option ${JSON.stringify(key)}; ` +
        (like ? `did you mean ${like}? There ${listed(known)}` : `there ${listed(known)}`),
    );
  }
}

function listed(known: readonly string[]): string {
  if (known.length === 0) return "are none";
  return `${known.length === 1 ? "is" : "are"} ${known.join(", ")}`;
}

/** Throws a TypeError unless `value` is one of the `known` texts, such as those of `owner`. */
export function checkChoice<T extends string>(
  where: string,
  name: string,
  value: unknown,
  known: readonly T[],
  owner?: string,
): T {
  if (known.includes(value as T)) return value as T;
  const like = typeof value === "string" ? nearest(value, known) : undefined;
  const spelt = (text: string) => owner ? `${owner}.${text}` : JSON.stringify(text);
  throw new TypeError(
    `${where}: ${name} is ${
      typeof value === "string" ? JSON.stringify(value) : given(value)
    }, but ` +
      `must be one of ${known.map(spelt).join(", ")}` +
      (value === undefined && owner ? "; is its name misspelt?" : "") +
      (like ? `; did you mean ${spelt(like)}?` : ""),
  );
}

/** Throws a TypeError unless `value` is one of the dtypes themselves; text is not. */
export function checkDType(where: string, name: string, value: unknown): asserts value is DType {
  const called = (value as DType | undefined)?.name;
  if (called !== undefined && Object.hasOwn(dtypes, called) && dtypes[called] === value) return;
  const text = typeof value === "string" ? value.replace(/^torch\./, "") : "";
  const like = nearest(text, Object.keys(dtypes));
  throw new TypeError(
    `${where}: ${name} must be a dtype, such as uint8 or float32, got ${given(value)}` +
      (Object.hasOwn(dtypes, text)
        ? `; give the value ${text} that this library exports`
        : like
        ? `; did you mean the value ${like}?`
        : ""),
  );
}

/** The known text that is few edits from `text`, or undefined where none is near. */
export function nearest<T extends string>(text: string, known: readonly T[]): T | undefined {
  let best: T | undefined;
  let least = Math.max(2, Math.floor(text.length / 3)) + 1;
  const plain = (s: string) => s.toLowerCase().replaceAll(/[_-]/g, "");
  for (const candidate of text.length > 100 ? [] : known) {
    const edits = editDistance(plain(text), plain(candidate));
    if (edits < least && edits < plain(candidate).length) [least, best] = [edits, candidate];
  }
  return best;
}

/** How many letters must be put in, taken out or exchanged; two that are swapped count as half one. */
function editDistance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const [row, before] = [[i], rows[i - 1]];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      row[j] = Math.min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped && !same) row[j] = Math.min(row[j], rows[i - 2][j - 2] + 0.5);
    }
    rows.push(row);
  }
  return rows[a.length][b.length];
}
