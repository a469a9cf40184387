/**
 * What modules between two layers leave of a change of channels.
 *
 * @module
 */
import { AdaptiveAvgPool1d } from "../../nn/adaptive_avg_pool1d.ts";
import { AdaptiveAvgPool2d } from "../../nn/adaptive_avg_pool2d.ts";
import { AdaptiveMaxPool2d } from "../../nn/adaptive_max_pool2d.ts";
import { AvgPool1d } from "../../nn/avg_pool1d.ts";
import { AvgPool2d } from "../../nn/avg_pool2d.ts";
import { Dropout } from "../../nn/dropout.ts";
import { Flatten } from "../../nn/flatten.ts";
import { Identity } from "../../nn/identity.ts";
import { LeakyReLU } from "../../nn/leaky_relu.ts";
import { MaxPool1d } from "../../nn/max_pool1d.ts";
import { MaxPool2d } from "../../nn/max_pool2d.ts";
import type { Module } from "../../nn/module.ts";
import { PReLU } from "../../nn/prelu.ts";
import { ReLU } from "../../nn/relu.ts";

/** Modules that give as much less as they get, and as many times more, channel by channel; padding aside, which is checked. */
const LINEAR: readonly unknown[] = [
  ...[Dropout, Flatten, Identity, MaxPool1d, MaxPool2d, AdaptiveMaxPool2d],
  ...[AvgPool1d, AvgPool2d, AdaptiveAvgPool1d, AdaptiveAvgPool2d],
];

/** Whether a module gives as much less as it gets. */
export const passesShifts = ({ constructor }: Module): boolean => LINEAR.includes(constructor);

/** Whether a module gives as many times more as it gets, and does the same to all channels. */
export const passesCopies = (module: Module): boolean =>
  passesShifts(module) || [ReLU, LeakyReLU].includes(module.constructor as typeof ReLU);

/** Whether a module gives as many times more as it gets. */
export const passesFactors = (module: Module): boolean =>
  passesCopies(module) || module.constructor === PReLU;
