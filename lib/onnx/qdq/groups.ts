/** Names in groups, each group called by one of its names. */
export class Groups {
  private readonly parents = new Map<string, string>();

  /** Puts a name into a group of its own, unless it is in one. */
  add(name: string): void {
    if (!this.parents.has(name)) this.parents.set(name, name);
  }

  /** Makes the groups of two names one. */
  join(a: string, b: string): void {
    this.add(a);
    this.add(b);
    this.parents.set(this.find(b), this.find(a));
  }

  /** Whether a name is in a group. */
  has(name: string): boolean {
    return this.parents.has(name);
  }

  /** Every name and what its group is called. */
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
