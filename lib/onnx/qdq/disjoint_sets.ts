/** Names in sets that have none in common, each set called by one of its names. */
export class DisjointSets {
  private readonly parents = new Map<string, string>();

  /** Puts a name into a set of its own, unless it is in one. */
  add(name: string): void {
    if (!this.parents.has(name)) this.parents.set(name, name);
  }

  /** Makes the sets of two names one. */
  join(a: string, b: string): void {
    this.add(a);
    this.add(b);
    this.parents.set(this.find(b), this.find(a));
  }

  /** Whether a name is in a set. */
  has(name: string): boolean {
    return this.parents.has(name);
  }

  /** Every name and what its set is called. */
  names(): Map<string, string> {
    return new Map([...this.parents.keys()].map((name) => [name, this.find(name)]));
  }

  private find(name: string): string {
    let at = name;
    for (let above = this.parents.get(at)!; above !== at; above = this.parents.get(at)!) {
      this.parents.set(at, this.parents.get(above)!); // halves the way for the next
      at = above;
    }
    return at;
  }
}
