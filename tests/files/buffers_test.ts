import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import {
  exportOnnx,
  float32,
  Linear,
  loadOnnx,
  loadSafetensors,
  randn,
  readTensor,
  saveSafetensors,
  tensor,
  tensorFromBytes,
} from "../../mod.ts";

/** Bytes as Node's functions give them: a part of memory that others have parts of. */
function pooled(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const memory = new Uint8Array(bytes.length + 40).fill(0x7f);
  memory.set(bytes, 12);
  return Buffer.from(memory.buffer, 12, bytes.length);
}

Deno.test("what Node read into a Buffer is read as any bytes", async () => {
  const device = "cpu";
  const values = [1.5, -2, 0.25];
  using plain = tensor(values, { device });
  const bytes = await plain.bytes();
  const buffer = pooled(bytes);
  using taken = tensorFromBytes(buffer, { shape: [3], dtype: float32, device });
  buffer.fill(0);
  assertEquals([...await taken.data()], values);

  const file = pooled(await saveSafetensors({ plain }));
  const loaded = loadSafetensors(file, { device });
  file.fill(0);
  assertEquals([...await loaded.plain.data()], values);

  using x = randn([1, 3], { device });
  const layer = new Linear(3, 2, { device });
  const exported = await exportOnnx(layer, x);
  const [expected, found] = [await loadOnnx(exported), await loadOnnx(pooled(exported))]
    .map(({ graph }) => graph.initializer.map((constant) => readTensor(constant).data));
  assertEquals(found, expected);
});
