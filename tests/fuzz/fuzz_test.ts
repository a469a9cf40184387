/** Every kind of file, spoilt in a few thousand ways; `scripts/fuzz.ts` does as many as one likes. */
import { assert, assertEquals } from "@std/assert";
import { init } from "../../mod.ts";
import { KINDS } from "./kinds.ts";
import { fuzz } from "./run.ts";

await init({ device: "cpu" });

/** Images take a decoder's time each. */
const inputs = (kind: string) => /^(png|jpeg|webp|gif|tiff)$/.test(kind) ? 300 : 2000;

for (const kind of Object.keys(KINDS)) {
  Deno.test(`${kind}: ${inputs(kind)} spoilt files are read or refused, and nothing else`, async () => {
    const more = (done: number) => done < inputs(kind);
    const { faults, read, refused } = await fuzz(kind, { seed: 1, more });
    assertEquals(faults.slice(0, 3), []);
    assertEquals(read + refused, inputs(kind));
    assert(refused > inputs(kind) / 10, `${refused} refused`);
    if (kind !== "avif") assert(read > inputs(kind) / 1000, `${read} read`);
  });
}
