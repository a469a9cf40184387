/** Ways to spoil bytes and text. */
import type { Random } from "./random.ts";

/** Numbers at which something overflows. */
const EDGES = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

/** What a number, a name or a piece of JSON may be replaced by. */
const WORDS = [
  ...["-1", "0", "1", "1e3", "1e999", "-0", "0x10", "NaN", "null", "true", "{}", "[]", '""', "'"],
  ...["9007199254740991", "9007199254740993", "18446744073709551615", "4294967296", "2147483648"],
  ...["constructor", "__proto__", "toString", "\u0000", "\ud83d\ude00", "\\u0041", "\\", "\n", " "],
  ...[
    "[".repeat(9000) + "]".repeat(9000),
    "[".repeat(200),
    "{".repeat(200),
    "9".repeat(400),
    " ".repeat(5000),
    "../",
    "<f4",
    "(",
    ")",
    "\\u001b[2J",
  ],
];

/** Bytes changed in a few places: flipped, removed, put in, repeated, or numbers set to where they overflow. */
export function mutateBytes(bytes: Uint8Array, random: Random): Uint8Array<ArrayBuffer> {
  let all = new Uint8Array(bytes);
  for (let times = 1 + random.below(4); times > 0; times--) {
    const at = random.below(all.length + 1);
    const [before, after] = [all.subarray(0, at), all.subarray(at)];
    const noise = () => Uint8Array.from({ length: 1 + random.below(8) }, () => random.below(256));
    switch (random.below(9)) {
      case 0:
        all = concat(before, noise(), after);
        break;
      case 1:
        all = concat(before, after.subarray(1 + random.below(16)));
        break;
      case 2:
        all = concat(before);
        break;
      case 3:
        all = concat(before, after.subarray(0, random.below(64)), after);
        break;
      case 4:
        setNumber(all, at, random);
        break;
      case 5: {
        const varint = [...Array(random.below(9)).fill(0xff), random.below(128)];
        all = concat(before, Uint8Array.from(varint), after.subarray(1));
        break;
      }
      case 6:
        if (at < all.length) all[at] = random.pick([0, 0xff, 0x7f, 0x80]);
        break;
      default:
        if (at < all.length) all[at] ^= 1 << random.below(8);
    }
  }
  return all;
}

/** Sets two, four or eight bytes to a number at which something overflows. */
function setNumber(bytes: Uint8Array<ArrayBuffer>, at: number, random: Random): void {
  const size = random.pick([2, 4, 8]);
  if (at + size > bytes.length) return;
  const view = new DataView(bytes.buffer, at);
  const edge = random.pick(EDGES);
  const little = random.once(2);
  if (size === 2) view.setUint16(0, edge, little);
  else if (size === 4) view.setUint32(0, edge, little);
  else view.setBigUint64(0, BigInt(edge) << (random.once(2) ? 0n : 32n), little);
}

/** Text with a few of its words, numbers and marks replaced, removed or repeated. */
export function mutateText(text: string, random: Random): string {
  let all = text;
  for (let times = 1 + random.below(3); times > 0; times--) {
    const tokens = all.match(/[A-Za-z_]+|-?[0-9.]+|[^]/g) ?? [""];
    const at = random.below(tokens.length);
    switch (random.below(5)) {
      case 0:
        tokens.splice(at, 1);
        break;
      case 1:
        tokens.splice(at, 0, tokens[random.below(tokens.length)]);
        break;
      case 2:
        tokens.splice(at, 1 + random.below(8));
        break;
      case 3:
        tokens.splice(at, 0, random.pick(WORDS));
        break;
      default:
        tokens[at] = random.pick(WORDS);
    }
    all = tokens.join("").slice(0, 1 << 16);
  }
  return all;
}

/** Several as one. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
