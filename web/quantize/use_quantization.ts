/**
 * The state of the first tab, and what can be done with it.
 *
 * @module
 */
import { useRef, useState } from "preact/hooks";
import type { OnnxInspection } from "../../lib/onnx/inspect/inspect_onnx.ts";
import { Cancelled, WorkerClient } from "../worker/client.ts";
import type {
  Calls,
  CompareOutcome,
  ModelFiles,
  Progress,
  QuantizeOutcome,
  RankOutcome,
  SeenValues,
} from "../worker/protocol.ts";
import { type Example, fetchExample } from "./examples.ts";
import { DEFAULTS, type Form, settingsOf } from "./form.ts";

/** A model that was given, and what became of looking into it. */
export interface ModelState {
  readonly name: string;
  readonly files?: ModelFiles;
  readonly inspection?: OnnxInspection;
  readonly error?: Error;
}

/** All that a run gave so far. */
export interface ResultState {
  readonly model: string;
  readonly data: string;
  /** What the run was asked for. */
  readonly form: Form;
  readonly samples: readonly File[];
  readonly heldOut: readonly File[];
  readonly outcome: QuantizeOutcome;
  readonly compared?: CompareOutcome;
  readonly seen?: readonly SeenValues[];
  readonly ranking?: RankOutcome;
}

/** What is going on in the worker. */
export interface RunState {
  readonly progress: Progress;
  readonly cancel: () => void;
}

const worker = new WorkerClient();

/** Files as the library reads a folder: in the order of their names. */
const sorted = (files: readonly File[]) =>
  files.toSorted((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0);

const isModel = ({ name }: File) => /\.onnx$/i.test(name);

/**
 * Which of the files that were given is the model; the others are its data. Data alone are for the model that could
 * not be opened without them.
 */
function modelFiles(given: readonly File[], before: ModelState | undefined): ModelFiles {
  const model = given.find(isModel);
  if (!model && before?.error && before.files && isModel(before.files.model)) {
    return { model: before.files.model, data: [...before.files.data, ...given] };
  }
  const first = model ?? given[0];
  return { model: first, data: given.filter((file) => file !== first) };
}

/** The state of the tab. */
export function useQuantization() {
  const [model, setModel] = useState<ModelState>();
  const [samples, setSamples] = useState<readonly File[]>([]);
  const [heldOut, setHeldOut] = useState<readonly File[]>([]);
  const [form, setForm] = useState<Form>(DEFAULTS);
  const [run, setRun] = useState<RunState>();
  const [result, setResult] = useState<ResultState>();
  const [error, setError] = useState<Error>();
  /** Counts models, so that what is found out about one is not told of another. */
  const turn = useRef(0);

  const openModel = async (given: readonly File[]) => {
    const files = modelFiles(given, model);
    const { name } = files.model;
    const mine = ++turn.current;
    const tell = (state: ModelState) => mine === turn.current && setModel(state);
    setResult(undefined);
    setError(undefined);
    tell({ name });
    try {
      tell({ name, files, inspection: await worker.call("inspect", files) });
    } catch (error) {
      tell({ name, files, error: error as Error });
    }
  };

  const openExample = async (example: Example) => {
    setModel({ name: example.model });
    try {
      const { model, samples, heldOut, settings } = await fetchExample(example);
      setSamples(samples);
      setHeldOut(heldOut);
      setForm({ ...DEFAULTS, ...settings });
      await openModel([model]);
    } catch (error) {
      setModel({ name: example.model, error: error as Error });
    }
  };

  /** Does something in the worker with its progress in sight. What is cancelled gives nothing. */
  const working = async (
    work: (
      call: <Name extends keyof Calls>(
        name: Name,
        argument: Calls[Name]["argument"],
      ) => Promise<Calls[Name]["result"]>,
    ) => Promise<void>,
  ) => {
    const controller = new AbortController();
    const cancel = () => controller.abort();
    const onProgress = (progress: Progress) => setRun({ progress, cancel });
    onProgress({ step: "opening", done: 0 });
    setError(undefined);
    try {
      await work((name, argument) =>
        worker.call(name, argument, { signal: controller.signal, onProgress })
      );
    } catch (error) {
      setError(error as Error);
    } finally {
      setRun(undefined);
    }
  };

  const quantize = () =>
    working(async (call) => {
      setResult(undefined);
      const { read, settings } = settingsOf(form);
      const outcome = await call("quantize", {
        ...{ model: model!.files!, samples: sorted(samples), heldOut: sorted(heldOut) },
        ...{ read, settings },
      });
      const files = heldOut.length > 0 ? heldOut : samples;
      const first: ResultState = {
        model: model!.name,
        data: files.length === 1 ? files[0].name : `${files.length} files`,
        ...{ form, samples, heldOut, outcome },
      };
      setResult(first);
      const compared = await call("compare", null);
      setResult({ ...first, compared });
      const seen = await call("distributions", null);
      setResult({ ...first, compared, seen });
    });

  const rank = () =>
    working(async (call) => {
      const ranking = await call("rank", null);
      setResult((before) => before && { ...before, ranking });
    });

  return {
    ...{ model, samples, heldOut, form, run, result, error },
    ...{ openModel, openExample, setSamples, setHeldOut, setForm, quantize, rank },
    cancelled: error instanceof Cancelled,
  };
}

/** What {@linkcode useQuantization} gives. */
export type Quantization = ReturnType<typeof useQuantization>;
