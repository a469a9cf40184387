/**
 * Where labels stand so that none covers another.
 *
 * @module
 */

/** A place in a drawing, in pixels. */
export interface Place {
  readonly x: number;
  readonly y: number;
}

/** The ways from a dot to the middle of its label, the best first: below, above, then around. */
const DIRECTIONS: readonly Place[] = [
  { x: 0, y: 1 },
  { x: 0, y: -1 },
  { x: 1, y: 0 },
  { x: -1, y: 0 },
  { x: 0.8, y: 0.8 },
  { x: 0.8, y: -0.8 },
  { x: -0.8, y: 0.8 },
  { x: -0.8, y: -0.8 },
];

/**
 * Places a label beside each dot, as near to it as leaves room for all others.
 *
 * @param dots what is labelled.
 * @param size of a label, in pixels.
 * @param obstacles other places to keep free, such as those along a line.
 * @returns the middle of each label.
 */
export function placeLabels(
  dots: readonly Place[],
  size: { width: number; height: number },
  obstacles: readonly Place[] = [],
): Place[] {
  const taken = [...dots, ...obstacles];
  const placed: Place[] = [];
  const overlap = (a: Place, b: Place, width: number, height: number) =>
    Math.max(0, width - Math.abs(a.x - b.x)) * Math.max(0, height - Math.abs(a.y - b.y));
  for (const dot of dots) {
    const covered = (at: Place) =>
      placed.reduce((sum, other) => sum + overlap(at, other, size.width, size.height), 0) +
      taken.reduce(
        (sum, other) => sum + overlap(at, other, size.width / 2 + 5, size.height / 2 + 5),
        0,
      );
    const candidates = [1, 1.5, 2, 2.75].flatMap((far) =>
      DIRECTIONS.map(({ x, y }) => ({
        x: dot.x + far * x * (size.width / 2 + 8),
        y: dot.y + far * y * (size.height / 2 + 8),
      }))
    );
    placed.push(candidates.reduce((best, next) => covered(next) < covered(best) ? next : best));
  }
  return placed;
}

/**
 * Moves places along an axis apart, each as little as need be.
 *
 * @param wanted in ascending order.
 * @param gap between two of them at least.
 * @param end none is moved beyond it.
 */
export function spread(wanted: readonly number[], gap: number, end: number): number[] {
  // Downwards until none touches the one above, then upwards from the lower edge.
  const placed = [...wanted];
  for (let i = 1; i < placed.length; i++) placed[i] = Math.max(placed[i], placed[i - 1] + gap);
  for (let i = placed.length - 1, floor = end; i >= 0; i--) {
    placed[i] = Math.min(placed[i], floor);
    floor = placed[i] - gap;
  }
  return placed;
}
