/**
 * What the observers in a model have seen, in a file: to go on later, or to share a calibration out.
 *
 * @module
 */
import type { Device } from "../../backend/backend.ts";
import { getDefaultDevice } from "../../backend/registry.ts";
import { checkShard, type Shard, showShard } from "../../data/shard.ts";
import {
  parseSafetensors,
  type SafetensorsEntry,
  SafetensorsError,
  serializeSafetensors,
} from "../../files/safetensors.ts";
import { checksumOf } from "../../files/safetensors_checksum.ts";
import { hex, sha256 } from "../../files/sha256.ts";
import { VERSION } from "../../files/version.ts";
import type { Module } from "../../nn/module.ts";
import { StateError } from "../../nn/state_error.ts";
import { checkOptions } from "../../numbers/arguments.ts";
import { printable } from "../../numbers/printable.ts";
import { AffineQuantizedObserverBase } from "../observers/observer.ts";
import { describe, RangeObserver, type SavedRange } from "../observers/range_observer.ts";

/** What the file's header calls it. */
const KIND = "staticquant module calibration";

/** Options of {@linkcode saveCalibration}. */
export interface SaveModuleOptions {
  /** The share of the batches that the model has seen, for merging to tell what is missing or comes twice. */
  shard?: Shard;
}

/** Options of {@linkcode mergeCalibration_}. */
export interface MergeModuleOptions {
  /** Whether shards may be missing; not by default. */
  partial?: boolean;
}

/** A file, once it was checked. */
interface Saved {
  readonly shard: Shard | undefined;
  readonly digest: string;
  readonly observers: ReadonlyMap<string, SavedRange>;
}

/** The observers of a model that keep a state, by full name. */
function observersOf(where: string, model: Module): Map<string, RangeObserver> {
  const observers = new Map<string, RangeObserver>();
  for (const [name, module] of model.namedModules()) {
    if (!(module instanceof AffineQuantizedObserverBase)) continue;
    if (module instanceof RangeObserver) observers.set(name, module);
    // It says itself why it has no state.
    else module.stateDict();
  }
  if (observers.size > 0) return observers;
  throw new StateError(
    `${where}: the model has no observers; give it some with insertObservers_(model, …) first`,
  );
}

/** What the weights of a model are, in a few digits. */
async function digestOf(model: Module): Promise<string> {
  const parts: Uint8Array[] = [];
  for (const [name, tensor] of Object.entries(model.stateDict())) {
    const text = JSON.stringify([name, tensor.dtype.name, tensor.shape]);
    parts.push(new TextEncoder().encode(text), await tensor.bytes());
  }
  return hex(await sha256(parts));
}

/** The device of a model's weights. */
function deviceOf(model: Module): Device {
  return Object.values(model.stateDict())[0]?.device ?? getDefaultDevice();
}

/**
 * What the observers in a model have seen, as the bytes of a safetensors file. Waits. The header names the model (by
 * its weights), the version of this library, and the shard.
 *
 * @param model with observers, such as `insertObservers_` puts in.
 * @param options the shard.
 * @throws {StateError} if it has none.
 * @throws {Error} if one keeps no state that can be saved.
 *
 * @example
 * ```ts
 * import {
 *   AffineQuantizedMinMaxObserver, insertObservers_, Linear, loadCalibration_, MappingType, PerTensor, randn,
 *   saveCalibration, Sequential, uint8,
 * } from "@staticquant/staticquant";
 * const model = new Sequential({ fc: new Linear(8, 4) });
 * const observer = new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, {
 *   granularity: new PerTensor(),
 * });
 * insertObservers_(model, observer, observer);
 * model.forward(randn([2, 8]));
 * const file = await saveCalibration(model);
 * await loadCalibration_(model, file); // where it stopped
 * ```
 */
