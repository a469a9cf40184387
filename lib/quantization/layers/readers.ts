/**
 * Whether the output of a layer is worth bytes: who reads it, as far as the model tells.
 *
 * @module
 */
import { AdaptiveMaxPool2d } from "../../nn/adaptive_max_pool2d.ts";
import { Dropout } from "../../nn/dropout.ts";
import { Flatten } from "../../nn/flatten.ts";
import { Identity } from "../../nn/identity.ts";
import { MaxPool1d } from "../../nn/max_pool1d.ts";
import { MaxPool2d } from "../../nn/max_pool2d.ts";
import type { Module } from "../../nn/module.ts";
import { type Reader, readersIn } from "../../nn/readers.ts";
import { ReLU } from "../../nn/relu.ts";
import { Unflatten } from "../../nn/unflatten.ts";

/** Layers that give the bytes that they get, in another order or some of them. */
const PASSING: readonly unknown[] = [
  ...[AdaptiveMaxPool2d, Dropout, Flatten, Identity, MaxPool1d, MaxPool2d, ReLU, Unflatten],
];

/** A module that is no layer of these but passes bytes on too, such as a node of a graph that moves elements. */
interface Passing {
  readonly passesBytes: boolean;
}

/** Whether a module gives the bytes that it gets. */
export function passesBytes(module: Module): boolean {
  return PASSING.includes(module.constructor) ||
    (module as Module & Partial<Passing>).passesBytes === true;
}

/** What is known of who reads a layer's output. */
export interface OutputReaders {
  /** Whether one of them may take bytes; not if all compute in floats. */
  readonly takeBytes: boolean;
  /** Whether a ReLU is the only one. */
  readonly relu: boolean;
}

/** Looks at who reads the outputs in a model; `observed` says which layers will take bytes. */
export function outputReaders(
  model: Module,
  observed: ReadonlySet<Module>,
): (fullName: string) => OutputReaders {
  const readersOf = readersIn(model);
  const takes = (reader: Reader): boolean => {
    if (typeof reader === "string") return reader === "unknown";
    const { name, module } = reader;
    if (observed.has(module)) return true;
    if (passesBytes(module)) return readersOf(name).some(takes);
    return module.namedChildren().length > 0;
  };
  return (fullName) => {
    const readers = readersOf(fullName);
    const [first] = readers;
    const relu = readers.length === 1 && typeof first !== "string" &&
      first.module.constructor === ReLU;
    return { takeBytes: readers.some(takes), relu };
  };
}
