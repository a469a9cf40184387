/** Operations beside PyTorch's recorded answers, on both backends. */
import { assert, assertEquals } from "@std/assert";
import * as library from "../../mod.ts";
import { type Device, dtypes, Tensor, tensorFromBytes } from "../../mod.ts";
import { eachBackend, few } from "../backends.ts";
import { reference } from "./reference.ts";

/** A tensor by its recorded name, a number, or a list of such. */
type Recorded =
  | number
  | string
  | boolean
  | null
  | { tensor: string }
  | { number: string }
  | Recorded[];

interface Case {
  name: string;
  call: string;
  args: Recorded[];
  options: Record<string, unknown> | null;
  results: number;
  many: boolean;
  /** What answers may be off by beside their relative error. */
  atol: number;
}

const { cases, entry } = reference<Case>("torch-operations");
const FORMATS: Record<string, keyof typeof dtypes> = { F32: "float32", I32: "int32", BOOL: "bool" };

function load(name: string, device: Device): Tensor {
  const { dtype, shape, bytes } = entry(name);
  return tensorFromBytes(bytes, { shape, dtype: dtypes[FORMATS[dtype]], device });
}

function valueOf(recorded: Recorded, device: Device): unknown {
  if (Array.isArray(recorded)) return recorded.map((one) => valueOf(one, device));
  if (typeof recorded !== "object" || recorded === null) return recorded;
  return "tensor" in recorded ? load(recorded.tensor, device) : Number(recorded.number);
}

/** The greatest relative error that is allowed. */
const RELATIVE = 1e-5;
/** Below the least normal number a device may give zero. */
const LEAST = 2 ** -126;

/** Fails unless a tensor is, up to rounding, what was recorded. */
async function near(actual: Tensor, name: string, atol: number): Promise<void> {
  using expected = load(name, "cpu");
  assertEquals(actual.dtype.name, expected.dtype.name, `dtype of ${name}`);
  assertEquals([...actual.shape], [...expected.shape], `shape of ${name}`);
  const [a, e] = [await actual.data(), await expected.data()];
  e.forEach((value, i) => {
    const close = Object.is(a[i], value) || a[i] === value ||
      Math.abs(a[i] - value) <= Math.max(RELATIVE * Math.abs(value), atol, LEAST);
    assert(close, `${name}: element ${i} is ${a[i]}, the reference has ${value}`);
  });
}

const functions = new Map<string, (...args: unknown[]) => Tensor | Tensor[]>(
  Object.entries(library) as [string, () => Tensor][],
);

for (const call of new Set(cases.map((one) => one.call))) {
  eachBackend(`${call} gives what PyTorch gives`, async (device) => {
    const mine = cases.filter(({ name }) => name.startsWith(`${call}-`));
    for (const { name, args, options, results, many, atol } of few(mine, 3)) {
      const given = args.map((arg) => valueOf(arg, device));
      const result = functions.get(call)!(...given, ...(options ? [options] : []));
      assertEquals(Array.isArray(result), many, name);
      const parts = Array.isArray(result) ? result : [result];
      assertEquals(parts.length, results, `results of ${name}`);
      for (const [i, part] of parts.entries()) await near(part, `${name}.${i}`, atol);
      for (const tensor of [...given.flat(), ...parts]) {
        if (tensor instanceof Tensor) tensor.dispose();
      }
    }
  });
}
