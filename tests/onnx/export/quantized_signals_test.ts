/** Convolutions of signals and volumes in integers as files: onnxruntime reads them, and so does importOnnx. */
import { assert, assertEquals } from "@std/assert";
import {
  compile,
  computeError,
  Conv1d,
  Conv3d,
  ConvTranspose1d,
  deepcopy,
  exportOnnx,
  importOnnx,
  loadOnnx,
  manualSeed,
  PerTensor,
  randn,
  ReLU,
  Sequential,
} from "../../../mod.ts";
import { eachBackend } from "../../backends.ts";
import { operations, optimized } from "../model.ts";
import { checkBytes, classes, exposeBytes, quantized } from "./quantized_files.ts";

const signals = () =>
  new Sequential({
    stem: new Conv1d(3, 8, 5, { padding: 2, stride: 2 }),
    relu: new ReLU(),
    depthwise: new Conv1d(8, 8, 3, { padding: "same", groups: 8 }),
    edge: new Conv1d(8, 6, 3, { padding: 2, dilation: 2, groups: 2, paddingMode: "reflect" }),
    up: new ConvTranspose1d(6, 4, 4, { stride: 2, padding: 1, outputPadding: 1 }),
    last: new Conv1d(4, 5, 1),
  });

const volumes = () =>
  new Sequential({
    stem: new Conv3d(2, 4, 3, { padding: 1 }),
    relu: new ReLU(),
    depthwise: new Conv3d(4, 4, [2, 3, 1], { stride: [1, 2, 2], groups: 4 }),
    grouped: new Conv3d(4, 6, 2, { groups: 2, bias: false }),
    last: new Conv3d(6, 3, 1),
  });

const NETWORKS = [
  { name: "signals", make: signals, dims: [2, 3, 21], integers: 4, transposed: 1 },
  { name: "volumes", make: volumes, dims: [1, 2, 4, 6, 5], integers: 3, transposed: 0 },
] as const;

eachBackend("signals and volumes in integers have the same bytes in a file", async (device) => {
  for (const { name, make, dims, integers, transposed } of NETWORKS) {
    manualSeed(23);
    const model = await make().to(device);
    using x = randn([...dims], { device });
    await quantized(model, x);
    const bytes = await exportOnnx(model, x);
    // The last layer gives floats, which no kernel of onnxruntime does.
    const plain = (await optimized(bytes)).filter((op) => op === "QLinearConv").length;
    assertEquals(plain, integers - transposed, name);
    const file = await loadOnnx(bytes);
    const names = exposeBytes(file);
    const module = await importOnnx(file, { device });
    assertEquals(classes(module).filter((kind) => kind === "ByteConv").length, integers, name);
    await checkBytes(module, file, names, dims, device);
    // The numbers are those of the layers themselves but for the biases, which become whole.
    const [wanted, [got]] = [model.forward(x), module.forwardAll(x)];
    assert(await computeError(wanted, got) > 30, name);
    if (device === "cpu") continue;
    using compiled = compile(module);
    assertEquals(await compiled.forward(x).bytes(), await got.bytes(), name);
  }
});

eachBackend("imported signals and volumes are quantized, and written back", async (device) => {
  for (const { name, make, dims } of NETWORKS) {
    manualSeed(24);
    const float = await make().to(device);
    using x = randn([...dims], { device });
    const file = await exportOnnx(float, x);
    const model = await importOnnx(await loadOnnx(file), { device });
    assert(await computeError(float.forward(x), model.forward(x)) > 100);
    await quantized(model, x, new PerTensor());
    const layers = [...Object.values(deepcopy(float))].map((layer) => layer.constructor.name);
    const wanted = layers.filter((kind) => kind.startsWith("Conv")).map((kind) =>
      `Quantized${kind}`
    );
    assertEquals(classes(model).filter((kind) => /Conv/.test(kind)), wanted, name);
    const written = await exportOnnx(model, x);
    assertEquals(
      operations(written).filter((op) => op.startsWith("Conv")),
      operations(file).filter((op) => op.startsWith("Conv")),
    );
    const back = await loadOnnx(written);
    const [again, expected] = [await importOnnx(back, { device }), model.forward(x)];
    assert(await computeError(expected, again.forward(x)) > 30, name);
    await checkBytes(again, back, exposeBytes(back), dims, device);
  }
});
