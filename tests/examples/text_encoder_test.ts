import { assert, assertEquals } from "@std/assert";
import { int32, loadOnnx, OnnxRuntime, tensor } from "../../mod.ts";
import { encoderModel } from "../../examples/support/text_encoder.ts";
import { textEncoder, writeTextEncoder } from "../../examples/support/text_encoder_folder.ts";
import { TestFolder } from "../data/files.ts";

const IDS = [[2, 99, 120, 140, 3], [2, 150, 3, 0, 0]];
const MASK = [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]];
const TYPES = [[0, 0, 0, 1, 1], [0, 0, 0, 0, 0]];

Deno.test("the small encoder's file computes what its layers compute", async () => {
  const encoder = textEncoder();
  const int = (rows: number[][]) => tensor(rows, { dtype: int32, device: "cpu" });
  using y = encoder.forward(int(IDS), int(MASK), int(TYPES));
  const expected = await y.data() as Float32Array;
  await using runtime = await OnnxRuntime.open("test", await encoderModel(encoder));
  const int64 = (rows: number[][]) => ({
    data: BigInt64Array.from(rows.flat(), BigInt),
    dims: [rows.length, rows[0].length],
  });
  const feeds = {
    input_ids: int64(IDS),
    attention_mask: int64(MASK),
    token_type_ids: int64(TYPES),
  };
  const { last_hidden_state: { data, dims } } = await runtime.run(feeds);
  assertEquals(dims, y.shape);
  const off = expected.map((value, i) => Math.abs(value - Number(data[i])));
  assert(Math.max(...off) < 1e-5, `${Math.max(...off)}`);
});

Deno.test("the small encoder's folder has the same bytes each time, with data beside it too", async () => {
  using folder = new TestFolder();
  const [a, b, c] = ["a", "b", "c"].map((name) => `${folder.path}/${name}`);
  await writeTextEncoder(a);
  await writeTextEncoder(b);
  await writeTextEncoder(c, { externalData: true });
  const files = ["config.json", "tokenizer.json", "tokenizer_config.json", "onnx/model.onnx"];
  for (const name of files) {
    assertEquals(Deno.readFileSync(`${a}/${name}`), Deno.readFileSync(`${b}/${name}`), name);
  }
  const [whole, split] = [
    await loadOnnx(`${a}/onnx/model.onnx`),
    await loadOnnx(`${c}/onnx/model.onnx`),
  ];
  assertEquals(Deno.readFileSync(`${a}/onnx/model.onnx`), whole.toBytes());
  assertEquals(whole.graph.node.length, split.graph.node.length);
  assert(
    Deno.statSync(`${c}/onnx/model.onnx`).size < Deno.statSync(`${a}/onnx/model.onnx`).size / 4,
  );
});
