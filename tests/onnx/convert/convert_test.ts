import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  convertOnnx,
  type ConvertOnnxOptions,
  exportOnnx,
  Linear,
  loadOnnx,
  manualSeed,
  modelCard,
  OnnxError,
  randn,
  ReLU,
  Sequential,
} from "../../../mod.ts";
import { writeTextEncoder } from "../../../examples/support/text_encoder_folder.ts";
import { quantizedClassifier } from "../../cli/models.ts";
import { TestFolder } from "../../data/files.ts";

/** The least SQNR of each form of the small encoder on made-up inputs, in dB. */
const FLOORS = { fp16: 50, q8: 35, int8: 35, uint8: 35, q4: 22, q4f16: 22, bnb4: 20 };

async function smallModel(seed = 0): Promise<Uint8Array<ArrayBuffer>> {
  manualSeed(seed);
  const layers = { fc1: new Linear(64, 64), relu: new ReLU(), fc2: new Linear(64, 8) };
  return await exportOnnx(new Sequential(layers), randn([1, 64]));
}

/** A folder with some models in `onnx`, and a configuration. */
async function modelsIn(folder: TestFolder, ...names: string[]): Promise<string> {
  Deno.mkdirSync(`${folder.path}/models/onnx`, { recursive: true });
  for (const [i, name] of names.entries()) {
    folder.write(`models/onnx/${name}.onnx`, await smallModel(i));
  }
  folder.write("models/config.json", '{"model_type": "bert"}');
  return `${folder.path}/models`;
}

const read = (path: string) => Deno.readFileSync(path);
const names = (path: string) => [...Deno.readDirSync(path)].map(({ name }) => name).sort();

Deno.test("a folder gets every form by the names of transformers.js, the same bytes each time", async () => {
  using folder = new TestFolder();
  await writeTextEncoder(`${folder.path}/small`);
  const [a, b] = [`${folder.path}/a`, `${folder.path}/b`];
  const { files, madeUp, resumed } = await convertOnnx(`${folder.path}/small`, { out: a });
  assertEquals([madeUp, resumed], [true, false]);
  assertEquals(names(a), ["config.json", "onnx", "tokenizer.json", "tokenizer_config.json"]);
  const endings = ["bnb4", "fp16", "int8", "q4", "q4f16", "quantized", "uint8"];
  assertEquals(names(`${a}/onnx`), ["model.onnx", ...endings.map((end) => `model_${end}.onnx`)]);
  for (const { dtype, files: [file], bytes, sqnr, ms, problem } of files) {
    assertEquals(problem, undefined, dtype);
    assertEquals(bytes, Deno.statSync(`${a}/${file}`).size);
    assert(ms! > 0);
    if (dtype === "fp32") assertEquals(sqnr, Infinity);
    else assert(sqnr! > FLOORS[dtype as keyof typeof FLOORS], `${dtype}: ${sqnr} dB`);
  }
  // Not every GPU has floats of 16 bits to look up in; only forms that are made of these may need it.
  for (const form of ["quantized", "q4", "bnb4"]) {
    const { graph } = await loadOnnx(`${a}/onnx/model_${form}.onnx`);
    const halves = new Set(
      graph.initializer.filter(({ dataType }) => dataType === 10).map(({ name }) => name),
    );
    const looked = graph.node.filter(({ opType }) => opType === "Gather");
    assert(looked.length > 0 && looked.every(({ input: [table] }) => !halves.has(table)), form);
  }
  for (const name of ["config.json", "onnx/model.onnx"]) {
    assertEquals(read(`${a}/${name}`), read(`${folder.path}/small/${name}`));
  }
  await convertOnnx(`${folder.path}/small/onnx/model.onnx`, { out: b });
  for (const name of names(`${a}/onnx`)) {
    assertEquals(read(`${a}/onnx/${name}`), read(`${b}/onnx/${name}`), name);
  }
});

