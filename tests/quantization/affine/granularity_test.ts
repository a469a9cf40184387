import { assertEquals, assertThrows } from "@std/assert";
import { qparamShape } from "../../../lib/quantization/affine/granularity.ts";
import {
  chooseQParamsAffine,
  getBlockSize,
  int8,
  MappingType,
  PerAxis,
  PerBlock,
  PerGroup,
  PerRow,
  PerTensor,
  PerToken,
  tensor,
  uint8,
  zeros,
} from "../../../mod.ts";
import { eachBackend } from "../../backends.ts";

const cases = [
  {
    granularity: new PerTensor(),
    shape: [2, 4, 8],
    block: [2, 4, 8],
    params: [],
    keepdim: [1, 1, 1],
  },
  { granularity: new PerAxis(0), shape: [4, 8], block: [1, 8], params: [4], keepdim: [4, 1] },
  { granularity: new PerAxis(-1), shape: [4, 8], block: [4, 1], params: [8], keepdim: [1, 8] },
  {
    granularity: new PerAxis(1),
    shape: [3, 5, 2],
    block: [3, 1, 2],
    params: [5],
    keepdim: [1, 5, 1],
  },
  {
    granularity: new PerRow(),
    shape: [2, 4, 8],
    block: [1, 1, 8],
    params: [2, 4],
    keepdim: [2, 4, 1],
  },
  { granularity: new PerToken(), shape: [6, 8], block: [1, 8], params: [6], keepdim: [6, 1] },
  { granularity: new PerRow(), shape: [8], block: [8], params: [], keepdim: [1] },
  { granularity: new PerGroup(4), shape: [3, 8], block: [1, 4], params: [3, 2], keepdim: [3, 2] },
  {
    granularity: new PerBlock([2, -1]),
    shape: [4, 6],
    block: [2, 6],
    params: [2],
    keepdim: [2, 1],
  },
  {
    granularity: new PerBlock([2, 3]),
    shape: [4, 6],
    block: [2, 3],
    params: [2, 2],
    keepdim: [2, 2],
  },
  { granularity: new PerTensor(), shape: [], block: [], params: [], keepdim: [] },
];

for (const { granularity, shape, block, params, keepdim } of cases) {
  eachBackend(`${granularity} of shape [${shape}]`, async () => {
    assertEquals(getBlockSize(shape, granularity), block);
    assertEquals(qparamShape(shape, block), params);
    assertEquals(qparamShape(shape, block, true), keepdim);
    for (const [keep, expected] of [[false, params], [true, keepdim]] as const) {
      const [scale, zeroPoint] = await chooseQParamsAffine(
        zeros(shape),
        MappingType.ASYMMETRIC,
        block,
        uint8,
        { keepdim: keep },
      );
      assertEquals([...scale.shape], expected);
      assertEquals([...zeroPoint.shape], expected);
    }
  });
}

Deno.test("a granularity prints as it is written", () => {
  assertEquals(
    [
      new PerTensor(),
      new PerAxis(-1),
      new PerRow(),
      new PerToken(),
      new PerGroup(32),
      new PerBlock([2, -1]),
    ].map(String),
    ["PerTensor()", "PerAxis(-1)", "PerRow()", "PerToken()", "PerGroup(32)", "PerBlock([2, -1])"],
  );
});

Deno.test("an axis that is not there is refused, with those that are", () => {
  for (const axis of [2, -3, 0.5, NaN]) {
    assertThrows(
      () => getBlockSize([4, 8], new PerAxis(axis)),
      RangeError,
      `PerAxis(${axis}): a tensor of shape (4, 8) has axes 0 to 1`,
    );
  }
});

Deno.test("blocks that do not divide are refused, with both shapes", () => {
  assertThrows(
    () => getBlockSize([4, 9], new PerGroup(4)),
    RangeError,
    "PerGroup(4): blocks of (1, 4) do not divide a tensor of shape (4, 9)",
  );
  for (const size of [0, -4, 2.5, NaN, 16]) {
    assertThrows(() => getBlockSize([4, 8], new PerGroup(size)), RangeError, "do not divide");
  }
  for (const size of [[3], [2, 2, 2], [3, 2], [2, 0], [-2, 2]]) {
    assertThrows(() => getBlockSize([4, 8], new PerBlock(size)), RangeError, "do not divide");
  }
});

eachBackend("granularities take torchao's arguments", async (device) => {
  assertEquals(getBlockSize([4, 8], new PerRow(0)), [4, 1]);
  assertEquals(getBlockSize([2, 4, 8], new PerRow(1)), [1, 4, 1]);
  assertEquals(getBlockSize([2, 4, 8], new PerRow(-2)), [1, 4, 1]);
  assertEquals(getBlockSize([4, 8], new PerRow(1)), getBlockSize([4, 8], new PerRow()));
  assertEquals(getBlockSize([3, 4, 8], new PerBlock([2, 4])), [1, 2, 4]);
  assertEquals(getBlockSize([5, 3, 4, 8], new PerBlock([2, -1])), [1, 1, 2, 8]);
  assertEquals(getBlockSize([4, 8], new PerBlock([4])), [1, 4]);
  assertEquals(String(new PerRow(0)), "PerRow(0)");
  // A scale for each column.
  using x = tensor([[1, -8, 3], [-4, 2, 0.5]], { device });
  const block = getBlockSize(x.shape, new PerRow(0));
  const [scale] = await chooseQParamsAffine(x, MappingType.SYMMETRIC, block, int8);
  assertEquals([...await scale.data()], [4, 8, 3].map((v) => Math.fround(v / 127.5)));
});

Deno.test("a granularity without its argument is refused", () => {
  const cases: [() => unknown, string][] = [
    [
      () => new PerAxis(undefined as never),
      "PerAxis: axis must be a number, such as new PerAxis(0)",
    ],
    [() => new PerAxis("0" as never), `got the text "0"`],
    [() => new PerGroup(undefined as never), "such as new PerGroup(32), got undefined"],
    [() => new PerBlock(32 as never), "PerBlock: size must be a list"],
    [() => new PerBlock([undefined as never]), "each size must be a number"],
    [() => new PerRow(null as never), "PerRow: dim must be a number"],
    [() => getBlockSize([4], PerTensor as never), "got the class PerTensor; make one with new"],
    [() => getBlockSize([4], undefined as never), "got undefined"],
  ];
  for (const [run, message] of cases) assertThrows(run, TypeError, message);
  assertThrows(() => getBlockSize([4, 8], new PerRow(2)), RangeError, "has axes 0 to 1");
});
