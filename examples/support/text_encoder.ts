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
  int32,
  LayerNorm,
  type Linear,
  manualSeed,
  Module,
  ModuleList,
  type MultiheadAttention,
  type OnnxModel,
  type Tensor,
  tensor,
  TransformerEncoderLayer,
} from "@staticquant/staticquant";
import { loadMessages } from "../../lib/onnx/file/messages.ts";
import { GraphEditor } from "../../lib/onnx/graph/graph_editor.ts";
import { newModel } from "../../lib/onnx/graph/new_model.ts";

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

/** What writes an encoder's graph. */
class EncoderGraph {
  constructor(private readonly graph: GraphEditor, private readonly sizes: EncoderSizes) {}

  /** A parameter as a constant. */
  async constant(name: string, value: Tensor | null): Promise<string> {
    if (!value) throw new Error(`${name} is missing`);
    return this.graph.constant(name, "float32", value.shape, await value.data());
  }

  ints(name: string, values: readonly number[], dims = [values.length]): string {
    return this.graph.constant(name, "int64", dims, values);
  }

  number(name: string, value: number): string {
    return this.graph.constant(name, "float32", [], [value]);
  }

  /** A matrix product with a weight that lies as PyTorch has it, (out, in), and a bias. */
  linear(
    name: string,
    x: string,
    weight: Float32Array,
    [out, into]: readonly number[],
    bias: Float32Array,
  ): string {
    const turned = Float32Array.from(
      weight,
      (_, i) => weight[(i % out) * into + Math.floor(i / out)],
    );
    const w = this.graph.constant(`${name}.weight`, "float32", [into, out], turned);
    const b = this.graph.constant(`${name}.bias`, "float32", [out], bias);
    const product = this.graph.add(name, "MatMul", [x, w]);
    return this.graph.add(name, "Add", [b, product]);
  }

  async layer(name: string, x: string, layer: Linear): Promise<string> {
    const { weight, bias } = layer as Linear & { weight: Tensor; bias: Tensor };
    const [w, b] = [await weight.data(), await bias.data()] as Float32Array[];
    return this.linear(name, x, w, weight.shape, b);
  }

  async norm(name: string, x: string, { weight, bias, eps }: LayerNorm): Promise<string> {
    const inputs = [
      x,
      await this.constant(`${name}.weight`, weight),
      await this.constant(`${name}.bias`, bias),
    ];
    return this.graph.add(name, "LayerNormalization", inputs, { axis: -1, epsilon: { f: eps } });
  }

  /** The embeddings of all tokens, normalized. */
  async embeddings(encoder: SentenceEncoder): Promise<string> {
    const { graph } = this;
    const table = (name: string, { weight }: Embedding) => this.constant(name, weight);
    const words = await table("embeddings.word.weight", encoder.words);
    const types = await table("embeddings.type.weight", encoder.types);
    const positions = await table("embeddings.position.weight", encoder.positions);
    const where = "embeddings";
    const shape = graph.add(where, "Shape", ["input_ids"]);
    const length = graph.add(where, "Slice", [
      shape,
      this.ints("one", [1]),
      this.ints("two", [2]),
      this.ints("zero", [0]),
    ]);
    const zero = this.ints("zero", [0]);
    const first = graph.add(where, "Slice", [positions, zero, length, zero]);
    const sum = graph.add(where, "Add", [
      graph.add(where, "Gather", [words, "input_ids"]),
      graph.add(where, "Gather", [types, "token_type_ids"]),
    ]);
    return await this.norm(
      "embeddings.norm",
      graph.add(where, "Add", [sum, first]),
      encoder.norm,
    );
  }

  /** What is added to the products of queries and keys: nothing for tokens, the least float for padding. */
  mask(): string {
    const { graph } = this;
    const axes = this.ints("mask.axes", [1, 2]);
    const wide = graph.add("mask", "Unsqueeze", ["attention_mask", axes]);
    const mask = graph.add("mask", "Cast", [wide], { to: 1 });
    const inverted = graph.add("mask", "Sub", [this.number("mask.one", 1), mask]);
    const least = this.number("mask.least", -3.4028234663852886e38);
    return graph.add("mask", "Mul", [inverted, least]);
  }

