/**
 * Choosing a side for each of many, at the least cost: a minimum cut.
 *
 * @module
 */

/** Where there is no more room than this, nothing flows; costs that are sums of floats leave such rests. */
const TINY = 1e-6;

/**
 * Things that go to one of two sides, and what that costs. The cheapest way to place all of them is a minimum cut of a
 * network, found by the flow that it holds back (Dinic's algorithm).
 */
export class MinCut {
  /** By edge: where it goes, and what can flow yet. The reverse of edge `e` is `e ^ 1`. */
  private readonly to: number[] = [];
  private readonly room: number[] = [];
  /** By thing, the edges that leave it; 0 is the first side itself, 1 the second. */
  private readonly edges: number[][] = [[], []];

  /**
   * Adds a thing.
   *
   * @param first what it costs on the first side.
   * @param second what it costs on the second.
   * @returns its number.
   */
  add(first = 0, second = 0): number {
    const thing = this.edges.push([]) - 1;
    this.connect(0, thing, second);
    this.connect(thing, 1, first);
    return thing;
  }

  /** The number that stands for the second side itself. */
  readonly second = 1;

  /** Says what it costs if one thing is on the first side and another on the second. */
  apart(first: number, second: number, cost: number): void {
    this.connect(first, second, cost);
  }

  private connect(from: number, to: number, room: number): void {
    if (!(room > 0)) return;
    this.edges[from].push(this.to.push(to) - 1);
    this.room.push(room);
    this.edges[to].push(this.to.push(from) - 1);
    this.room.push(0);
  }

  /** How many edges with room each thing is away from the first side; −1 if it is not reached. */
  private levels(): Int32Array {
    const level = new Int32Array(this.edges.length).fill(-1);
    level[0] = 0;
    const queue = [0];
    for (const thing of queue) {
      for (const e of this.edges[thing]) {
        const next = this.to[e];
        if (level[next] >= 0 || this.room[e] <= TINY) continue;
        level[next] = level[thing] + 1;
        queue.push(next);
      }
    }
    return level;
  }

  /** Sends as much as one path holds from the first side to the second: nothing if there is none. */
  private push(level: Int32Array, at: Int32Array): number {
    const path: number[] = [];
    let thing = 0;
    while (thing !== 1) {
      const e = this.edges[thing][at[thing]];
      if (e === undefined) {
        if (thing === 0) return 0;
        const back = path.pop()!;
        thing = this.to[back ^ 1];
        at[thing]++;
      } else if (this.room[e] > TINY && level[this.to[e]] === level[thing] + 1) {
        path.push(e);
        thing = this.to[e];
      } else at[thing]++;
    }
    const most = Math.min(...path.map((e) => this.room[e]));
    for (const e of path) {
      this.room[e] -= most;
      this.room[e ^ 1] += most;
    }
    return most;
  }

  /** The things that are best on the first side, as few as cost no more than any other choice, and what all costs. */
  solve(): { readonly first: ReadonlySet<number>; readonly cost: number } {
    let cost = 0;
    for (let level = this.levels(); level[1] >= 0; level = this.levels()) {
      const at = new Int32Array(this.edges.length);
      for (let sent = this.push(level, at); sent > 0; sent = this.push(level, at)) cost += sent;
    }
    const level = this.levels();
    return {
      first: new Set(this.edges.keys().filter((thing) => thing > 1 && level[thing] >= 0)),
      cost,
    };
  }
}