Deno.test("each model of a pair gets its forms, static ones by its own samples", async () => {
  using folder = new TestFolder();
  const models = await modelsIn(folder, "decoder_model_merged", "encoder_model");
  manualSeed(2);
  const samples = Array.from({ length: 4 }, () => ({ input: randn([1, 64]) }));
  const data = { encoder_model: samples, decoder_model_merged: samples };
  const { files, madeUp } = await convertOnnx(models, { dtypes: ["static", "q8"], data });
  assertEquals(madeUp, false);
  assertEquals(names(`${models}/onnx`), [
    "decoder_model_merged.onnx",
    "decoder_model_merged_quantized.onnx",
    "decoder_model_merged_static.onnx",
    "encoder_model.onnx",
    "encoder_model_quantized.onnx",
    "encoder_model_static.onnx",
  ]);
  assert(files.every(({ problem }) => problem === undefined));
  const card = modelCard({ folder: models, files, madeUp, resumed: false, warnings: [] }, {
    name: "me/pair",
  });
  assert(card.includes('`model_file_name: "encoder_model_static", dtype: "fp32"`'), card);
  assert(!card.includes("made-up"), card);
});

Deno.test("what a provider cannot run, or not well, is foretold, and static is made for pages", async () => {
  using folder = new TestFolder();
  const models = await modelsIn(folder, "model");
  manualSeed(2);
  const data = Array.from({ length: 4 }, () => ({ input: randn([1, 64]) }));
  const told = async (provider: ConvertOnnxOptions["provider"]) => {
    const out = `${folder.path}/${provider}`;
    const { files } = await convertOnnx(models, { provider, out, data });
    return new Map(
      files.map(({ dtype, warnings }) => [dtype, warnings.find((text) => text.startsWith("on "))]),
    );
  };
  const [webgpu, wasm, node] = [await told("webgpu"), await told("wasm"), await told("node")];
  for (const dtype of ["q8", "int8", "uint8", "bnb4"] as const) {
    assert(webgpu.get(dtype)!.includes("WebAssembly computes; take"), dtype);
    assertEquals([wasm.get(dtype), node.get(dtype)], [undefined, undefined], dtype);
  }
  for (const dtype of ["fp16", "q4f16"] as const) {
    assert(webgpu.get(dtype)!.includes("shader-f16"), dtype);
    assert(wasm.get(dtype)!.includes("no kernels for float16"), dtype);
  }
  for (const each of [webgpu, wasm, node]) assertEquals(each.get("q4"), undefined);
  // In a page so small a product is faster in floats.
  const operators = async (provider: string) => {
    const { graph } = await loadOnnx(`${folder.path}/${provider}/onnx/model_static.onnx`);
    return new Set(graph.node.map(({ opType }) => opType));
  };
  assert((await operators("node")).has("DequantizeLinear"));
  assert(!(await operators("wasm")).has("DequantizeLinear"));
  await assertRejects(
    () => convertOnnx(models, { provider: "phone" as "node" }),
    TypeError,
    "provider",
  );
});

Deno.test("large constants go into the files that transformers.js looks for, and config.json says so", async () => {
  using folder = new TestFolder();
  await writeTextEncoder(`${folder.path}/small`, { externalData: true });
  const out = `${folder.path}/out`;
  const options: ConvertOnnxOptions = { out, dtypes: ["q4"], externalData: true };
  const { files, warnings } = await convertOnnx(`${folder.path}/small`, options);
  assertEquals(warnings, []);
  assertEquals(files.map(({ files }) => files), [
    ["onnx/model.onnx", "onnx/model.onnx_data"],
    ["onnx/model_q4.onnx", "onnx/model_q4.onnx_data"],
  ]);
  const config = JSON.parse(Deno.readTextFileSync(`${out}/config.json`));
  assertEquals(config["transformers.js_config"].use_external_data_format, {
    "model.onnx": 1,
    "model_q4.onnx": 1,
  });
  assertEquals(config.model_type, "bert");
  await loadOnnx(`${out}/onnx/model_q4.onnx`);
  const before = read(`${out}/onnx/model_q4.onnx_data`);
  await convertOnnx(`${folder.path}/small`, { ...options, force: true });
  assertEquals(read(`${out}/onnx/model_q4.onnx_data`), before);
  folder.write("small/config.json", "[]");
  const broken = await convertOnnx(`${folder.path}/small`, { ...options, out: `${folder.path}/2` });
  assert(broken.warnings[0].includes("use_external_data_format"), broken.warnings[0]);
});