  /** Attention of one layer, projected. */
  async attention(
    name: string,
    x: string,
    mask: string,
    attention: MultiheadAttention,
  ): Promise<string> {
    const { graph, sizes: { hidden_size: width, num_attention_heads: heads } } = this;
    const weight = await attention.in_proj_weight!.data() as Float32Array;
    const bias = await attention.in_proj_bias!.data() as Float32Array;
    const split = this.ints("attention.heads", [0, 0, heads, width / heads]);
    const project = (part: number, what: string, perm: readonly number[]) => {
      const from = part * width;
      const w = weight.slice(from * width, (from + width) * width);
      const where = `${name}.${what}`;
      const rows = this.linear(where, x, w, [width, width], bias.slice(from, from + width));
      const cut = graph.add(where, "Reshape", [rows, split]);
      return graph.add(where, "Transpose", [cut], { perm: { ints: perm } });
    };
    const query = project(0, "query", [0, 2, 1, 3]);
    const key = project(1, "key", [0, 2, 3, 1]);
    const value = project(2, "value", [0, 2, 1, 3]);
    const products = graph.add(name, "MatMul", [query, key]);
    const scaled = graph.add(name, "Div", [
      products,
      this.number("attention.root", Math.sqrt(width / heads)),
    ]);
    const masked = graph.add(name, "Add", [scaled, mask]);
    const weights = graph.add(name, "Softmax", [masked], { axis: -1 });
    const sums = graph.add(name, "MatMul", [weights, value]);
    const turned = graph.add(name, "Transpose", [sums], { perm: { ints: [0, 2, 1, 3] } });
    const joined = this.ints("attention.joined", [0, 0, width]);
    const rows = graph.add(name, "Reshape", [turned, joined]);
    return await this.layer(`${name}.output`, rows, attention.out_proj as Linear);
  }

  /** GELU as exporters write it, by the error function. */
  gelu(name: string, x: string): string {
    const { graph } = this;
    const scaled = graph.add(name, "Div", [x, this.number("gelu.root", Math.SQRT2)]);
    const erf = graph.add(name, "Erf", [scaled]);
    const shifted = graph.add(name, "Add", [erf, this.number("gelu.one", 1)]);
    const product = graph.add(name, "Mul", [x, shifted]);
    return graph.add(name, "Mul", [product, this.number("gelu.half", 0.5)]);
  }

  /** One layer. */
  async encoderLayer(
    name: string,
    x: string,
    mask: string,
    layer: TransformerEncoderLayer,
  ): Promise<string> {
    const { graph } = this;
    const attention = layer.self_attn as MultiheadAttention;
    const attended = await this.attention(`${name}.attention`, x, mask, attention);
    const sum = graph.add(`${name}.attention`, "Add", [attended, x]);
    const normed = await this.norm(`${name}.attention.norm`, sum, layer.norm1 as LayerNorm);
    const wide = await this.layer(`${name}.intermediate`, normed, layer.linear1 as Linear);
    const active = this.gelu(`${name}.intermediate`, wide);
    const narrow = await this.layer(`${name}.output`, active, layer.linear2 as Linear);
    const fed = graph.add(`${name}.output`, "Add", [narrow, normed]);
    return await this.norm(`${name}.output.norm`, fed, layer.norm2 as LayerNorm);
  }
}

/** The encoder as an ONNX model, with the inputs and the output that BERT has in files for transformers.js. */
export async function encoderModel(encoder: SentenceEncoder): Promise<OnnxModel> {
  const messages = await loadMessages("encoderModel");
  const { sizes } = encoder;
  const open = ["batch_size", "sequence_length"];
  const inputs = ["input_ids", "attention_mask", "token_type_ids"];
  const model = newModel(messages, {
    name: "text_encoder",
    opset: 17,
    input: inputs.map((name) => messages.valueInfo(name, "int64", open)),
    output: [messages.valueInfo("last_hidden_state", "float32", [...open, sizes.hidden_size])],
  });
  const editor = new GraphEditor(model.graph, messages);
  const graph = new EncoderGraph(editor, sizes);
  const mask = graph.mask();
  let x = await graph.embeddings(encoder);
  for (const [i, layer] of [...encoder.layers].entries()) {
    x = await graph.encoderLayer(`layer.${i}`, x, mask, layer as TransformerEncoderLayer);
  }
  editor.apply();
  const last = model.graph.node.find(({ output }) => output[0] === x)!;
  last.output[0] = "last_hidden_state";
  return model;
}
