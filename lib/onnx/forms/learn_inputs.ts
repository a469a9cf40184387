/**
 * What layers read.
 *
 * @module
 */
import { ActivationReader } from "../calibration/activation_reader.ts";
import type { OnnxSamples } from "../calibration/calibrate.ts";
import { Learnt, type Statistics } from "../calibration/statistics/learnt.ts";
import type { StatisticKind } from "../../quantization/statistics/statistic.ts";
import type { OnnxModel } from "../file/model.ts";
import { OnnxError } from "../file/onnx_error.ts";
import { GraphFacts } from "../qdq/graph_facts.ts";
import { copyFeeds, type OnnxFeeds } from "../run/runtime.ts";

/** What to learn, and from what. */
export interface Learning<Kind extends StatisticKind> {
  /** Opens the errors. */
  readonly where: string;
  readonly model: OnnxModel;
  readonly kind: Kind;
  readonly samples: OnnxSamples;
  /** Ends the work after the sample that it is at. */
  readonly signal?: AbortSignal;
}

/** What was learnt. */
export interface LearntStatistics<Kind extends StatisticKind> {
  /** By the names of values. */
  readonly statistics: ReadonlyMap<string, Statistics[Kind]>;
  /** A copy of the first sample. */
  readonly first: OnnxFeeds;
}

/**
 * Runs samples and learns what the products with weights read.
 *
 * @throws {OnnxError} if there are no samples, or what was seen is not finite.
 */
export async function learnInputs<Kind extends StatisticKind>(
  { where, model, kind, samples, signal }: Learning<Kind>,
): Promise<LearntStatistics<Kind>> {
  const facts = new GraphFacts(model.graph);
  const read = model.graph.node.filter(({ opType }) => opType === "Gemm" || opType === "MatMul")
    .map(({ input }) => input[0]);
  const learnt = Learnt.of(facts, [kind], read);
  const { values } = learnt;
  await using reader = await ActivationReader.open(where, model, values, { rangesOnly: false });
  let count = 0;
  let first: OnnxFeeds | undefined;
  for await (const feeds of samples) {
    signal?.throwIfAborted();
    first ??= await copyFeeds(feeds);
    const seen = await reader.read(feeds);
    const odd = seen.findIndex(({ range }) => !range);
    if (odd >= 0) {
      throw new OnnxError(
        `${where}: ${
          JSON.stringify(values[odd])
        } holds a NaN or an infinity in sample ${count} (counted from 0); ` +
          `leave that sample out, or mend it`,
      );
    }
    learnt.observe(new Map(values.map((name, i) => [name, seen[i]])));
    reader.free(seen);
    count++;
  }
  if (!first) {
    throw new OnnxError(
      `${where}: there are no samples, and no inputs were found that the float model takes; give some as data`,
    );
  }
  return { statistics: learnt.get(kind)!, first };
}
