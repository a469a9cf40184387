/**
 * A small text encoder with the interface of BERT in ONNX files, made of layers with weights drawn from a seed: it
 * knows no language, but is built as those that do, and takes a moment.
 *
 * @module
 */
import {
  add,
  bool,
  Embedding,
  eq,
  exportOnnx,
  int32,
  LayerNorm,
  loadOnnx,
  manualSeed,
  Module,
  ModuleList,
  type OnnxModel,
  type Tensor,
  tensor,
  TransformerEncoderLayer,
  zeros,
} from "@staticquant/staticquant";

/** The sizes of an encoder, by the names of BERT's configuration. */
export interface EncoderSizes {
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly intermediate_size: number;
  readonly max_position_embeddings: number;
  readonly type_vocab_size: number;
}

/** What BERT normalizes with. */
const EPS = 1e-12;

/** Token, position and type embeddings, then attention and feed-forward layers, normalized after each. */
export class SentenceEncoder extends Module {
  readonly words: Embedding;
  readonly positions: Embedding;
  readonly types: Embedding;
  readonly norm: LayerNorm;
  readonly layers: ModuleList;

  /** Weights are drawn on the CPU, whatever device there is, so that files are the same everywhere. */
  constructor(readonly sizes: EncoderSizes, seed: number) {
    super();
    manualSeed(seed);
    const { hidden_size: width, num_attention_heads: heads, intermediate_size } = sizes;
    const device = "cpu";
    this.words = new Embedding(sizes.vocab_size, width, { device });
    this.positions = new Embedding(sizes.max_position_embeddings, width, { device });
    this.types = new Embedding(sizes.type_vocab_size, width, { device });
    this.norm = new LayerNorm(width, { eps: EPS, device });
    this.layers = new ModuleList(
      Array.from(
        { length: sizes.num_hidden_layers },
        () =>
          new TransformerEncoderLayer(width, heads, {
            ...{ dimFeedforward: intermediate_size, activation: "gelu" },
            ...{ batchFirst: true, layerNormEps: EPS, dropout: 0, device },
          }),
      ),
    );
  }

  /**
   * The hidden state of each token, (batch, length, hidden_size).
   *
   * @param ids (batch, length).
   * @param mask 1 for tokens, 0 for padding.
   * @param types 0, or 1 in a second sentence.
   */
  override forward(ids: Tensor, mask: Tensor, types: Tensor): Tensor {
    const length = ids.shape[1];
    const at = tensor(Int32Array.from({ length }, (_, i) => i), { dtype: int32, device: "cpu" });
    const sum = add(this.words.forward(ids), this.types.forward(types));
    let x = this.norm.forward(add(sum, this.positions.forward(at)));
    const padding = eq(mask, 0).to(bool);
    for (const layer of this.layers) {
      x = (layer as TransformerEncoderLayer).forward(x, null, padding);
    }
    return x;
  }
}

/** What BERT's files call their inputs. */
const INPUTS = ["input_ids", "attention_mask", "token_type_ids"];

/** The encoder as an ONNX model, with the inputs and the output that BERT has in files for transformers.js. */
export async function encoderModel(encoder: SentenceEncoder): Promise<OnnxModel> {
  const { max_position_embeddings: longest } = encoder.sizes;
  const open = { 0: "batch_size", 1: "sequence_length" };
  const examples = INPUTS.map(() => zeros([1, longest], { dtype: int32, device: "cpu" }));
  const file = await exportOnnx(encoder, examples, {
    name: "text_encoder",
    inputNames: INPUTS,
    outputName: "last_hidden_state",
    dynamicAxes: Object.fromEntries(INPUTS.map((name) => [name, open])),
  });
  examples.forEach((x) => x.dispose());
  return await loadOnnx(file);
}
