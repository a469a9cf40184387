/** How models of layers that are not quantized themselves show themselves. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import {
  BatchNorm1d,
  Embedding,
  LayerNorm,
  Linear,
  LSTM,
  Sequential,
  TransformerEncoder,
  TransformerEncoderLayer,
} from "../../mod.ts";

Deno.test("a model of such layers shows itself as a table and as PyTorch's tree", async () => {
  const device = "cpu";
  const layer = new TransformerEncoderLayer(16, 2, { dimFeedforward: 32, device });
  const m = new Sequential({
    embedding: new Embedding(50, 16, { device }),
    encoder: new TransformerEncoder(layer, 2, { norm: new LayerNorm(16, { device }) }),
    bn: new BatchNorm1d(16, { device }),
    lstm: new LSTM(16, 12, { batchFirst: true, device }),
    head: new Linear(12, 4, { device }),
  });
  const show = (m as unknown as Record<symbol, () => Promise<Record<string, string>>>)[
    Symbol.for("Jupyter.display")
  ];
  const { "text/html": html, "text/plain": text } = await show.call(m);
  for (const part of ["in_proj_weight", "weight_ih_l0", "BatchNorm1d", "embedding"]) {
    assertStringIncludes(html, part);
  }
  assertEquals(text, String(m));
  assertStringIncludes(text, "(0-1): 2 x TransformerEncoderLayer(");
});
