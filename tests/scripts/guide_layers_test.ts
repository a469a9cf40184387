/** The guide says of every layer what quantizing makes of it, and that is so. */
import { assertEquals } from "@std/assert";
import * as layers from "../../lib/nn/layers.ts";
import { Module } from "../../mod.ts";
import { functionKindOf } from "../../lib/quantization/layers/function_kind.ts";
import { isObservable } from "../../lib/quantization/layers/layer_family.ts";
import "../../lib/quantization/layers/layer_kinds.ts";
import { passesBytes } from "../../lib/quantization/layers/readers.ts";

/** What layers are derived from. */
const BASES = [
  ...["AdaptivePool", "BatchNorm", "ChannelNorm", "Convolution", "InstanceNorm", "Pool"],
  ...["Recurrent", "TransposedConvolution"],
];

/** What constructors must be told; nothing by default. */
const ARGUMENTS: Readonly<Record<string, readonly unknown[]>> = {
  ...sized([2, 2, 2], "Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d"),
  ...sized(
    [2, 2],
    "Embedding GroupNorm GRU Linear LSTM MultiheadAttention TransformerEncoderLayer",
  ),
  ...sized([2], "AvgPool1d AvgPool2d MaxPool1d MaxPool2d AdaptiveAvgPool1d AdaptiveAvgPool2d"),
  ...sized(
    [2],
    "AdaptiveMaxPool2d BatchNorm1d BatchNorm2d InstanceNorm1d InstanceNorm2d LayerNorm",
  ),
  ...sized([2], "RMSNorm AddScalar MulScalar Cat Softmax LogSoftmax"),
  TransformerEncoder: [new layers.TransformerEncoderLayer(2, 2), 1],
  Unflatten: [1, [2, 2]],
  Upsample: [{ scaleFactor: 2 }],
};

function sized(sizes: readonly number[], names: string): Record<string, readonly number[]> {
  return Object.fromEntries(names.split(" ").map((name) => [name, sizes]));
}

/** A layer of a class. */
function made(name: string): Module {
  const type = layers[name as "Linear"] as unknown as new (...args: unknown[]) => Module;
  return new type(...ARGUMENTS[name] ?? []);
}

/** What quantizing makes of a layer, as a row of the table. */
function rowOf(layer: Module): number {
  if (isObservable(layer)) return 0;
  if (functionKindOf(layer)) return 1;
  if (passesBytes(layer)) return 2;
  return layer.namedModules().some(([, child]) => isObservable(child)) ? 3 : 4;
}

Deno.test("the guide says which layers become integers", async () => {
  const guide = await Deno.readTextFile(new URL("../../docs/guide.md", import.meta.url));
  const [, section] = guide.split("## Which layers become integers");
  const rows = section.split("\n## ")[0].split("\n").filter((line) => line.startsWith("| `"));
  const told = rows.flatMap((line, row) =>
    [...line.split("|")[1].matchAll(/`(\w+)`/g)].map(([, name]) => [name, row])
  );
  const names = Object.entries(layers)
    .filter(([name, value]) => value.prototype instanceof Module && !BASES.includes(name))
    .map(([name]) => name);
  const found = names.map((name) => [name, rowOf(made(name))]);
  assertEquals(Object.fromEntries(told), Object.fromEntries(found));
  assertEquals(told.length, found.length);
});
