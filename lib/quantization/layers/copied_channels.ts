/**
 * Layers that have some channels once more, so that they have more of them than those that they were made from.
 *
 * @module
 */
import { type Module, setField } from "../../nn/module.ts";

/** How many channels more a module has, which lie behind all others. */
export interface CopiedChannels {
  /** Channels of its input. */
  readonly inputs: number;
  /** Channels of its output. */
  readonly outputs: number;
}

/** The field of a module that has them. */
export const COPIED = "copiedChannels";

/** The fields of modules that count channels. */
const SIZES = {
  inputs: ["inFeatures", "inChannels"],
  outputs: ["outFeatures", "outChannels", "numFeatures"],
} as const;

const NONE: CopiedChannels = { inputs: 0, outputs: 0 };

/** How many channels more a module has than the one that it was made from. */
export function copiedChannels(module: Module): CopiedChannels {
  return (module as { [COPIED]?: CopiedChannels })[COPIED] ?? NONE;
}

/** Takes note of that in a module that was made of another. */
export function keepCopied<M extends Module>(module: M, from: Module): M {
  const copied = copiedChannels(from);
  if (copied !== NONE) setField(module, COPIED, copied);
  return module;
}

/** The fields that count the channels of a float module, with so many more. */
export function sizesWith(module: Module, more: CopiedChannels): [field: string, value: unknown][] {
  const { inputs, outputs } = copiedChannels(module);
  const sizes = (["inputs", "outputs"] as const).flatMap((side) =>
    SIZES[side].flatMap((field): [string, unknown][] => {
      const size = (module as unknown as Record<string, unknown>)[field];
      return typeof size === "number" ? [[field, size + more[side]]] : [];
    })
  );
  const copied = { inputs: inputs + more.inputs, outputs: outputs + more.outputs };
  return [...sizes, [COPIED, copied]];
}

/** The shape of a layer's or a normalization's tensor, output channels first, with so many more of them. */
export function shapeWith(
  shape: readonly number[],
  { inputs, outputs }: CopiedChannels,
): readonly number[] {
  const more = shape.length > 1 ? [outputs, inputs] : [outputs];
  return shape.map((size, i) => size + (more[i] ?? 0));
}
