/**
 * The kinds of files that are spoilt: what a good one is, how one is spoilt so that what is inside is reached too,
 * and how it is read.
 */
import { crc32 } from "node:zlib";
import sharp from "sharp";
import {
  AffineQuantizedEntropyObserver,
  AffineQuantizedHistogramObserver,
  AffineQuantizedMinMaxObserver,
  AffineQuantizedMovingAverageMinMaxObserver,
  AffineQuantizedPercentileObserver,
  Int4WeightOnlyConfig,
  Int8WeightOnlyConfig,
  Linear,
  loadOnnx,
  loadQuantizedModel_,
  loadSafetensors,
  MappingType,
  OnnxCalibration,
  PerAxis,
  quantize_,
  randn,
  type RangeObserver,
  readTensor,
  saveQuantizedModel,
  saveSafetensors,
  Sequential,
  type Tensor,
  uint8,
} from "../../mod.ts";
import { readSamples, type TensorInfo } from "../../lib/data/read_samples.ts";
import {
  parseSafetensors,
  type SafetensorsEntry,
  serializeSafetensors,
} from "../../lib/files/safetensors.ts";
import { walkGraphs } from "../../lib/onnx/file/subgraphs.ts";
import { setField } from "../../lib/nn/module.ts";
import { COPIED } from "../../lib/quantization/layers/copied_channels.ts";
import { SplitLinear } from "../../lib/quantization/layers/split_linear.ts";
import { floats, npyFile, zip } from "../data/files.ts";
import { fileOf, graphProto, messages, tensorProto, variedGraph } from "../onnx/files.ts";
import { mutateBytes, mutateText } from "./mutate.ts";
import type { Random } from "./random.ts";

/** A kind of file. */
export interface Kind {
  /** Another input each time; a file's bytes. */
  spoil(random: Random): Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>>;
  /** Reads a file and looks at all there is in it. */
  read(bytes: Uint8Array<ArrayBuffer>): Promise<unknown>;
}

