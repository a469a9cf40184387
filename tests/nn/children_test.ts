/** Which children a module has and what they may be called: arrays, lists, dictionaries, clashes. */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  bfloat16,
  compile,
  deepcopy,
  init,
  Int8WeightOnlyConfig,
  Linear,
  Module,
  ModuleDict,
  ModuleList,
  quantize_,
  randn,
  ReLU,
  relu,
  Sequential,
  type Tensor,
  tensor,
} from "../../mod.ts";
import { eachBackend } from "../backends.ts";

/** Layers in an array, and one in an array of arrays. */
class Listed extends Module {
  layers = [new Linear(8, 8), new ReLU(), new Linear(8, 8)];
  deep = [[new Linear(8, 8)], [null, new Linear(8, 8)]] as [[Linear], [null, Linear]];
  seen: Tensor[] = [];
  sizes = [1, 2, 3];
  head = new Linear(8, 2);
  override forward(x: Tensor): Tensor {
    for (const layer of this.layers) x = layer.forward(x);
    return this.head.forward(this.deep[1][1].forward(this.deep[0][0].forward(x)));
  }
}

eachBackend("modules in arrays are children by index", async (device) => {
  const m = new Listed();
  const linears = ["layers.0", "layers.2", "deep.0.0", "deep.1.1", "head"];
  assertEquals(Object.keys(m.stateDict()), linears.flatMap((n) => [`${n}.weight`, `${n}.bias`]));
  assertEquals(m.namedModules().map(([name]) => name).filter((name) => name.includes(".")), [
    "layers.0",
    "layers.1",
    "layers.2",
    "deep.0",
    "deep.0.0",
    "deep.1",
    "deep.1.1",
  ]);
  assertStringIncludes(
    String(m),
    "(layers): Array(\n    (0): Linear(in_features=8, out_features=8, bias=True)\n    (1): ReLU()",
  );
  const x = randn([3, 8], { device });
  const expected = await m.forward(x).data();
  const copy = deepcopy(m);
  assert(copy.layers !== m.layers);
  assert(copy.layers[0] !== m.layers[0]);
  assert(copy.deep[1][1] !== m.deep[1][1]);
  assertStrictEquals(copy.sizes, m.sizes);
  assertEquals(await copy.forward(x).data(), expected);
  const other = new Listed();
  other.loadStateDict(m.stateDict());
  assertEquals(await other.forward(x).data(), expected);
  assertEquals(await quantize_(copy, new Int8WeightOnlyConfig()), linears);
  const q = await copy.forward(x).data();
  assert(q.some((v, i) => v !== expected[i]) && q.every((v, i) => Math.abs(v - expected[i]) < 0.1));
  assertEquals(await m.forward(x).data(), expected);
  m.to(bfloat16);
  assertEquals((m.deep[1][1].weight as Tensor).dtype, bfloat16);
  await m.to("cpu");
  assertEquals((m.layers[0] as Linear).bias!.device, "cpu");
});

Deno.test("an array that changes is followed", async () => {
  const m = new Listed();
  m.layers.push(new Linear(8, 8));
  assertEquals(m.stateDict()["layers.3.bias"].shape, [8]);
  m.layers.splice(0, 2);
  assertEquals(Object.keys(m.stateDict())[0], "layers.0.weight");
  assertEquals(m.namedModules().filter(([name]) => name.startsWith("layers.")).length, 2);
  m.layers = [];
  assertEquals(m.namedChildren().map(([name]) => name), ["deep", "head"]);
  await init({ device: "webgpu" });
  const model = new Listed();
  using compiled = compile(model);
  const x = randn([2, 8]);
  compiled.forward(x).dispose();
  model.layers[1] = new Sequential();
  assertEquals(await compiled.forward(x).data(), await model.forward(x).data());
});

class InList extends Module {
  layers = new ModuleList([new Linear(4, 4), new ReLU()]);
  heads = new ModuleDict({ a: new Linear(4, 2), b: new Linear(4, 3) });
  override forward(x: Tensor): Tensor {
    for (const layer of this.layers) x = layer.forward(x);
    return this.heads.get("b").forward(x);
  }
}