export async function saveCalibration(
  model: Module,
  options: SaveModuleOptions = {},
): Promise<Uint8Array> {
  const where = "saveCalibration";
  checkOptions(where, options, ["shard"]);
  const { shard } = options;
  if (shard) checkShard(where, shard);
  const entries: [string, SafetensorsEntry][] = [];
  for (const [name, observer] of observersOf(where, model)) {
    const saved = await observer.saved();
    const text = describe(saved);
    entries.push([`${name}/description`, { dtype: "U8", shape: [text.length], bytes: text }]);
    if (!saved.words) continue;
    const { buffer, byteOffset, byteLength, length } = saved.words;
    const bytes = new Uint8Array(buffer, byteOffset, byteLength);
    entries.push([`${name}/state`, { dtype: "I32", shape: [length], bytes }]);
  }
  const metadata: Record<string, string> = {
    kind: KIND,
    library: VERSION,
    model: await digestOf(model),
    ...shard ? { shard: `${shard.index}/${shard.of}` } : {},
  };
  return serializeSafetensors(entries, { ...metadata, checksum: checksumOf(metadata, entries) });
}

/** A file, checked as a whole. */
async function parse(
  where: string,
  file: Uint8Array,
  observers: ReadonlyMap<string, RangeObserver>,
  model: string,
): Promise<Saved> {
  const fail = (why: string): never => {
    throw new StateError(`${where}: ${why}; nothing was taken over`);
  };
  let parsed;
  try {
    parsed = parseSafetensors(file);
  } catch (error) {
    if (!(error instanceof SafetensorsError)) throw error;
    throw new SafetensorsError(`${where}: ${error.message}`, { cause: error });
  }
  const { tensors, metadata } = parsed;
  if (metadata.kind !== KIND) fail("this is no file of saveCalibration");
  if (metadata.library !== VERSION) {
    fail(`it is of version ${printable((metadata.library ?? "").slice(0, 40))}, not ${VERSION}`);
  }
  if (metadata.model !== model) fail("it is of a model with other weights");
  if (metadata.checksum !== checksumOf(metadata, tensors)) {
    fail("the file was altered or damaged, for its checksum is another");
  }
  const [, index, of] = /^(\d{1,10})\/(\d{1,10})$/.exec(metadata.shard ?? "") ?? [];
  const shard = index === undefined ? undefined : { index: Number(index), of: Number(of) };
  if (metadata.shard !== undefined) checkShard(where, shard ?? { index: NaN, of: NaN });
  const own = new Map<string, SavedRange>();
  for (const [name, observer] of observers) {
    const [description, state] = ["description", "state"].map((key) =>
      tensors.get(`${name}/${key}`)
    );
    if (!description || state && state.dtype !== "I32") {
      return fail(`it has no observer ${JSON.stringify(name)}, or that is damaged`);
    }
    const words = state && new Uint32Array(state.bytes.slice().buffer);
    try {
      own.set(name, observer.parseSaved(description.bytes, words));
    } catch (error) {
      if (!(error instanceof StateError)) throw error;
      fail(`the observer ${JSON.stringify(name)}: ${error.message}`);
    }
    for (const key of ["description", "state"]) tensors.delete(`${name}/${key}`);
  }
  for (const name of tensors.keys()) {
    fail(`${JSON.stringify(printable(name.slice(0, 80)))} is of no observer here`);
  }
  return { shard, digest: hex(await sha256([file])), observers: own };
}

/**
 * Takes over what {@linkcode saveCalibration} gave, in place of what the observers have seen. If it fails, nothing is
 * taken over. Waits.
 *
 * @param model as it was when it was saved.
 * @param file the bytes.
 * @throws {StateError | SafetensorsError} if it is damaged, or of a model with other weights or observers.
 *
 * @example
 * ```ts
 * import {
 *   AffineQuantizedMinMaxObserver, insertObservers_, Linear, loadCalibration_, MappingType, PerTensor, randn,
 *   saveCalibration, Sequential, uint8,
 * } from "@staticquant/staticquant";
 * const model = new Sequential({ fc: new Linear(8, 4) });
 * const observer = new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, {
 *   granularity: new PerTensor(),
 * });
 * insertObservers_(model, observer, observer);
 * model.forward(randn([2, 8]));
 * await loadCalibration_(model, await saveCalibration(model));
 * ```
 */
