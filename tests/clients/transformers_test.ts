/**
 * transformers.js loads the folders that `convertOnnx` writes, with nothing fetched from elsewhere. Needs every
 * permission: it installs the package into a folder of its own, and starts Node and Chromium.
 */
import { assert, assertEquals } from "@std/assert";
import { convertOnnx } from "../../mod.ts";
import { SENTENCES, writeTextEncoder } from "../../examples/support/text_encoder_folder.ts";
import {
  type ClientAnswers,
  cosine,
  inChromium,
  inNode,
  leastCosines,
  pipelinesFor,
} from "../../scripts/transformers_js.ts";

/** The least cosine of a sentence's embedding to the float one, of each form. */
const FLOORS: Readonly<Record<string, number>> = {
  fp32: 1 - 1e-9,
  fp16: 0.99999,
  q8: 0.9999,
  int8: 0.9999,
  uint8: 0.9999,
  static: 0.999,
  q4: 0.995,
  q4f16: 0.995,
  bnb4: 0.99,
};

/** A folder of folders with the small encoder in all forms. */
async function models(): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "clients-" });
  await writeTextEncoder(`${folder}/small`);
  const length = 24;
  const data = Array.from({ length: 8 }, (_, sample) => {
    const ids = Array.from({ length }, (_, i) => BigInt(5 + (31 * sample + 17 * i) % 300));
    const feed = (values: readonly bigint[]) => ({
      data: BigInt64Array.from(values),
      dims: [1, length],
    });
    return {
      input_ids: feed(ids),
      attention_mask: feed(ids.map(() => 1n)),
      token_type_ids: feed(ids.map(() => 0n)),
    };
  });
  const { files } = await convertOnnx(`${folder}/small`, { data });
  assertEquals(files.map(({ problem }) => problem), files.map(() => undefined));
  // The same with constants in files of their own, which pages fetch if the configuration says so.
  await convertOnnx(`${folder}/small/onnx/model.onnx`, {
    ...{ out: `${folder}/split`, dtypes: ["q8"], externalData: true },
  });
  return folder;
}

/** Whether all answers are as near to the float model's as they have to be. */
function check(answers: ClientAnswers, reference: readonly (readonly number[])[]): void {
  for (const [name, { problem }] of Object.entries(answers)) {
    assertEquals(problem, undefined, name);
  }
  for (const [name, least] of Object.entries(leastCosines(answers, reference))) {
    assert(least >= FLOORS[name], `${name}: ${least}`);
  }
}

Deno.test({
  name: "transformers.js loads every form in Node and in Chromium, and embeds as the float model",
  // Playwright keeps its driver for as long as the program lives.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    const folder = await models();
    try {
      const job = { models: folder, name: "small", texts: SENTENCES };
      const pipelines = pipelinesFor(Object.keys(FLOORS));
      const node = await inNode({ ...job, pipelines });
      const reference = node.fp32.embeddings;
      // Sentences differ by more than the forms may.
      assert(cosine(reference[0], reference[1]) < 0.99);
      check(node, reference);
      check(await inNode({ ...job, name: "split", pipelines: pipelinesFor(["q8"]) }), reference);
      check(await inChromium({ ...job, pipelines }), reference);
      const split = { ...job, name: "split", pipelines: pipelinesFor(["q8"]) };
      check(await inChromium(split), reference);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
