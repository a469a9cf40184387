/**
 * Giving back the memory of a model that was written.
 *
 * @module
 */
import type { OnnxModel } from "../file/model.ts";
import { walkGraphs } from "../file/subgraphs.ts";

/** Bytes of a constant that are worth it. */
const LARGE = 1 << 16;

/** The arrays that large constants of a model are all of. */
function buffersOf({ graph }: OnnxModel): Set<ArrayBufferLike> {
  const bytes = [...walkGraphs(graph)].flatMap(({ initializer }) =>
    initializer.map(({ rawData }) => rawData)
  );
  return new Set(
    bytes.filter((raw) => raw.length >= LARGE && raw.length === raw.buffer.byteLength)
      .map(({ buffer }) => buffer),
  );
}

/**
 * Gives the memory of a model's large constants back now, not when the garbage collector finds them; the model is of no
 * use then.
 *
 * @param source what it was made of, which keeps its own.
 */
export function release(model: OnnxModel, source: OnnxModel): void {
  for (const buffer of buffersOf(model).difference(buffersOf(source))) {
    (buffer as ArrayBuffer).transfer(0);
  }
}
