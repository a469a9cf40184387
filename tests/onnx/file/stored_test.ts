import { toBinary } from "@bufbuild/protobuf";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ModelProtoSchema } from "onnx-buf";
import {
  compareOnnx,
  init,
  inspectOnnx,
  loadOnnx,
  OnnxError,
  type OnnxFeeds,
  type OnnxModel,
  OnnxRuntime,
  quantizeStatic,
  rankNodes,
  readTensor,
  saveOnnx,
} from "../../../mod.ts";
import { joinParts, KnownFile } from "../../../lib/files/file_bytes.ts";
import { loadPackage, PACKAGES } from "../../../lib/files/packages.ts";
import { encodeModel } from "../../../lib/onnx/file/message_parts.ts";
import { setRawData, storedBytes } from "../../../lib/onnx/file/tensor_bytes.ts";
import { readThin } from "../../../lib/onnx/file/thin_file.ts";
import { openSession } from "../../../lib/onnx/run/open_session.ts";
import { type Ort, sessionOptions } from "../../../lib/onnx/run/ort.ts";
import { fileOf, messages, modelProto, variedGraph } from "../files.ts";
import { floats, node, noise, smallModel } from "../small_models.ts";

await init({ device: "cpu" });

/** A folder, and another one that the system is told to put temporary files into. */
async function folders() {
  const [path, temporary] = [await Deno.makeTempDir(), await Deno.makeTempDir()];
  const before = Deno.env.get("TMPDIR");
  Deno.env.set("TMPDIR", temporary);
  return {
    path,
    // onnxruntime leaves files of its own there.
    left: () =>
      [...Deno.readDirSync(temporary)].map(({ name }) => name)
        .filter((name) => name.startsWith("staticquant")),
    async [Symbol.asyncDispose]() {
      if (before === undefined) Deno.env.delete("TMPDIR");
      else Deno.env.set("TMPDIR", before);
      for (const each of [path, temporary]) await Deno.remove(each, { recursive: true });
    },
  };
}

function weight(name: string, ...dims: number[]) {
  return floats(name, dims, Array.from(noise(...dims).data as Float32Array));
}

/** Products whose weights take 9 KiB each; the names make the bytes of some lie at odd places in a file. */
function products(count = 3): OnnxModel {
  const names = Array.from({ length: count }, (_, i) => "w".repeat(i + 1));
  return smallModel({
    opset: 17,
    nodes: names.flatMap((name, i) => [
      node("MatMul", [i ? `r${i - 1}` : "x", name], [`h${i}`]),
      node("Relu", [`h${i}`], [`r${i}`]),
    ]),
    constants: names.map((name) => weight(name, 48, 48)),
    inputs: { x: ["float32", "n", 48] },
    outputs: [`r${count - 1}`],
  });
}

const SAMPLES: OnnxFeeds[] = [0, 1].map((s) => ({
  x: { data: Float32Array.from({ length: 96 }, (_, i) => Math.sin(1.3 * i + s)), dims: [2, 48] },
}));

/** The same model in one file and in two, each loaded so that its constants stay there. */
async function bothWays(folder: string, model = products()) {
  const [one, two] = [`${folder}/one.onnx`, `${folder}/two.onnx`];
  await saveOnnx(model, one);
  await saveOnnx(model, two, { externalData: true });
  const [a, b] = [await loadOnnx(one, { inMemory: 0 }), await loadOnnx(two, { inMemory: 0 })];
  for (const { graph } of [a, b]) {
    assertEquals(graph.initializer.filter((tensor) => !storedBytes(tensor)), []);
  }
  return { one, two, models: [a, b] };
}

Deno.test("encodeModel: the same bytes as the package's, whatever the size of constants", () => {
  for (const size of [0, 3, 20_000]) {
    const graph = variedGraph();
    graph.docString = "after the constants";
    graph.initializer.push(weight("large", size));
    graph.initializer.at(-1)!.docString = "after its bytes";
    const proto = modelProto(graph);
    assertEquals(
      joinParts(encodeModel(messages, proto)),
      toBinary(ModelProtoSchema, proto),
      `${size}`,
    );
  }
});

