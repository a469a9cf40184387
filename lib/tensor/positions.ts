/**
 * The numbers from 0 on, which masks compare.
 *
 * @module
 */
import type { Backend } from "../backend/backend.ts";
import { int32 } from "../numbers/dtype.ts";
import { Tensor } from "./tensor.ts";

/** For each backend lists whose lengths are powers of two. */
const known = new WeakMap<Backend, Map<number, Tensor>>();

/**
 * 0, 1, …, length − 1 in int32, as a tensor of the given shape that is no one's to free. It shares a longer list
 * with others, so that lengths which grow by one bring no new list each: operations may read it, `data()` not.
 */
export function positions(backend: Backend, shape: readonly number[], length: number): Tensor {
  let lists = known.get(backend);
  if (!lists) known.set(backend, lists = new Map());
  const capacity = 2 ** Math.ceil(Math.log2(Math.max(length, 16)));
  let list = lists.get(capacity);
  if (!list) {
    const numbers = Int32Array.from({ length: capacity }, (_, i) => i);
    const buffer = backend.upload(new Uint8Array(numbers.buffer));
    lists.set(capacity, list = new Tensor(backend, buffer, [capacity], int32).keep());
  }
  return new Tensor(backend, list, shape, int32);
}
