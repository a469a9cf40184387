/**
 * How well a detector finds what another found.
 *
 * @module
 */

/** What detectors give for one picture. */
export interface Boxes {
  /** Corners `x1, y1, x2, y2` of each box. */
  readonly corners: ArrayLike<number>;
  /** Scores of each class, box by box. */
  readonly scores: ArrayLike<number>;
  /** How many classes there are. */
  readonly classes: number;
}

/** A box of a class in a picture. */
interface Found {
  readonly picture: number;
  readonly box: readonly number[];
  readonly score: number;
}

/** Boxes count from this share of the greatest score of their picture on as found, and as the truth if it is that of floats. */
const LEAST = { found: 0.01, truth: 0.5 } as const;
/** Of boxes that overlap more, the one with the greatest score is kept. */
const SUPPRESSED = 0.5;
/** How much boxes have to overlap to be the same: the mean over these is taken, as COCO does. */
const OVERLAPS = Array.from({ length: 10 }, (_, i) => 0.5 + i / 20);

/** The share that two boxes have in common of what they cover together. */
function overlap(a: readonly number[], b: readonly number[]): number {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  if (!(width > 0 && height > 0)) return 0;
  const area = ([x, y, u, v]: readonly number[]) => (u - x) * (v - y);
  return width * height / (area(a) + area(b) - width * height);
}

/** The boxes of a class, the greatest score first, without those that a better one covers. */
function found(pictures: readonly Boxes[], least: number, label: number): Found[] {
  const all = pictures.flatMap(({ corners, scores, classes }, picture) => {
    let greatest = 0;
    for (let i = 0; i < scores.length; i++) greatest = Math.max(greatest, scores[i]);
    const some: Found[] = [];
    for (let i = 0; i * classes < scores.length; i++) {
      const score = scores[i * classes + label];
      if (!(score > least * greatest)) continue;
      some.push({ picture, score, box: [0, 1, 2, 3].map((k) => corners[4 * i + k]) });
    }
    some.sort((a, b) => b.score - a.score);
    const kept: Found[] = [];
    for (const each of some) {
      if (kept.every(({ box }) => overlap(box, each.box) <= SUPPRESSED)) kept.push(each);
    }
    return kept;
  });
  return all.sort((a, b) => b.score - a.score);
}

/** The area below the precision, made monotonous, over the recall. */
function averagePrecision(truth: readonly Found[], boxes: readonly Found[], least: number): number {
  const open = new Set(truth);
  const precisions: number[] = [];
  let right = 0;
  boxes.forEach((box, i) => {
    let best: Found | undefined;
    let most = least;
    for (const each of open) {
      const share = each.picture === box.picture ? overlap(each.box, box.box) : 0;
      if (share >= most) [best, most] = [each, share];
    }
    if (!best) return;
    open.delete(best);
    precisions.push(++right / (i + 1));
  });
  let [sum, highest] = [0, 0];
  for (const precision of precisions.toReversed()) sum += highest = Math.max(highest, precision);
  return sum / truth.length;
}

/**
 * The mean average precision of a detector whose truth is what another one finds: over the classes that this has, and
 * over overlaps from 0.5 to 0.95 (as COCO's). 1 if neither finds anything.
 */
export function meanAveragePrecision(truth: readonly Boxes[], other: readonly Boxes[]): number {
  const values: number[] = [];
  for (let label = 0; label < (truth[0]?.classes ?? 0); label++) {
    const wanted = found(truth, LEAST.truth, label);
    if (wanted.length === 0) continue;
    const boxes = found(other, LEAST.found, label);
    for (const least of OVERLAPS) values.push(averagePrecision(wanted, boxes, least));
  }
  return values.length === 0 ? 1 : values.reduce((sum, x) => sum + x, 0) / values.length;
}
