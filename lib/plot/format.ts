/**
 * Numbers as people read them.
 *
 * @module
 */

/** An integer with its thousands apart, or a float with four significant digits. */
export function formatNumber(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  const text = Number.isInteger(value) && size < 1e15
    ? size.toLocaleString("en-US")
    : size >= 1e-4 && size < 1e6
    ? size.toLocaleString("en-US", { maximumSignificantDigits: 4 })
    : size.toExponential(3).replace("e+", "e").replace("e-", "e−");
  return value < 0 ? `−${text}` : text;
}

/** `64 × 32`; `scalar` for no dimensions. */
export function formatSizes(shape: readonly number[]): string {
  return shape.length ? shape.join(" × ") : "scalar";
}

/** Bytes in the largest unit that leaves a number of at least one. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB"];
  const unit = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), units.length - 1);
  const value = bytes / 1024 ** unit;
  return `${unit === 0 ? value : value.toFixed(value < 100 ? 1 : 0)} ${units[unit]}`;
}

/** A share of the whole: `0 %`, `< 0.01 %`, `1.25 %`. */
export function formatShare(part: number, whole: number): string {
  const percent = whole ? 100 * part / whole : 0;
  if (percent > 0 && percent < 0.01) return "< 0.01 %";
  return `${percent.toLocaleString("en-US", { maximumFractionDigits: 2 })} %`;
}

/** One number for all, or the least and the greatest. */
export function formatSpread(values: ArrayLike<number>): string {
  const [low, high] = extent(values);
  return low === high ? formatNumber(low) : `${formatNumber(low)} … ${formatNumber(high)}`;
}

/** The least and the greatest finite number; NaN twice if there is none. */
export function extent(values: ArrayLike<number>): [low: number, high: number] {
  let low = Infinity;
  let high = -Infinity;
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) continue;
    if (values[i] < low) low = values[i];
    if (values[i] > high) high = values[i];
  }
  return low <= high ? [low, high] : [NaN, NaN];
}

/** A ratio as people read it. */
export function decibels(value: number | null): string {
  if (value === null) return "";
  if (!Number.isFinite(value)) return value > 0 ? "∞ dB" : Number.isNaN(value) ? "NaN dB" : "−∞ dB";
  return `${value.toFixed(1).replace("-", "−")} dB`;
}

/** A share as people read it. */
export function percent(share: number | null): string {
  if (share === null) return "";
  if (share > 0 && share < 0.0001) return "< 0.01 %";
  return `${(100 * share).toFixed(2)} %`;
}
