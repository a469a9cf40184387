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
  /** That of the largest life. */
  size = 0;

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

  /** For how many steps it is idle beside a life, on the shorter side; undefined where lives meet. */
  idleBeside({ first, last }: Life): number | undefined {
    const at = this.before(first);
    const [earlier, later] = [this.lives[at - 1], this.lives[at]];
    if (earlier?.last >= first || later?.first <= last) return undefined;
    return Math.min(first - (earlier?.last ?? -Infinity), (later?.first ?? Infinity) - last);
  }

  /** Takes a life in that meets none. */
  take(life: Life): void {
    this.lives.splice(this.before(life.first), 0, life);
    this.size = Math.max(this.size, life.size);
  }
}

/**
 * Orders in which lives are given places: none is best for all networks. The largest first, those that take
 * the most room for the longest, and as they begin.
 */
const ORDERS: readonly ((a: Life, b: Life) => number)[] = [
  (a, b) => b.size - a.size,
  (a, b) => b.size * (b.last - b.first + 1) - a.size * (a.last - a.first + 1),
  (a, b) => a.first - b.first,
];

/** How often an order is tried anew, with the life that added memory last at its front. */
const TRIES = 40;

/** A sharing, and the last life that added memory to it. */
interface Placed {
  readonly sharing: Sharing;
  readonly lastAdded: number;
}

/** Puts lives, in an order, each where the least has to be added; of several places where it is idle for the least time. */
function placed(lives: readonly Life[], order: readonly number[]): Placed {
  const allocations: Allocation[] = [];
  const places = new Array<number>(lives.length);
  let lastAdded = order[0];
  for (const i of order) {
    const life = lives[i];
    let [place, added, idle] = [-1, life.size, Infinity];
    allocations.forEach((allocation, n) => {
      const more = Math.max(0, life.size - allocation.size);
      if (more > added || more === life.size) return;
      const beside = allocation.idleBeside(life);
      if (beside === undefined || (more === added && beside >= idle)) return;
      [place, added, idle] = [n, more, beside];
    });
    if (place < 0) place = allocations.push(new Allocation()) - 1;
    if (added > 0) lastAdded = i;
    allocations[place].take(life);
    places[i] = place;
  }
  return { sharing: { places, sizes: allocations.map(({ size }) => size) }, lastAdded };
}

/** The bytes of all allocations. */
function bytesOf({ sizes }: Sharing): number {
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Puts lives that do not meet into shared allocations, in the order that needs the fewest bytes. */
export function shareMemory(lives: readonly Life[]): Sharing {
  const least = largestLiveSet(lives);
  let best: Sharing | undefined;
  for (const compare of ORDERS) {
    let order = lives.map((_, i) => i).sort((a, b) => compare(lives[a], lives[b]) || a - b);
    for (let tries = 0; tries < TRIES; tries++) {
      const { sharing, lastAdded } = placed(lives, order);
      if (!best || bytesOf(sharing) < bytesOf(best)) best = sharing;
      if (bytesOf(best) === least) return best;
      // What came too late to fit comes first.
      order = [lastAdded, ...order.filter((i) => i !== lastAdded)];
    }
  }
  return best!;
}

/** The most bytes that are in use at one step: no sharing takes less. */
export function largestLiveSet(lives: readonly Life[]): number {
  const changes = lives.flatMap(({ size, first, last }) => [[first, size], [last + 1, -size]]);
  changes.sort(([a, x], [b, y]) => a - b || x - y);
  let now = 0;
  return changes.reduce((most, [, size]) => Math.max(most, now += size), 0);
}