eachBackend("ModuleList and ModuleDict have PyTorch's keys and names", (device) => {
  const m = new InList();
  assertEquals(Object.keys(m.stateDict()), [
    "layers.0.weight",
    "layers.0.bias",
    "heads.a.weight",
    "heads.a.bias",
    "heads.b.weight",
    "heads.b.bias",
  ]);
  assertEquals(m.forward(randn([2, 4], { device })).shape, [2, 3]);
  assertStringIncludes(String(m), "(layers): ModuleList(\n    (0): Linear(");
  assertStringIncludes(String(m), "(heads): ModuleDict(\n    (a): Linear(");
  const copy = deepcopy(m);
  assert(copy.layers instanceof ModuleList && copy.layers !== m.layers);
  assert(copy.layers[0] !== m.layers[0]);
});

Deno.test("a ModuleList grows and shrinks in order", () => {
  const [a, b, c] = [new ReLU(), new ReLU(), new ReLU()];
  const list = new ModuleList();
  assertEquals([list.length, String(list)], [0, "ModuleList()"]);
  assertStrictEquals(list.append(a), list);
  list.extend([c]).insert(1, b);
  assertEquals([...list].map((m) => [a, b, c].indexOf(m as ReLU)), [0, 1, 2]);
  assertStrictEquals(list[1], b);
  assertStrictEquals(list.at(-1), c);
  assertStrictEquals(list.pop(0), a);
  assertStrictEquals(list.pop(), c);
  assertEquals(list.length, 1);
  assertThrows(() => list.pop(3), RangeError, "no module 3 of 1");
  assertThrows(() => list.extend([a, relu as never]), TypeError, "the function relu");
  assertEquals(list.length, 1);
  assertThrows(() => list.forward(), Error, "has no forward");
  assertThrows(() => new ModuleList([undefined as never]), TypeError, "got undefined");
});

Deno.test("a ModuleDict is read and changed by name", () => {
  const [a, b] = [new ReLU(), new ReLU()];
  const dict = new ModuleDict(new Map([["a", a]]));
  dict.set("b", b);
  assertEquals([[...dict.keys()], dict.length, dict.has("b"), dict.has("keys")], [
    ["a", "b"],
    2,
    true,
    false,
  ]);
  assertEquals([...dict.items()].length + [...dict.values()].length, 4);
  dict.set("a", b);
  assertStrictEquals(dict.get("a"), b);
  assertThrows(() => dict.get("c"), RangeError, `no module "c", only a, b`);
  assertThrows(() => dict.set("get", a), TypeError, `there is a member "get" already`);
  assertThrows(() => dict.set("x.y", a), TypeError, "holds a dot");
  assertThrows(() => dict.set("a", undefined as never), TypeError, "got undefined");
  assertStrictEquals(dict.pop("a"), b);
  dict.update({ c: a });
  dict.clear();
  assertEquals(dict.length, 0);
});

Deno.test("Sequential takes modules as PyTorch does, and nothing else", () => {
  const make = (...args: unknown[]) => new Sequential(...args as Module[]);
  const tree =
    "Sequential(\n  (0): Linear(in_features=4, out_features=8, bias=True)\n  (1): ReLU()\n)";
  assertEquals(String(make(new Linear(4, 8), new ReLU())), tree);
  assertEquals(String(make([new Linear(4, 8), new ReLU()])), tree);
  assertEquals(String(make()), "Sequential()");
  assertEquals(String(make(new Map([["fc", new ReLU()]]))), "Sequential(\n  (fc): ReLU()\n)");
  assertEquals(make(make(new ReLU())).namedModules().map(([n]) => n), ["", "0", "0.0"]);
  assertEquals(make(new Linear(4, 8), new ReLU()).forward(randn([2, 4])).shape, [2, 8]);
  const refused: [unknown[], string][] = [
    [[[new Linear(4, 8), relu]], `child "1" must be a Module, got the function relu; use a module`],
    [[new Linear(4, 8), relu], `child "1" must be a Module`],
    [[relu], "got the function relu"],
    [[[ReLU]], "got the class ReLU; make one with new ReLU(…)"],
    [[[undefined]], "got undefined"],
    [[undefined], "got undefined"],
    [[null], "got null"],
    [["fc"], `got the text "fc"`],
    [[[[new ReLU()]]], `child "0" must be a Module, got an array`],
    [[Promise.resolve(new ReLU())], "got a Promise; `await` it first"],
    [[new ReLU(), { bias: false }], "got an object"],
    [[{ fc: new ReLU(), act: relu }], `child "act" must be a Module`],
    [[{ act: null }], `child "act" must be a Module, got null`],
    [[tensor([1])], "got a Tensor"],
    [[, new ReLU()], "got undefined"],
  ];
  for (const [args, message] of refused) {
    assertStringIncludes(assertThrows(() => make(...args), TypeError).message, message);
  }
});

