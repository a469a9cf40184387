/**
 * A walk by strides as what it was made by: slices, dimensions in another order, and repeated ones.
 *
 * @module
 */
import type { StridedArgs } from "../../backend/backend.ts";
import { contiguousStrides } from "../../backend/strides.ts";
import { sameShape } from "../../numbers/shape.ts";
import { type Input, ints, type Nodes } from "./nodes.ts";

/** A dimension of the input, as the walk goes through it. */
interface Part {
  /** Elements, before it is sliced. */
  readonly size: number;
  /** How far apart neighbours lie. */
  readonly stride: number;
  /** The dimension of the result that goes along it, and how many steps that takes at once. */
  along?: { readonly dim: number; readonly step: number };
}

/** The dimensions of the result that go along each dimension of the input, those of the widest strides first. */
function walkers(
  shape: readonly number[],
  { shape: sizes, strides }: StridedArgs,
): number[][] | undefined {
  const own = contiguousStrides(shape);
  const found: number[][] = shape.map(() => []);
  for (const [dim, size] of sizes.entries()) {
    const stride = Math.abs(strides[dim]);
    if (size === 1 || stride === 0) continue;
    const d = own.findIndex((step, d) => shape[d] > 1 && step <= stride);
    if (d < 0 || stride % own[d] !== 0 || (size - 1) * stride >= shape[d] * own[d]) {
      return undefined;
    }
    found[d].push(dim);
  }
  return found.map((dims) => dims.sort((a, b) => Math.abs(strides[b]) - Math.abs(strides[a])));
}

/** A dimension of the input, cut where several of the result go along it. */
function cut(
  size: number,
  stride: number,
  dims: readonly number[],
  { strides }: StridedArgs,
): Part[] | undefined {
  if (dims.length === 0) return [{ size, stride }];
  const steps = dims.map((dim) => strides[dim] / stride);
  if (dims.length === 1) return [{ size, stride, along: { dim: dims[0], step: steps[0] } }];
  const units = steps.map(Math.abs);
  if (steps.some((step) => step < 0) || size % units[0] !== 0) return undefined;
  const parts: Part[] = [{
    size: size / units[0],
    stride: stride * units[0],
    along: { dim: dims[0], step: 1 },
  }];
  for (let i = 1; i < dims.length; i++) {
    if (units[i - 1] % units[i] !== 0) return undefined;
    parts.push({
      size: units[i - 1] / units[i],
      stride: stride * units[i],
      along: { dim: dims[i], step: 1 },
    });
  }
  const last = units.at(-1)!;
  if (last > 1) parts.push({ size: last, stride });
  return parts;
}

/** Where a walk begins in each part. */
function starts(parts: readonly Part[], offset: number): number[] {
  let rest = offset;
  return parts.map(({ stride }) => {
    const start = Math.floor(rest / stride);
    rest -= start * stride;
    return start;
  });
}

/** Adds slices of the parts that are not gone through from their first to their last element. */
function sliced(nodes: Nodes, x: Input, parts: readonly Part[], args: StridedArgs): Input {
  const from = starts(parts, args.offset);
  const slices = parts.flatMap(({ size, along }, axis) => {
    const { dim, step } = along ?? { dim: -1, step: 1 };
    const count = along ? args.shape[dim] : 1;
    if (from[axis] === 0 && step === 1 && count === size) return [];
    const end = from[axis] + step * count;
    // Before the first element is written as the least integer: −1 is the last one.
    return [{ axis, start: from[axis], end: end < 0 ? -(2 ** 31) : end, step }];
  });
  if (slices.length === 0) return x;
  const columns = (["start", "end", "axis", "step"] as const)
    .map((key) => ints(slices.map((slice) => slice[key])));
  return nodes.add("Slice", [x, ...columns]);
}

/**
 * Adds what gives the elements of a contiguous input that lie at strides.
 *
 * @throws {TypeError} if they are no such elements.
 */
export function stridedNodes(
  nodes: Nodes,
  x: Input,
  shape: readonly number[],
  args: StridedArgs,
): Input {
  const dims = walkers(shape, args);
  const own = contiguousStrides(shape);
  const cuts = dims?.map((along, d) => cut(shape[d], own[d], along, args));
  if (!cuts || cuts.some((parts) => !parts)) {
    throw new TypeError(
      `it walks a tensor of shape (${shape.join(", ")}) by strides (${
        args.strides.join(", ")
      }), which has no ` +
        `ONNX form here; use slice, permute and expand`,
    );
  }
  const parts = cuts.flatMap((parts) => parts!);
  const sizes = parts.map(({ size }) => size);
  let y = sameShape(sizes, shape) ? x : nodes.reshape(x, sizes);
  y = sliced(nodes, y, parts, args);
  const walked = parts.flatMap(({ along }, part) => along ? [{ ...along, part }] : []);
  const inOrder = walked.toSorted((a, b) => a.dim - b.dim).map(({ part }) => part);
  const rest = parts.flatMap(({ along }, part) => along ? [] : [part]);
  // Dimensions of one element may stand anywhere: those that stay where they are cost nothing.
  const perm = inOrder.every((part, i) => i === 0 || part > inOrder[i - 1])
    ? parts.map((_, part) => part)
    : [...inOrder, ...rest];
  if (perm.some((part, i) => part !== i)) {
    y = nodes.add("Transpose", [y], { perm: { ints: perm } });
  }
  const left = perm.map((part) => parts[part].along ? args.shape[parts[part].along!.dim] : 1);
  const repeated = args.shape.map((size, d) => size > 1 && args.strides[d] === 0 ? 1 : size);
  if (!sameShape(left, repeated)) y = nodes.reshape(y, repeated);
  if (sameShape(repeated, args.shape)) return y;
  // A size of 1 leaves the input's as it is.
  const times = args.shape.map((size, d) => size === repeated[d] ? 1 : size);
  return nodes.add("Expand", [y, ints(times)]);
}