/** A folder that the readers of files on the disk are given. */
export interface Place {
  readonly folder: string;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const ANY: TensorInfo = { name: "x", dtype: "float32" };

/** Reads all samples of a file. */
async function readAs(name: string, { folder }: Place, bytes: Uint8Array, input = ANY) {
  const path = `${folder}/${name}`;
  await Deno.writeFile(path, bytes);
  let samples = 0;
  const image = { size: [4, 4] } as const;
  for await (const _ of readSamples(path, [input], { image, limit: 100 })) samples++;
  return samples;
}

/** ONNX files, some with elements in another file. */
function onnx({ folder }: Place): Kind {
  Deno.writeFileSync(`${folder}/w.data`, new Uint8Array(64));
  const place = { location: "w.data", offset: "8", length: "16" };
  const externalData = Object.entries(place).map(([key, value]) => ({
    $typeName: "onnx.StringStringEntryProto" as const,
    key,
    value,
  }));
  const external = graphProto({
    input: [messages.valueInfo("x", "float32", [4])],
    output: [messages.valueInfo("y", "float32", [4])],
    initializer: [tensorProto("w", "FLOAT", [4], { externalData, dataLocation: 1 })],
    node: [messages.node({ opType: "Add", input: ["x", "w"], output: ["y"] })],
  });
  const files = [fileOf(variedGraph()), fileOf(external)];
  return {
    spoil: (random) => mutateBytes(random.pick(files), random),
    async read(bytes) {
      const model = await loadOnnx(bytes, { folder });
      for (const graph of walkGraphs(model.graph)) {
        for (const tensor of graph.initializer) {
          if (!tensor.name.includes("complex")) await readable(() => readTensor(tensor));
        }
      }
      model.toBytes();
    },
  };
}

/** Some types are whole and yet have no numbers; that is told by the library's own error as well. */
async function readable(read: () => unknown): Promise<void> {
  try {
    await read();
  } catch (error) {
    if (!(error instanceof Error && error.message.includes("cannot be read here"))) throw error;
  }
}

/** A file of tensors with its header, or one of its texts, spoilt; the length of the header is right mostly. */
function spoilSafetensors(file: Uint8Array, random: Random): Uint8Array<ArrayBuffer> {
  if (random.once(3)) return mutateBytes(file, random);
  const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  const header = encoder.encode(mutateText(decoder.decode(file.subarray(8, 8 + length)), random));
  const whole = new Uint8Array(8 + header.length + file.length - 8 - length);
  new DataView(whole.buffer).setBigUint64(0, BigInt(header.length), true);
  whole.set(header, 8);
  whole.set(file.subarray(8 + length), 8 + header.length);
  return whole;
}

async function safetensors(place: Place): Promise<Kind> {
  const file = serializeSafetensors([
    ["x", entry("F32", Float32Array.of(1, 2, 3, 4), [2, 2])],
    ["steps", entry("I64", BigInt64Array.of(5n), [])],
    ["mask", entry("BOOL", Uint8Array.of(1, 0), [2])],
    ["half", entry("F16", new Float16Array(3), [3])],
  ], { made: "by a test" });
  await Promise.resolve();
  return {
    spoil: (random) => spoilSafetensors(file, random),
    async read(bytes) {
      const error = await readAs("x.safetensors", place, bytes).catch((error) => error);
      loadSafetensors(bytes);
      if (error instanceof Error) throw error;
    },
  };
}

function entry(dtype: string, array: ArrayBufferView, shape: number[]): SafetensorsEntry {
  return { dtype, shape, bytes: new Uint8Array(array.buffer as ArrayBuffer) };
}

/** A `.npy` file, its header spoilt as text or its bytes anywhere. */
function spoilNpy(random: Random): Uint8Array<ArrayBuffer> {
  const good = floats([1, 2, 3, 4, 5, 6], 2, 3);
  if (random.once(2)) return mutateBytes(good, random);
  const version = random.pick([1, 1, 2, 3]);
  const text = mutateText("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", random);
  const file = npyFile({ shape: "", data: new Uint8Array(0), version }).slice(
    0,
    version === 1 ? 10 : 12,
  );
  const header = encoder.encode(text).subarray(0, 65_000);
  new DataView(file.buffer).setUint16(8, header.length, true);
  const whole = new Uint8Array(file.length + header.length + 24);
  whole.set(file);
  whole.set(header, file.length);
  return whole;
}

const npy = (place: Place): Kind => ({
  spoil: spoilNpy,
  read: (bytes) => readAs("x.npy", place, bytes),
});

/** An archive with a spoilt array in it whose sum is right, or spoilt anywhere. */
const npz = (place: Place): Kind => ({
  async spoil(random) {
    const inside = random.once(2) ? spoilNpy(random) : floats([1, 2, 3, 4], 2, 2);
    const name = random.once(20) ? mutateText("x.npy", random) : "x.npy";
    const file = await zip({ [name]: inside }, { deflate: random.once(2) });
    return random.once(2) ? mutateBytes(file, random) : new Uint8Array(file);
  },
  read: (bytes) => readAs("x.npz", place, bytes),
});

function jsonLines(place: Place): Kind {
  const lines = [
    '{"x": [[1, 2.5, -3e2], [4, 5, 6]], "id": "a", "meta": {"k": [null, true]}}\n[[1, 2, 3]]\n',
    "[1, 2, 3]\n\n[4, 5, 6]\n",
    '{"x": [[[[0.1]]]]}',
  ];
  const dtypes = ["float32", "int64", "uint8", "bool", "float16"];
  let dtype = dtypes[0];
  return {
    spoil(random) {
      dtype = random.pick(dtypes);
      const text = encoder.encode(mutateText(random.pick(lines), random));
      return random.once(4) ? mutateBytes(text, random) : text;
    },
    read: (bytes) => readAs("x.jsonl", place, bytes, { name: "x", dtype }),
  };
}

/** Observers that have seen something, in every class that is saved. */
function observers(): (() => RangeObserver)[] {
  const options = { granularity: new PerAxis(0) };
  return [
    AffineQuantizedMinMaxObserver,
    AffineQuantizedMovingAverageMinMaxObserver,
    AffineQuantizedHistogramObserver,
    AffineQuantizedPercentileObserver,
    AffineQuantizedEntropyObserver,
  ].map((Observer) => () => new Observer(MappingType.ASYMMETRIC, uint8, options));
}

/** A state with one of its tensors spoilt: text as text, numbers as bytes, either of the length it had or not. */
function spoilState(file: Uint8Array, random: Random): Uint8Array<ArrayBuffer> {
  if (random.once(10)) return spoilSafetensors(file, random);
  const { tensors, metadata } = parseSafetensors(file);
  const names = [...tensors.keys()];
  for (let times = 1 + random.below(2); times > 0; times--) {
    const name = random.pick(names);
    const { dtype, shape, bytes } = tensors.get(name)!;
    const text = dtype === "U8" && bytes[0] === 0x7b;
    const spoilt = text
      ? encoder.encode(mutateText(decoder.decode(bytes), random))
      : mutateBytes(bytes, random);
    if (shape.length > 1 || !random.once(8)) {
      const same = new Uint8Array(bytes.length);
      same.set(spoilt.subarray(0, bytes.length));
      const whole = text ? spoilt : same;
      tensors.set(name, { dtype, shape: text ? [whole.length] : shape, bytes: whole });
    } else tensors.set(name, { dtype: "U8", shape: [spoilt.length], bytes: spoilt });
  }
  if (random.once(20)) tensors.delete(random.pick(names));
  const key = random.pick(Object.keys(metadata));
  if (key !== undefined && random.once(2)) {
    metadata[key] = mutateText(metadata[key], random).toWellFormed();
  }
  return new Uint8Array(serializeSafetensors(tensors, metadata));
}

/** Whether an error is one that observers have for what they really saw. */
function isTold(error: unknown): boolean {
  return error instanceof RangeError &&
    /holds a NaN|is not a positive finite/.test(error.message);
}

async function observerStates(): Promise<Kind> {
  const makers = observers();
  const files = await Promise.all(makers.map((make) => {
    const observer = make();
    observer.forward(randn([3, 20]));
    observer.forward(randn([3, 20]));
    return saveSafetensors(observer.stateDict());
  }));
  const x = randn([3, 2]);
  let which = 0;
  return {
    spoil(random) {
      which = random.below(files.length);
      return spoilState(files[which], random);
    },
    async read(bytes) {
      const observer = makers[which]();
      const dict = loadSafetensors(bytes, { device: "cpu" });
      try {
        await observer.loadStateDict(dict);
        // A state that is taken over is one that an observer can have: it has a range, or says why not.
        const [scale] = await observer.calculateQParams().catch((error) => {
          if (!(observer.isEmpty || isTold(error))) throw error;
          return [];
        });
        for (const s of await scale?.data() ?? []) {
          if (!(s > 0 && s < Infinity)) {
            throw new Error(`a state that was taken over has the scale ${s}`);
          }
        }
        observer.forward(x);
      } finally {
        for (const t of Object.values({ ...dict, ...observer.stateDict() })) t.dispose();
      }
    },
  };
}

async function calibrationStates(): Promise<Kind> {
  const w = Float32Array.from({ length: 16 }, (_, i) => Math.sin(i));
  const model = await loadOnnx(fileOf(graphProto({
    input: [messages.valueInfo("x", "float32", ["n", 4])],
    output: [messages.valueInfo("y", "float32", ["n", 4])],
    initializer: [messages.tensor("w", "float32", [4, 4], w)],
    node: [messages.node({ opType: "MatMul", input: ["x", "w"], output: ["y"] })],
  })));
  const methods = ["minmax", "movingAverage", "entropy"] as const;
  const open = (i: number) => OnnxCalibration.open(model, { calibrationMethod: methods[i] });
  const files = await Promise.all(methods.map(async (_, i) => {
    const calibration = await open(i);
    await calibration.add([{ x: randn([3, 4]) }, { x: randn([1, 4]) }]);
    return await calibration.save();
  }));
  const calibrations = await Promise.all(methods.map((_, i) => open(i)));
  let which = 0;
  return {
    spoil(random) {
      which = random.below(files.length);
      return spoilState(files[which], random);
    },
    async read(bytes) {
      const calibration = calibrations[which];
      await calibration.load(bytes);
      if (calibration.samples !== 2) throw new Error(`${calibration.samples} samples`);
      await calibration.ranges().catch((error) => {
        if (!isTold(error)) throw error;
      });
    },
  };
}

/** The same model with a channel twice, and a layer of which two columns are split off. */
async function changedByTuning(): Promise<Sequential> {
  const a = await SplitLinear.of(new Linear(32, 5) as Linear & { weight: Tensor }, [3, 9]);
  const b = new Linear(5, 3);
  const model = new Sequential({ a, b });
  await quantize_(model, new Int8WeightOnlyConfig(), (_, name) => name === "a.others");
  for (const module of [a.others, a.outliers]) setField(module, COPIED, { inputs: 0, outputs: 1 });
  setField(b, COPIED, { inputs: 1, outputs: 0 });
  return model;
}

async function quantizedModels(): Promise<Kind> {
  const build = () => new Sequential({ a: new Linear(32, 4), b: new Linear(4, 3) });
  const files = await Promise.all([
    { config: new Int8WeightOnlyConfig() },
    { config: new Int4WeightOnlyConfig({ groupSize: 32 }) },
  ].map(async ({ config }) => {
    const model = build();
    await quantize_(model, config, (_, name) => name === "a");
    return await saveQuantizedModel(model, { made: "by a test" });
  }));
  files.push(await saveQuantizedModel(await changedByTuning()));
  files.forEach((file) => loadQuantizedModel_(build(), file)); // whole ones are read
  return {
    spoil: (random) => spoilState(random.pick(files), random),
    read(bytes) {
      const model = build();
      loadQuantizedModel_(model, bytes);
      return Promise.resolve(model.forward(randn([2, 32])));
    },
  };
}

/** The image formats that are read, and AVIF, which is refused whatever is in it. */
const FORMATS = ["png", "jpeg", "webp", "gif", "tiff", "avif"] as const;

async function images(place: Place, format: (typeof FORMATS)[number]): Promise<Kind> {
  const pixels = Uint8Array.from({ length: 12 * 9 * 3 }, (_, i) => (i * 37) % 251);
  const raw = { width: 12, height: 9, channels: 3 } as const;
  const whole = sharp(pixels, { raw });
  const files = [
    new Uint8Array(await whole.clone().toFormat(format).toBuffer()),
    new Uint8Array(await whole.clone().greyscale().toFormat(format).toBuffer()),
  ];
  const input = { name: "x", dtype: "float32", dims: [1, 3, 4, 4] };
  return {
    spoil(random) {
      const spoilt = mutateBytes(random.pick(files), random);
      return format === "png" && random.once(2) ? withSums(spoilt) : spoilt;
    },
    read: (bytes) => readAs("x.png", place, bytes, input),
  };
}

/** A PNG file whose chunks have the right sums, so that what is in them is looked at. */
function withSums(file: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const view = new DataView(file.buffer);
  for (let at = 8; at + 12 <= file.length;) {
    const length = view.getUint32(at);
    if (at + 12 + length > file.length) break;
    view.setUint32(at + 8 + length, crc32(file.subarray(at + 4, at + 8 + length)));
    at += 12 + length;
  }
  return file;
}

/** Every kind by its name. */
export const KINDS: Readonly<Record<string, (place: Place) => Kind | Promise<Kind>>> = {
  onnx,
  safetensors,
  npy,
  npz,
  "json-lines": jsonLines,
  "observer-state": observerStates,
  "calibration-state": calibrationStates,
  "quantized-model": quantizedModels,
  ...Object.fromEntries(
    FORMATS.map((format) => [format, (place: Place) => images(place, format)]),
  ),
};