export async function loadCalibration_(model: Module, file: Uint8Array): Promise<void> {
  const where = "loadCalibration_";
  const observers = observersOf(where, model);
  const { observers: saved } = await parse(where, file, observers, await digestOf(model));
  const device = deviceOf(model);
  for (const [name, observer] of observers) observer.takeSaved(saved.get(name)!, device);
}

/**
 * Takes in what other processes have seen with the same model, beside what its own observers have: the same bits in
 * any order. A part that is given twice counts once. If it fails, nothing is taken in. Waits.
 *
 * @param model with observers.
 * @param parts what {@linkcode saveCalibration} gave.
 * @throws {StateError | SafetensorsError} if one is damaged, or of a model with other weights or observers, or shards
 * are missing or come with different contents.
 *
 * @example
 * ```ts
 * import {
 *   AffineQuantizedMinMaxObserver, deepcopy, insertObservers_, Linear, MappingType, mergeCalibration_, PerTensor,
 *   randn, saveCalibration, Sequential, uint8,
 * } from "@staticquant/staticquant";
 * const model = new Sequential({ fc: new Linear(8, 4) });
 * const observer = new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, {
 *   granularity: new PerTensor(),
 * });
 * insertObservers_(model, observer, observer);
 * const parts = await Promise.all([0, 1].map(async (index) => {
 *   const worker = deepcopy(model); // on another machine
 *   worker.forward(randn([2, 8]));
 *   return await saveCalibration(worker, { shard: { index, of: 2 } });
 * }));
 * await mergeCalibration_(model, parts);
 * ```
 */
export async function mergeCalibration_(
  model: Module,
  parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  options: MergeModuleOptions = {},
): Promise<void> {
  const where = "mergeCalibration_";
  checkOptions(where, options, ["partial"]);
  const observers = observersOf(where, model);
  const digest = await digestOf(model);
  const all = new Map<string, SavedRange>();
  for (const [name, observer] of observers) all.set(name, await observer.saved());
  const known = new Map<string, string>();
  let of: number | undefined;
  let number = 0;
  for await (const file of parts) {
    const whose = `${where}: part ${number++}`;
    const part = await parse(whose, file, observers, digest);
    const { shard } = part;
    if (number > 1 && shard?.of !== of) {
      throw new StateError(`${whose} is of other shards than those before; nothing was taken over`);
    }
    of = shard?.of;
    const key = shard ? showShard(shard) : part.digest;
    if (known.has(key) && known.get(key) !== part.digest) {
      throw new StateError(
        `${whose} is ${key}, but that was given already, with other contents; nothing was taken over`,
      );
    }
    if (known.has(key)) continue;
    known.set(key, part.digest);
    for (const [name, observer] of observers) {
      const fail = (why: string): never => {
        throw new StateError(`${whose}: ${JSON.stringify(name)}: ${why}; nothing was taken over`);
      };
      all.set(name, observer.mergeSaved(all.get(name)!, part.observers.get(name)!, fail));
    }
  }
  if (!options.partial) checkAll(where, of, known);
  const device = deviceOf(model);
  for (const [name, observer] of observers) observer.takeSaved(all.get(name)!, device);
}

/** @throws {StateError} if shards are missing. */
function checkAll(where: string, of: number | undefined, known: ReadonlyMap<string, string>): void {
  if (known.size === 0) throw new StateError(`${where}: there is no part; give at least one`);
  if (of === undefined || known.size === of) return;
  const missing: number[] = [];
  for (let index = 0; index < of && missing.length < 20; index++) {
    if (!known.has(showShard({ index, of }))) missing.push(index);
  }
  throw new StateError(
    `${where}: of ${of} shards ${of - known.size} are missing: ${
      missing.join(", ")
    }; nothing was taken over`,
  );
}
