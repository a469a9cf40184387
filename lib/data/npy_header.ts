/**
 * The header of NumPy's `.npy` files: a dictionary as Python writes it, read character by character in time
 * that grows with its length.
 *
 * @module
 */
import { fail, quote } from "./data_error.ts";

/** What a header says. */
export interface NpyHeader {
  /** NumPy's name of the element type, such as `<f4`. */
  readonly descr: string;
  /** Whether the first dimension is the fastest. */
  readonly fortranOrder: boolean;
  /** The sizes, the slowest first. */
  readonly shape: readonly number[];
}

const MAX_RANK = 32;

/** The fields of records, of which nothing more is read. */
const RECORDS = Symbol("records");

/** A value of the dictionary; sizes as a list of numbers. */
type Value = string | boolean | readonly number[] | typeof RECORDS;

/**
 * Reads a header: `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`, the three entries in
 * whatever order. Nothing else is taken for one.
 *
 * @param where the file, for errors.
 * @throws {DataError} if it is no such dictionary, or says that the elements are records.
 */
export function parseNpyHeader(where: string, text: string): NpyHeader {
  const entries = new HeaderReader(text).dictionary();
  const [descr, fortranOrder, shape] = ["descr", "fortran_order", "shape"]
    .map((key) => entries?.get(key));
  if (descr === RECORDS) {
    fail(
      where,
      "the elements are records of several fields; save one field as an array of its own",
    );
  }
  if (
    entries?.size !== 3 || typeof descr !== "string" || typeof fortranOrder !== "boolean" ||
    !Array.isArray(shape)
  ) {
    fail(
      where,
      `the header is not understood: ${quote(text.trim(), 120)}; save the array again with ` +
        `numpy.save`,
    );
  }
  return { descr, fortranOrder, shape };
}

/** Reads a dictionary from front to back; a method gives undefined for what it does not know. */
class HeaderReader {
  private at = 0;

  constructor(private readonly text: string) {}

  /** The whole text as a dictionary whose keys differ. */
  dictionary(): Map<string, Value> | undefined {
    const entries = new Map<string, Value>();
    if (!this.takes("{")) return undefined;
    while (!this.takes("}")) {
      const key = this.quoted();
      if (key === undefined || entries.has(key) || !this.takes(":")) return undefined;
      const value = this.value();
      if (value === undefined) return undefined;
      entries.set(key, value);
      if (!this.takes(",") && this.next() !== "}") return undefined;
    }
    return this.next() === undefined ? entries : undefined;
  }

  private value(): Value | undefined {
    if (this.takes("True")) return true;
    if (this.takes("False")) return false;
    if (this.next() === "(") return this.sizes();
    if (this.takes("[")) {
      const end = this.text.indexOf("]", this.at);
      this.at = end + 1;
      return end < 0 ? undefined : RECORDS;
    }
    return this.quoted();
  }

  /** Text in quotation marks of either kind; NumPy escapes nothing. */
  private quoted(): string | undefined {
    const mark = this.next();
    if (mark !== "'" && mark !== '"') return undefined;
    const start = this.at + 1;
    const end = this.text.indexOf(mark, start);
    if (end < 0) return undefined;
    this.at = end + 1;
    return this.text.slice(start, end);
  }

  /** A tuple of sizes; Python 2 wrote an L after large ones. */
  private sizes(): number[] | undefined {
    const sizes: number[] = [];
    this.takes("(");
    while (!this.takes(")")) {
      const size = this.integer();
      if (size === undefined || sizes.push(size) > MAX_RANK) return undefined;
      if (!this.takes(",") && this.next() !== ")") return undefined;
    }
    return sizes;
  }

  private integer(): number | undefined {
    this.next();
    let value: number | undefined;
    for (let digit; (digit = "0123456789".indexOf(this.text.charAt(this.at) || " ")) >= 0;) {
      value = 10 * (value ?? 0) + digit;
      this.at++;
      if (!Number.isSafeInteger(value)) return undefined;
    }
    if (value !== undefined && this.text[this.at] === "L") this.at++;
    return value;
  }

  /** The next character that is no white space; undefined at the end. */
  private next(): string | undefined {
    while (this.at < this.text.length && " \t\n\r\f\v".includes(this.text[this.at])) this.at++;
    return this.text[this.at];
  }

  /** Passes over `word` if it comes next. */
  private takes(word: string): boolean {
    this.next();
    const found = this.text.startsWith(word, this.at);
    if (found) this.at += word.length;
    return found;
  }
}