Deno.test("loadOnnx: constants that stay in their files are the same, copies of the model too", async () => {
  await using dir = await folders();
  const float = products();
  const { one, two, models } = await bothWays(dir.path, float);
  const numbers = ({ graph }: OnnxModel) => graph.initializer.map((tensor) => readTensor(tensor));
  for (const model of models) {
    assertEquals(numbers(model), numbers(float));
    assertEquals(numbers(model.clone()), numbers(float));
    assertEquals(model.toBytes(), float.toBytes());
    assertEquals(model.byteLength(), float.toBytes().length);
    const changed = model.clone();
    changed.proto.producerName = "somebody";
    setRawData(changed.graph.initializer[1], new Uint8Array(48 * 48 * 4));
    const same = float.clone();
    same.proto.producerName = "somebody";
    setRawData(same.graph.initializer[1], new Uint8Array(48 * 48 * 4));
    assertEquals(changed.toBytes(), same.toBytes());
    assertEquals(model.toBytes(), float.toBytes());
    // Written again, in either form.
    const copy = `${dir.path}/copy.onnx`;
    await saveOnnx(model, copy, { force: true });
    assertEquals(await Deno.readFile(copy), await Deno.readFile(one));
    await saveOnnx(model, copy, { force: true, externalData: true });
    assertEquals(await Deno.readFile(`${copy}.data`), await Deno.readFile(`${two}.data`));
  }
});

Deno.test("loadOnnx: a file that is written unlike the package writes it comes back as it was", async () => {
  await using dir = await folders();
  const proto = toBinary(ModelProtoSchema, products().proto);
  // The version last: protobuf takes fields in any order.
  const odd = Uint8Array.from([...proto.subarray(2), ...proto.subarray(0, 2)]);
  const [path, copy] = [`${dir.path}/odd.onnx`, `${dir.path}/copy.onnx`];
  await Deno.writeFile(path, odd);
  const model = await loadOnnx(path, { inMemory: 0 });
  assert(model.graph.initializer.every(storedBytes));
  await saveOnnx(model, copy);
  assertEquals(await Deno.readFile(copy), odd);
  model.proto.producerName = "somebody";
  assertEquals((await loadOnnx(model.toBytes())).proto.producerName, "somebody");
});

Deno.test("quantizeStatic: from files the same bytes as from memory, and nothing else is touched", async () => {
  await using dir = await folders();
  const expected = (await quantizeStatic(products(), SAMPLES)).model.toBytes();
  const { one, two, models } = await bothWays(dir.path);
  const files = [one, two, `${two}.data`];
  const before = await Promise.all(files.map((path) => Deno.readFile(path)));
  for (const model of models) {
    const { model: quantized } = await quantizeStatic(model, SAMPLES);
    assertEquals(quantized.toBytes(), expected);
    // What stays float stays in the file.
    const { model: part } = await quantizeStatic(model, SAMPLES, {
      nodesToExclude: ["MatMul:h1"],
    });
    assertEquals(part.graph.initializer.filter(storedBytes).map(({ name }) => name), ["ww"]);
    const path = `${dir.path}/part.onnx`;
    await saveOnnx(part, path, { force: true });
    assertEquals(await Deno.readFile(path), part.toBytes());
  }
  assertEquals(await Promise.all(files.map((path) => Deno.readFile(path))), before);
  assertEquals(dir.left(), []);
});

Deno.test("ranking, comparing and looking into a model whose constants are in files", async () => {
  await using dir = await folders();
  const float = products();
  const { models } = await bothWays(dir.path, float);
  const { model: quantized } = await quantizeStatic(float, SAMPLES);
  const expected = (await rankNodes(float, SAMPLES, { heldOut: SAMPLES })).nodes;
  assert(expected.length > 1);
  const { constants } = await inspectOnnx(float);
  for (const model of models) {
    assertEquals((await rankNodes(model, SAMPLES, { heldOut: SAMPLES })).nodes, expected);
    const { float: a, outputs: [{ sqnr }] } = await compareOnnx(model, quantized, SAMPLES);
    assertEquals(a.bytes, float.toBytes().length);
    assert(sqnr > 20, `${sqnr} dB`);
    assertEquals((await inspectOnnx(model)).constants, constants);
  }
  assertEquals(dir.left(), []);
});

