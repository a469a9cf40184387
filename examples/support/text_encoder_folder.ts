/**
 * A small text encoder in a folder as transformers.js reads it, with a tokenizer of its own.
 *
 * @module
 */
import { saveOnnx } from "@staticquant/staticquant";
import { encoderModel, type EncoderSizes, SentenceEncoder } from "./text_encoder.ts";

/** Words that the tokenizer knows whole; it spells others. */
const WORDS =
  `a about after all also an and animals apple are as at autumn be because bird blue boat book bread bridge
bright but by can castle cat child city clear cloud cold colour come computer cook could dark day deep did dinner do
doctor dog door down dream each early earth eat evening every eye fall far fast father field fire first fish flower fly
food for forest friend from fruit garden girl give go gold good grass great green ground grow hand happy has have he
head hear heart help her high hill his history home horse hot house how i ice if in into is it its journey just keep
kind king know lake land language large last late laugh leaf learn less letter life light like line listen little live
long look lost love low machine made make man many map market me mean milk mind model money moon more morning most
mother mountain mouse much music my name near new next night no north not nothing number ocean of off old on one only
open or orange other our out over own page paint paper park people picture place plant play poem queen question quick
quiet rain read red rest rice river road rock room round run said sail salt same sand say school sea second see seed
shade she ship shore short sing sister sky sleep slow small snow so some song sound south speak spring star stone story
street summer sun sweet swim table tall tea teacher tell than that the their them then there these they thing think
this time to together town train travel tree true under up very village voice walk wall want warm was water we weather
well were west what wheat wheel when where which while white who wide wild will wind window winter wise with woman
wood word work world would write year yellow you young your`.split(/\s+/);

const SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
const LETTERS = [..."abcdefghijklmnopqrstuvwxyz0123456789"];
const MARKS = [...".,;:!?'\"()-"];

/** All tokens, in the order of their numbers. */
const VOCABULARY = [
  ...SPECIAL,
  ...MARKS,
  ...LETTERS,
  ...LETTERS.map((letter) => `##${letter}`),
  ...["##ed", "##er", "##ing", "##ly", "##es", "##ness"],
  ...WORDS.filter((word) => word.length > 1),
];

const SIZES: EncoderSizes = {
  vocab_size: VOCABULARY.length,
  hidden_size: 64,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  intermediate_size: 256,
  max_position_embeddings: 128,
  type_vocab_size: 2,
};

const [CLS, SEP] = [2, 3];

function tokenizer() {
  const special = (content: string, id: number) => ({
    ...{ id, content, single_word: false, lstrip: false, rstrip: false },
    ...{ normalized: false, special: true },
  });
  const token = (id: string, type_id: number) => ({ SpecialToken: { id, type_id } });
  const sequence = (id: string, type_id: number) => ({ Sequence: { id, type_id } });
  const single = [token("[CLS]", 0), sequence("A", 0), token("[SEP]", 0)];
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: SPECIAL.map(special),
    normalizer: {
      ...{ type: "BertNormalizer", clean_text: true, handle_chinese_chars: true },
      ...{ strip_accents: null, lowercase: true },
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: {
      type: "TemplateProcessing",
      single,
      pair: [...single, sequence("B", 1), token("[SEP]", 1)],
      special_tokens: {
        "[CLS]": { id: "[CLS]", ids: [CLS], tokens: ["[CLS]"] },
        "[SEP]": { id: "[SEP]", ids: [SEP], tokens: ["[SEP]"] },
      },
    },
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: {
      type: "WordPiece",
      unk_token: "[UNK]",
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(VOCABULARY.map((word, id) => [word, id])),
    },
  };
}

const TOKENIZER_CONFIG = {
  tokenizer_class: "BertTokenizer",
  do_lower_case: true,
  model_max_length: SIZES.max_position_embeddings,
  ...{ pad_token: "[PAD]", unk_token: "[UNK]", cls_token: "[CLS]" },
  ...{ sep_token: "[SEP]", mask_token: "[MASK]" },
};

const CONFIG = {
  model_type: "bert",
  architectures: ["BertModel"],
  ...SIZES,
  hidden_act: "gelu",
  layer_norm_eps: 1e-12,
  pad_token_id: 0,
  initializer_range: 0.02,
  position_embedding_type: "absolute",
};

/** Options of {@linkcode writeTextEncoder}. */
export interface TextEncoderOptions {
  /** Where weights are drawn from; 1 by default. */
  readonly seed?: number;
  /** Whether large constants go into a file of their own; not by default. */
  readonly externalData?: boolean;
}

/** The encoder of a seed. */
export function textEncoder(seed = 1): SentenceEncoder {
  return new SentenceEncoder(SIZES, seed);
}

/**
 * Writes an encoder's `config.json`, `tokenizer.json`, `tokenizer_config.json` and `onnx/model.onnx` into a folder,
 * which is made.
 */
export async function writeTextEncoder(
  folder: string,
  { seed, externalData }: TextEncoderOptions = {},
): Promise<void> {
  await Deno.mkdir(`${folder}/onnx`, { recursive: true });
  const files = {
    "config.json": CONFIG,
    "tokenizer.json": tokenizer(),
    "tokenizer_config.json": TOKENIZER_CONFIG,
  };
  for (const [name, content] of Object.entries(files)) {
    await Deno.writeTextFile(`${folder}/${name}`, `${JSON.stringify(content, null, 2)}\n`);
  }
  const model = await encoderModel(textEncoder(seed));
  await saveOnnx(model, `${folder}/onnx/model.onnx`, { force: true, externalData });
}

/** Sentences to try an encoder with. */
export const SENTENCES: readonly string[] = [
  "The small boat sails over the blue sea.",
  "A child reads a book in the garden.",
  "Winter is cold, and the lake turns to ice.",
  "My sister learns the language of the village.",
  "What did the teacher say about the model?",
  "Rain falls on the green field all night.",
  "The old bridge leads to a castle of stone.",
  "We walk home together under a bright moon.",
];
