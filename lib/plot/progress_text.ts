/**
 * How far something is, in words.
 *
 * @module
 */

/** Seconds as people read them: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`. */
export function duration(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/**
 * How long the rest takes; empty where that is not known, or nothing is left.
 *
 * @param each seconds a step takes, if that is known.
 */
export function timeLeft(done: number, total: number, each: number | undefined): string {
  return each !== undefined && done < total ? `${duration(each * (total - done))} left` : "";
}
