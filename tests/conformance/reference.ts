/** Reading the recorded reference answers in tests/testdata. */
import { parseSafetensors, type SafetensorsEntry } from "../../lib/files/safetensors.ts";
import { type DType, dtypes } from "../../lib/numbers/dtype.ts";
import {
  type Device,
  PerAxis,
  PerBlock,
  PerRow,
  PerTensor,
  PerToken,
  type Tensor,
  tensorFromBytes,
} from "../../mod.ts";
import { type Granularity, PerGroup } from "../../mod.ts";
import { assertEquals } from "@std/assert";

const folder = new URL("../testdata/", import.meta.url);
const formatDtypes: Record<string, DType> = {
  F32: dtypes.float32,
  F16: dtypes.float16,
  BF16: dtypes.bfloat16,
  I32: dtypes.int32,
  I8: dtypes.int8,
  U8: dtypes.uint8,
  BOOL: dtypes.bool,
  F8_E4M3: dtypes.float8_e4m3fn,
  F8_E5M2: dtypes.float8_e5m2,
};

/** One recorded file: its cases and, under `<case>.<name>`, their tensors. */
export function reference<Case extends { name: string }>(file: string) {
  const { cases } = JSON.parse(Deno.readTextFileSync(new URL(`${file}.json`, folder)));
  const { tensors } = parseSafetensors(Deno.readFileSync(new URL(`${file}.safetensors`, folder)));
  const entry = (name: string): SafetensorsEntry => {
    const found = tensors.get(name);
    if (!found) throw new Error(`${file} has no tensor ${name}`);
    return found;
  };
  return {
    cases: cases as Case[],
    has: (name: string) => tensors.has(name),
    /** The names of all tensors, in the file's order. */
    names: [...tensors.keys()],
    entry,
    load(name: string, device: Device): Tensor {
      const { dtype, shape, bytes } = entry(name);
      return tensorFromBytes(bytes, { shape, dtype: formatDtypes[dtype], device });
    },
    /** Fails unless a tensor has the recorded shape and bits. */
    async same(t: Tensor, name: string): Promise<void> {
      const { dtype, shape, bytes } = entry(name);
      assertEquals(t.dtype.itemSize, formatDtypes[dtype].itemSize, `dtype of ${name}`);
      assertEquals(t.dtype.isFloat, formatDtypes[dtype].isFloat, `dtype of ${name}`);
      assertEquals([...t.shape], shape, `shape of ${name}`);
      const actual = await t.bytes();
      const differs = actual.findIndex((byte, i) => byte !== bytes[i]);
      if (differs >= 0) {
        const i = Math.floor(differs / t.dtype.itemSize);
        const expected = tensorFromBytes(bytes, { shape, dtype: t.dtype, device: "cpu" });
        throw new Error(
          `${name}: element ${i} is ${(await t.data())[i]}, the reference has ${
            (await expected.data())[i]
          }`,
        );
      }
    },
  };
}

/** The granularity that a case names. */
export function granularityOf(
  spec: {
    type: string;
    axis?: number;
    groupSize?: number;
    group_size?: number;
    dim?: number;
    size?: number[];
  },
): Granularity {
  switch (spec.type) {
    case "PerTensor":
      return new PerTensor();
    case "PerAxis":
      return new PerAxis(spec.axis!);
    case "PerRow":
      return new PerRow(spec.dim);
    case "PerToken":
      return new PerToken();
    case "PerGroup":
      return new PerGroup(spec.groupSize ?? spec.group_size!);
    case "PerBlock":
      return new PerBlock(spec.size!);
    default:
      throw new Error(`unknown granularity ${spec.type}`);
  }
}

/** A dtype by name; undefined for null. */
export function dtypeOf(name: string | null): DType | undefined {
  return name === null ? undefined : dtypes[name as keyof typeof dtypes];
}