Deno.test("a conversion that was stopped is finished by the same call, and by no other", async () => {
  using folder = new TestFolder();
  const models = await modelsIn(folder, "model");
  const controller = new AbortController();
  const stopped = () =>
    convertOnnx(models, {
      dtypes: ["q8", "q4"],
      signal: controller.signal,
      onProgress: ({ step }) => step.endsWith("q4") && controller.abort(new Error("stopped")),
    });
  await assertRejects(stopped, Error, "stopped");
  const journal = ".staticquant-convert.json";
  assert(names(models).includes(journal));
  assertEquals(names(`${models}/onnx`), ["model.onnx", "model_quantized.onnx"]);
  await assertRejects(
    () => convertOnnx(models, { dtypes: ["q4"] }),
    OnnxError,
    "is half written: another conversion was stopped there",
  );
  const before = Deno.statSync(`${models}/onnx/model_quantized.onnx`).mtime;
  const { resumed, files } = await convertOnnx(models, { dtypes: ["q8", "q4"] });
  assertEquals([resumed, files.length], [true, 3]);
  assertEquals(files.map(({ sqnr }) => sqnr! > 10), [true, true, true]);
  assertEquals(Deno.statSync(`${models}/onnx/model_quantized.onnx`).mtime, before);
  assertEquals(names(models), ["config.json", "onnx"]);
  // What killed runs leave may be anything.
  folder.write(`models/${journal}`, "{");
  await assertRejects(() => convertOnnx(models), OnnxError, "is half written");
  await convertOnnx(models, { dtypes: ["q4"], force: true });
  assertEquals(names(models), ["config.json", "onnx"]);
});

Deno.test("a file that another run cut off is written anew", async () => {
  using folder = new TestFolder();
  const models = await modelsIn(folder, "model");
  const controller = new AbortController();
  const options: ConvertOnnxOptions = { dtypes: ["q8", "q4"] };
  await assertRejects(() =>
    convertOnnx(models, {
      ...options,
      signal: controller.signal,
      onProgress: ({ step }) => step.endsWith("q4") && controller.abort(),
    })
  );
  const path = `${models}/onnx/model_quantized.onnx`;
  const whole = read(path);
  Deno.truncateSync(path, 100);
  // It is not as it was left, so it is somebody's.
  await assertRejects(() => convertOnnx(models, options), OnnxError, "model_quantized.onnx exists");
  await convertOnnx(models, { ...options, force: true });
  assertEquals(read(path), whole);
});

Deno.test("what cannot be converted is refused with a sentence, and leaves nothing", async () => {
  using folder = new TestFolder();
  Deno.mkdirSync(`${folder.path}/empty`);
  const refused = async (source: string, options: ConvertOnnxOptions, message: string) => {
    const before = names(folder.path);
    const error = await assertRejects(() => convertOnnx(source, options));
    assert((error as Error).message.includes(message), (error as Error).message);
    assertEquals(names(folder.path), before);
  };
  await refused(`${folder.path}/empty`, {}, "there is no ONNX model in");
  assertEquals(names(`${folder.path}/empty`), []);
  Deno.mkdirSync(`${folder.path}/forms`);
  folder.write("forms/model_q4.onnx", await smallModel());
  await refused(`${folder.path}/forms`, {}, "they are made of the float one, which is missing");
  const models = await modelsIn(folder, "model");
  // deno-lint-ignore no-explicit-any
  await refused(models, { dtypes: ["q5" as any] }, 'did you mean "q8"');
  await refused(models, { dtypes: [] }, 'dtypes must be "all" or names of forms');
  await refused(models, { dtypes: ["static"] }, "takes its ranges from samples");
  // deno-lint-ignore no-explicit-any
  await refused(models, { dtype: "q8" } as any, "did you mean dtypes?");
  await refused(`${folder.path}/none`, {}, "none");
  folder.write("quantized.onnx", await quantizedClassifier());
  const out = `${folder.path}/out`;
  const error = await assertRejects(() => convertOnnx(`${folder.path}/quantized.onnx`, { out }));
  assert(
    /no form could be made of it: .*statically already/.test((error as Error).message),
    `${error}`,
  );
  await convertOnnx(models, { dtypes: ["q8"] });
  await refused(models, { dtypes: ["q8"] }, "model_quantized.onnx exists; choose another folder");
});
