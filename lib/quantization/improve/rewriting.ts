/**
 * Rewriting the float model of a state: who makes what layers read, and whether the model computes what it did.
 *
 * @module
 */
import { BatchNorm } from "../../nn/batch_norm.ts";
import { deepcopy, Module, nameModules, setField } from "../../nn/module.ts";
import { Tensor, tidy } from "../../tensor/tensor.ts";
import { DataFlow } from "../analysis/graph.ts";
import type { Batch } from "../analysis/inputs.ts";
import { freeModule, tensorsOf } from "../analysis/layers.ts";
import { Noise } from "../analysis/noise.ts";
import { isFloatLayer } from "../layers/layer_family.ts";
import type { FloatLayer } from "../layers/weighted_layer.ts";
import { groupLayers } from "./absorbers.ts";
import type { ImprovedModule } from "./improved_module.ts";
import { layerRanges } from "./layer_ranges.ts";
import { type ModuleTools, outputsOf } from "./module_tools.ts";
import { roundingFloor } from "./tensor_edits.ts";

/** A module whose output can be rewritten, and all layers that read it, by full names. */
export interface Group {
  readonly absorber: string;
  readonly layers: readonly string[];
}

/**
 * The modules of a model whose output none but layers that are quantized read, in the order in which they are run.
 *
 * @param passes which modules are looked through.
 */
export function groupsIn(
  { float, options, ranges }: ImprovedModule,
  batch: Batch,
  passes: (module: Module) => boolean,
): Group[] {
  const names = options.layers.filter((name) => ranges.has(name));
  return watched(float, batch, passes, (modules, flow, output) => {
    const targets = names.map((name) => modules.get(name) as FloatLayer);
    const { groups } = groupLayers(targets, flow, output);
    return [...groups].map(([absorber, layers]) => ({
      absorber: absorber.fullName,
      layers: layers.map(({ fullName }) => fullName),
    }));
  });
}

/** The batch normalizations with statistics that alone read what a layer makes, by the layer's full name. */
export function normsBehind(float: Module, batch: Batch): Map<string, string> {
  return watched(float, batch, () => false, (modules, flow, output) => {
    const found = new Map<string, string>();
    for (const [name, norm] of modules) {
      if (!(norm instanceof BatchNorm) || !norm.running_mean) continue;
      const [layer, ...others] = flow.sources(norm);
      const alone = layer && others.length === 0 && isFloatLayer(layer) &&
        flow.readers(layer).size === 1 && !flow.writes(layer, output);
      if (alone) found.set(layer.fullName, name);
    }
    return found;
  });
}

/** Watches a copy of a model while it runs a batch. */
function watched<T>(
  float: Module,
  batch: Batch,
  passes: (module: Module) => boolean,
  look: (modules: ReadonlyMap<string, Module>, flow: DataFlow, output: Tensor) => T,
): T {
  const copy = deepcopy(float);
  try {
    nameModules(copy);
    const modules = new Map(copy.namedModules());
    using flow = new DataFlow(copy, passes);
    using output = tidy(() => copy.forward(...batch));
    return look(modules, flow, output);
  } finally {
    freeModule(copy);
  }
}

/** The tensors of what a field holds. */
function tensorsIn(value: unknown): Iterable<Tensor> {
  return value instanceof Tensor ? [value] : value instanceof Module ? tensorsOf(value) : [];
}

/** A field of a module, and what comes into it. */
export interface FieldEdit {
  readonly module: Module;
  readonly field: string;
  readonly value: unknown;
}

/** A copy of a float model that is rewritten, and checked against what it computed; freed unless a state is made of it. */
export class Rewriting implements Disposable {
  /** The copy. */
  readonly float: Module;
  /** Its modules, by full names. */
  readonly modules: ReadonlyMap<string, Module>;
  private readonly unused = new Set<Tensor>();
  private changed = false;
  private taken = false;

  private constructor(
    model: Module,
    private readonly batch: Batch,
    private readonly reference: Awaited<ReturnType<typeof outputsOf>>,
    private readonly floor: number,
  ) {
    this.float = deepcopy(model);
    nameModules(this.float);
    this.modules = new Map(this.float.namedModules());
  }

  /** A copy, with what the model makes of a batch. */
  static async of(model: Module, batch: Batch): Promise<Rewriting> {
    const [{ dtype }] = [...tensorsOf(model)].filter((t) => t.dtype.isFloat);
    return new Rewriting(model, batch, await outputsOf(model, batch), roundingFloor(dtype));
  }

  /** Sets fields; sets them back again if the model would compute something else. */
  async put(fields: readonly FieldEdit[]): Promise<boolean> {
    const old = fields.map(({ module, field }) =>
      (module as unknown as Record<string, unknown>)[field]
    );
    fields.forEach(({ module, field, value }) => setField(module, field, value));
    const outputs = await outputsOf(this.float, this.batch);
    const same = outputs.every(({ data }, k) => {
      const noise = new Noise();
      noise.add(this.reference[k].data, data);
      return noise.sqnr >= this.floor;
    });
    for (const [i, { module, field, value }] of fields.entries()) {
      const unused = same ? old[i] : value;
      if (!same) setField(module, field, old[i]);
      for (const t of tensorsIn(unused)) this.unused.add(t);
    }
    this.changed ||= same;
    return same;
  }

  /** A state with the copy in the place of its own float model; nothing if nothing was changed. */
  async applied(state: ImprovedModule, tools: ModuleTools): Promise<ImprovedModule | undefined> {
    if (!this.changed) return undefined;
    this.freeUnused();
    const after = await withFloat(state, this.float, tools);
    this.taken = true;
    return after;
  }

  private freeUnused(): void {
    const used = tensorsOf(this.float);
    this.unused.forEach((t) => used.has(t) || t.dispose());
    this.unused.clear();
  }

  /** Frees the copy, unless there is a state of it. */
  [Symbol.dispose](): void {
    if (this.taken) return;
    this.freeUnused();
    freeModule(this.float);
  }
}

/** The state with a float model in the place of its own: all that went by the numbers in that is learnt anew. */
async function withFloat(
  state: ImprovedModule,
  float: Module,
  tools: ModuleTools,
): Promise<ImprovedModule> {
  const none = new Map();
  const ranges = await tools.calibrate(float, state.options);
  const after = { ...state, float, ranges, weights: none, biases: none, norms: none };
  // Channels that all fill a range leave it more often, so the least and the greatest that were seen are too little.
  const own = await layerRanges(after, tools);
  return { ...after, ranges: new Map([...ranges, ...own]) };
}
