/**
 * Which buffers can share an allocation, worked out from when each is in use. Nothing here needs a device.
 *
 * @module
 */

/** A buffer that is in use from step `first` to step `last`, both included. */
export interface Life {
  readonly size: number;
  readonly first: number;
  readonly last: number;
}

/** Which allocation each buffer gets, and how large they are. */
export interface Sharing {
  /** The number of the allocation, in the order of the lives. */
  readonly places: readonly number[];
  /** The size of each allocation. */
  readonly sizes: readonly number[];
}

/** Lives of one allocation that do not meet, in order of time. */
class Allocation {
  private readonly lives: Life[] = [];
  constructor(readonly size: number) {}

  /** How many of the lives begin before `step`. */
  private before(step: number): number {
    let [low, high] = [0, this.lives.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.lives[middle].first < step) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Takes a life in if it meets none that is there. */
  take(life: Life): boolean {
    const at = this.before(life.first);
    if (this.lives[at - 1]?.last >= life.first || this.lives[at]?.first <= life.last) return false;
    this.lives.splice(at, 0, life);
    return true;
  }
}

/**
 * Puts lives that do not meet into shared allocations: the largest first, each into the smallest that
 * has room for it at that time.
 */
export function shareMemory(lives: readonly Life[]): Sharing {
  const order = lives.map((_, i) => i).sort((a, b) => lives[b].size - lives[a].size || a - b);
  const allocations: Allocation[] = [];
  const places = new Array<number>(lives.length);
  for (const i of order) {
    // The later an allocation was made, the smaller it is.
    let place = allocations.length - 1;
    while (place >= 0 && !allocations[place].take(lives[i])) place--;
    if (place < 0) {
      place = allocations.push(new Allocation(lives[i].size)) - 1;
      allocations[place].take(lives[i]);
    }
    places[i] = place;
  }
  return { places, sizes: allocations.map(({ size }) => size) };
}

/** The most bytes that are in use at one step: no sharing takes less. */
export function largestLiveSet(lives: readonly Life[]): number {
  const changes = lives.flatMap(({ size, first, last }) => [[first, size], [last + 1, -size]]);
  changes.sort(([a, x], [b, y]) => a - b || x - y);
  let now = 0;
  return changes.reduce((most, [, size]) => Math.max(most, now += size), 0);
}
