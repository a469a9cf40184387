import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import {
  backendFor,
  Linear,
  Module,
  randn,
  ReLU,
  Sequential,
  type Tensor,
  tensor,
} from "../../mod.ts";
import { eachBackend } from "../backends.ts";

/** Remembers what passed. */
class Seen extends Module {
  inputs: Tensor[] = [];
  override forward(x: Tensor): Tensor {
    this.inputs.push(x);
    return x;
  }
}

eachBackend("each module's output is the next one's input", async () => {
  const x = tensor([[1, -2]]);
  const a = new Linear(2, 2, { bias: false });
  a.weight = tensor([[1, 0], [0, 1]]);
  const b = new Linear(2, 1, { bias: false });
  b.weight = tensor([[10, 100]]);
  const y = new Sequential([a, new ReLU(), b]).forward(x);
  assertEquals([...await y.data()], [10]);
});

eachBackend("what lies between is freed; the input and the output are not", async (device) => {
  const m = new Sequential({ a: new Linear(4, 4), r: new ReLU(), b: new Linear(4, 2) });
  using x = randn([3, 4]);
  const { liveBuffers } = backendFor(device).memory();
  using y = m.forward(x);
  assertEquals(backendFor(device).memory().liveBuffers, liveBuffers + 1);
  assert(!x.disposed && !y.disposed);
  assertEquals((await y.data()).length, 6);
});

eachBackend("modules that return their input do not free it", async () => {
  using x = tensor([-1, 2]);
  const seen = new Seen();
  assertStrictEquals(new Sequential([seen, new Seen()]).forward(x), x);
  assertStrictEquals(seen.inputs[0], x);
  const through = new Sequential([new ReLU(), new Seen(), new Seen()]);
  using y = through.forward(x);
  assert(!x.disposed && !y.disposed);
  assertEquals([...await y.data()], [0, 2]);
});

eachBackend("an empty chain gives its input", () => {
  using x = tensor([1]);
  assertStrictEquals(new Sequential([]).forward(x), x);
});

eachBackend("a failing module leaves the input alone", () => {
  using x = randn([1, 4]);
  const m = new Sequential([new ReLU(), new Linear(5, 1)]);
  let failed = false;
  try {
    m.forward(x);
  } catch {
    failed = true;
  }
  assert(failed && !x.disposed);
});