Deno.test("a child's name clashes with nothing", () => {
  const taken = [
    "forward",
    "to",
    "stateDict",
    "toString",
    "constructor",
    "fullName",
    "namedModules",
  ];
  for (const name of [...taken, "hasOwnProperty", "displayName"]) {
    assertThrows(() => new Sequential({ [name]: new ReLU() }), TypeError, JSON.stringify(name));
    assertThrows(() => new ModuleDict({ [name]: new ReLU() }), TypeError, JSON.stringify(name));
  }
  const proto = JSON.parse('{"__proto__": 1}');
  assertThrows(() => new Sequential(proto), TypeError, "__proto__");
  assertThrows(() => new Sequential({ "a.b": new ReLU() }), TypeError, "holds a dot");
  assertThrows(() => new Sequential({ "": new ReLU() }), TypeError, "is empty");
  class Field extends Module {
    override forward(x: Tensor): Tensor {
      return x;
    }
  }
  const dotted = Object.assign(new Field(), { "a.b": new ReLU() });
  assertThrows(() => dotted.stateDict(), TypeError, `Field: the child's name "a.b" holds a dot`);
  const hidden = Object.assign(new Field(), { forward: new ReLU() });
  assertThrows(() => hidden.namedModules(), TypeError, `"forward" is taken`);
  const knot = Object.assign(new Field(), { self: null as Module | null });
  knot.self = knot;
  assertThrows(() => knot.stateDict(), Error, "lies inside itself");
});

eachBackend("what is no tensor is refused by every forward", async (device) => {
  const m = new Sequential(new Linear(2, 2, { device }), new ReLU());
  const bad: [unknown, string][] = [
    [[1, 2], "got an array; make it one with tensor(…)"],
    [new Float32Array(2), "got a Float32Array; make it one with tensor(…)"],
    [
      { dims: [1, 2], data: new Float32Array(2), type: "float32" },
      "tensor(t.data, { shape: t.dims })",
    ],
    [Promise.resolve(tensor([[1, 2]])), "got a Promise; `await` it first"],
    [undefined, "got undefined"],
    ["x", `got the text "x"`],
  ];
  const q = new Sequential(new Linear(16, 2, { device }));
  await quantize_(q, new Int8WeightOnlyConfig());
  for (const [x, message] of bad) {
    for (const run of [m, new ReLU(), new Linear(2, 2, { device }), q]) {
      const error = assertThrows(() => run.forward(x as Tensor), TypeError);
      assertStringIncludes(error.message, message);
    }
  }
  class Late extends Module {
    override forward(x: Tensor): Tensor {
      return Promise.resolve(x) as never;
    }
  }
  assertThrows(
    () => new Sequential(new Late()).forward(randn([1, 2], { device })),
    TypeError,
    "module 0 (Late) must give a Tensor, got a Promise",
  );
});

Deno.test("a forgotten await is told of", async () => {
  const model = Promise.resolve(new Sequential(new Linear(4, 2)));
  assertThrows(() => deepcopy(model as never), TypeError, "a Promise; `await` it first");
  assertThrows(() => compile(model as never), TypeError, "a Promise; `await` it first");
  await assertRejects(
    () => quantize_(model as never, new Int8WeightOnlyConfig()),
    TypeError,
    "a Promise; `await` it first",
  );
  const state = Promise.resolve({});
  assertThrows(() => new Linear(1, 1).loadStateDict(state as never), TypeError, "a Promise");
});
