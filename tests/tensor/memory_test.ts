import { assert, assertEquals, assertGreater, assertThrows } from "@std/assert";
import {
  backendFor,
  type Device,
  float16,
  randn,
  type Tensor,
  tensor,
  tidy,
  zeros,
} from "../../mod.ts";
import { eachBackend } from "../backends.ts";

const live = (device: Device) => {
  const { liveBytes, liveBuffers } = backendFor(device).memory();
  return { liveBytes, liveBuffers };
};

eachBackend("dispose gives back what a tensor took, once", (device) => {
  const before = live(device);
  const x = zeros([100]);
  assertEquals(live(device).liveBuffers, before.liveBuffers + 1);
  assertGreater(live(device).liveBytes, before.liveBytes + 399);
  x.dispose();
  x.dispose();
  assertEquals(live(device), before);
});

eachBackend("using frees at the end of the block, also after a throw", (device) => {
  const before = live(device);
  {
    using _x = zeros([10]);
    assertEquals(live(device).liveBuffers, before.liveBuffers + 1);
  }
  assertThrows(() => {
    using _x = zeros([10]);
    throw new Error("on the way");
  }, Error);
  assertEquals(live(device), before);
});

eachBackend("the last view frees the memory", (device) => {
  const before = live(device);
  const x = zeros([6]);
  const y = x.reshape(2, 3);
  x.dispose();
  assertEquals(live(device).liveBuffers, before.liveBuffers + 1);
  y.dispose();
  assertEquals(live(device), before);
});

eachBackend("a clone has memory of its own", async (device) => {
  const before = live(device);
  const x = tensor([1, 2, 3], { dtype: float16 });
  const y = x.clone();
  assertEquals(live(device).liveBuffers, before.liveBuffers + 2);
  x.dispose();
  assertEquals([...await y.data()], [1, 2, 3]);
  y.dispose();
  assertEquals(live(device), before);
});

eachBackend("tidy frees all but what it returns", async (device) => {
  const before = live(device);
  const y = tidy(() => {
    const a = tensor([1, 2]);
    const b = a.clone();
    b.reshape(2, 1);
    return b.to(float16);
  });
  assertEquals(live(device).liveBuffers, before.liveBuffers + 1);
  assertEquals([...await y.data()], [1, 2]);
  y.dispose();
  assertEquals(live(device), before);
});

eachBackend("tidy returns lists and objects of tensors whole", (device) => {
  const before = live(device);
  const list = tidy(() => [zeros([1]), zeros([2]), zeros([3])].slice(1));
  const object = tidy(() => ({ a: zeros([1]), n: 3 }));
  assertEquals(live(device).liveBuffers, before.liveBuffers + 3);
  assert(list.every((t) => !t.disposed) && !object.a.disposed);
  [...list, object.a].forEach((t) => t.dispose());
  assertEquals(live(device), before);
});

eachBackend("what an inner tidy returns belongs to the outer one", (device) => {
  const before = live(device);
  let inner: Tensor | undefined;
  tidy(() => {
    inner = tidy(() => zeros([4]).clone());
    assert(!inner.disposed);
    assertEquals(live(device).liveBuffers, before.liveBuffers + 1);
  });
  assert(inner!.disposed);
  assertEquals(live(device), before);
});

eachBackend("tidy cleans up after a throw and leaves outer tensors alone", (device) => {
  const before = live(device);
  using outer = zeros([2]);
  assertThrows(
    () =>
      tidy(() => {
        zeros([3]);
        throw new RangeError("inside");
      }),
    RangeError,
    "inside",
  );
  assert(!outer.disposed);
  assertEquals(live(device).liveBuffers, before.liveBuffers + 1);
  const after = zeros([1]); // the scope ended with the throw
  assert(!after.disposed);
  after.dispose();
});

eachBackend("keep outlives every tidy", (device) => {
  const before = live(device);
  const kept = tidy(() => tidy(() => ({ inner: { t: zeros([2]).keep() } }))).inner.t;
  assert(!kept.disposed);
  assertEquals(live(device).liveBuffers, before.liveBuffers + 1);
  kept.dispose();
  assertEquals(live(device), before);
});

eachBackend("accounting returns to where it was after much coming and going", (device) => {
  const before = live(device);
  for (let round = 0; round < 20; round++) {
    tidy(() => {
      const x = randn([round + 1, 7]);
      return void x.to(float16).reshape(-1).clone();
    });
  }
  assertEquals(live(device), before);
});

Deno.test("a buffer is reused only for its own size, with the old contents gone", async () => {
  const { init } = await import("../../mod.ts");
  await init({ device: "webgpu" });
  const x = tensor([1, 2, 3, 4, 5]);
  x.dispose();
  using y = tensor([9]);
  using z = tensor([6, 7, 8, 9, 10]);
  assertEquals([...await y.data()], [9]);
  assertEquals([...await z.data()], [6, 7, 8, 9, 10]);
});

eachBackend(
  "work enqueued on a tensor still runs after it is disposed and its memory reused",
  async () => {
    const x = tensor([1, 2, 3, 4]);
    const y = x.to(float16);
    x.dispose();
    using other = tensor([9, 9, 9, 9]); // takes the freed buffer
    assertEquals([...await y.data()], [1, 2, 3, 4]);
    assertEquals([...await other.data()], [9, 9, 9, 9]);
    y.dispose();
  },
);

eachBackend("tidy keeps what is returned at any depth and frees the rest", async (device) => {
  const before = live(device);
  const held = { layers: [new Map([["a", tensor([0], { device })]])] };
  const outer = held.layers[0].get("a")!;
  const result = tidy(() => {
    const [a, b, c, d, e] = [1, 2, 3, 4, 5].map((v) => tensor([v], { device }));
    tensor([9], { device }); // nobody's
    const knot: Record<string, unknown> = { inner: { list: [[a]], map: new Map([["b", b]]) } };
    knot.self = knot;
    return {
      knot,
      set: new Set([c]),
      pair: new Map([[d, 1]]),
      made: new (class {
        own = e;
      })(),
      outer,
    };
  });
  const inner = result.knot.inner as { list: Tensor[][]; map: Map<string, Tensor> };
  const kept = [
    inner.list[0][0],
    inner.map.get("b")!,
    ...result.set,
    ...result.pair.keys(),
    result.made.own,
  ];
  const values = await Promise.all(kept.map((t) => t.item()));
  assertEquals(values, [1, 2, 3, 4, 5]);
  assertEquals(live(device).liveBuffers, before.liveBuffers + 6);
  for (const t of [...kept, outer]) t.dispose();
  assertEquals(live(device), before);
});

eachBackend("an asynchronous tidy is refused at once", async (device) => {
  let ran = false;
  const message = "asynchronous";
  assertThrows(() => tidy(async () => void (ran = await true)), TypeError, message);
  assertEquals(ran, false);
  // One that only shows itself by what it returns goes on undisturbed.
  let seen: Promise<number> | undefined;
  const wait = (t: Tensor) => (async () => (await Promise.resolve(), await t.item()))();
  assertThrows(() => tidy(() => seen = wait(tensor([7], { device }))), TypeError, message);
  assertEquals(await seen, 7);
  assertThrows(() => tidy(() => Promise.reject(new Error("unheard"))), TypeError, message);
  assertThrows(
    () => tidy(undefined as never),
    TypeError,
    "expected a function to run, got undefined",
  );
  assertThrows(() => tidy(tensor([1]) as never), TypeError, "got a Tensor");
});