Deno.test("openSession: from memory, from one folder and from several, the same outputs", async () => {
  await using dir = await folders();
  const float = products();
  const { models: [one, two] } = await bothWays(dir.path, float);
  const changed = two.clone();
  setRawData(changed.graph.initializer[0], float.graph.initializer[0].rawData.slice());
  await Deno.mkdir(`${dir.path}/b`);
  const elsewhere = (await bothWays(`${dir.path}/b`, float)).models[1];
  const mixed = two.clone();
  mixed.graph.initializer[2] = elsewhere.graph.initializer[2];
  await using runtime = await OnnxRuntime.open("test", float);
  const { r2: { data: expected } } = await runtime.run(SAMPLES[0]);
  const ort = await loadPackage<Ort>("test", PACKAGES.onnxruntime);
  for (const model of [float, one, two, changed, mixed]) {
    for (const inline of [0, 20_000, 1 << 20]) {
      const session = await openSession(ort, model, sessionOptions(true), inline);
      assertEquals(dir.left(), []); // gone before the first run
      const { data, dims } = SAMPLES[0].x as { data: Float32Array; dims: number[] };
      const { r2 } = await session.run({ x: new ort.Tensor("float32", data, dims) }, { r2: null });
      assertEquals(r2.data, expected);
      await session.release();
    }
  }
});

Deno.test("openSession: nothing is left where onnxruntime refuses the model, or a run is ended", async () => {
  await using dir = await folders();
  const { models: [one] } = await bothWays(dir.path);
  const wrong = one.clone();
  wrong.graph.node[0].opType = "Flatter";
  const ort = await loadPackage<Ort>("test", PACKAGES.onnxruntime);
  await assertRejects(() => openSession(ort, wrong, sessionOptions(true), 0), Error, "Flatter");
  assertEquals(dir.left(), []);
  const abort = new AbortController();
  await assertRejects(
    () => quantizeStatic(one, SAMPLES, { signal: abort.signal, onProgress: () => abort.abort() }),
    DOMException,
    "abort",
  );
  assertEquals(dir.left(), []);
});

Deno.test("a file that changed under a model is told, one that it is saved over is not missed", async () => {
  await using dir = await folders();
  const float = products();
  const { one, two, models } = await bothWays(dir.path, float);
  for (const [i, problem] of ["it has changed", "there is no such file"].entries()) {
    const copy = models[i].clone();
    await saveOnnx(models[i], [one, two][i], { force: true });
    assertEquals(models[i].toBytes(), float.toBytes());
    assertThrows(() => readTensor(copy.graph.initializer[0]), OnnxError, problem);
    await assertRejects(() => OnnxRuntime.open("test", copy), Error, problem);
  }
});

Deno.test("readThin: leaves large constants out, and is no judge of what is none", async () => {
  await using dir = await folders();
  const path = `${dir.path}/file`;
  const thin = async (bytes: Uint8Array, least = 1024) => {
    await Deno.writeFile(path, bytes);
    return readThin(await KnownFile.find(path), least);
  };
  const bytes = products().toBytes();
  const { holes, bytes: rest } = (await thin(bytes))!;
  assertEquals([...holes.keys()], [0, 1, 2]);
  assertEquals(rest.length < 700, true);
  assertEquals(await thin(bytes, 1 << 20), undefined);
  assertEquals(await thin(fileOf(variedGraph())), undefined);
  for (const cut of [1, 100, 9000, bytes.length - 1]) {
    assertEquals(await thin(bytes.subarray(0, cut)), undefined, `${cut}`);
  }
  assertEquals(await thin(new Uint8Array(5000).fill(255)), undefined);
  assertEquals(await thin(new Uint8Array(0)), undefined);
});
