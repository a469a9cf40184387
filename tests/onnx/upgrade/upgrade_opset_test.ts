import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { classification, detection, image, recognition } from "../ocr_models.ts";
import { loadOnnx } from "../../../lib/onnx/file/model_file.ts";
import { OnnxError } from "../../../lib/onnx/file/onnx_error.ts";
import { checkOperators, upgradeOpset } from "../../../lib/onnx/upgrade/upgrade_opset.ts";
import { messages } from "../files.ts";
import {
  difference,
  type Feeds,
  floats,
  ints,
  node,
  noise,
  operators,
  runModel,
  type SmallModel,
  smallModel,
} from "../small_models.ts";
import { create } from "@bufbuild/protobuf";
import { FunctionProtoSchema, GraphProtoSchema } from "onnx-buf";
import * as ort from "onnxruntime-node";

/** A model of one node on `x`, of float32 unless said otherwise. */
interface Case extends Partial<Omit<SmallModel, "opset" | "nodes">> {
  readonly opset: number;
  readonly nodes: SmallModel["nodes"];
  readonly feeds?: Feeds;
  /** The sets to bring it to; 13, 18 and 21 by default. */
  readonly targets?: readonly number[];
  /** Operators that the result has at the last target, where that matters. */
  readonly becomes?: Record<string, number>;
}

const x = noise(2, 3, 4, 6);

function modelOf({ opset, nodes, constants, inputs, outputs, feeds = { x } }: Case) {
  const open = Object.entries(feeds).map(([name, { type, dims }]) => [
    name,
    [type, ...dims.map((_, i) => `d${i}`)],
  ]);
  return smallModel({
    opset,
    nodes,
    constants,
    inputs: inputs ?? Object.fromEntries(open),
    outputs: outputs ?? ["y"],
  });
}

const reductions = [
  "L1",
  "L2",
  "LogSum",
  "LogSumExp",
  "Max",
  "Mean",
  "Min",
  "Prod",
  "Sum",
  "SumSquare",
];

const pool = {
  kernel_shape: { ints: [3, 3] },
  strides: { ints: [2, 2] },
  pads: { ints: [1, 1, 1, 1] },
  ceil_mode: { i: 1 },
};
const small = floats("s", [3], [1, 2, 3]);
const double = { strides: { ints: [2, 2] }, auto_pad: { s: "SAME_UPPER" } };

/** Nodes that later versions describe anew, but that mean the same. */
const unchanged: Record<string, [number, SmallModel["nodes"][number]]> = {
  "AveragePool": [10, node("AveragePool", ["x"], ["y"], { ...pool, count_include_pad: { i: 1 } })],
  "MaxPool": [10, node("MaxPool", ["x"], ["y"], pool)],
  "ConvTranspose": [9, node("ConvTranspose", ["x", "w"], ["y"], double)],
  "LRN": [9, node("LRN", ["x"], ["y"], { size: { i: 3 } })],
  "InstanceNormalization": [9, node("InstanceNormalization", ["x", "s", "s"], ["y"])],
  "MeanVarianceNormalization": [9, node("MeanVarianceNormalization", ["x"], ["y"])],
  "SpaceToDepth": [9, node("SpaceToDepth", ["x"], ["y"], { blocksize: { i: 2 } })],
  "PRelu": [9, node("PRelu", ["x", "c"], ["y"])],
  "Pow": [9, node("Pow", ["x", "two"], ["y"])],
  "CumSum": [11, node("CumSum", ["x", "one"], ["y"])],
  "Gather": [9, node("Gather", ["x", "one"], ["y"], { axis: { i: -1 } })],
  "Mod": [10, node("Mod", ["x", "two"], ["y"], { fmod: { i: 1 } })],
};

const cases: Record<string, Case> = {
  ...Object.fromEntries(
    Object.entries(unchanged).map(([name, [opset, one]]): [string, Case] => [
      `${name}, which stays`,
      {
        opset,
        nodes: [one],
        constants: [
          floats("w", [3, 2, 3, 3], Array.from(noise(54).data as Float32Array)),
          small,
          floats("c", [3, 1, 1], [0.1, 0.2, 0.3]),
          floats("two", [], [2]),
          ints("one", [1], []),
        ],
      },
    ]),
  ),
  "Squeeze with axes": {
    opset: 9,
    nodes: [node("Squeeze", ["x"], ["y"], { axes: { ints: [1, 3] } })],
    feeds: { x: noise(2, 1, 4, 1) },
  },
  "Squeeze of all": {
    opset: 11,
    nodes: [node("Squeeze", ["x"], ["y"])],
    feeds: { x: noise(2, 1, 4, 1) },
  },
  "Unsqueeze": { opset: 9, nodes: [node("Unsqueeze", ["x"], ["y"], { axes: { ints: [0, 5] } })] },
  "Slice with axes": {
    opset: 9,
    nodes: [
      node("Slice", ["x"], ["y"], {
        axes: { ints: [3, 1] },
        starts: { ints: [1, -2] },
        ends: { ints: [-1, 1000] },
      }),
    ],
  },
  "Slice without axes": {
    opset: 9,
    nodes: [node("Slice", ["x"], ["y"], { starts: { ints: [0, 1] }, ends: { ints: [1, 3] } })],
  },
  "Clip with both": {
    opset: 9,
    nodes: [node("Clip", ["x"], ["y"], { min: { f: -0.5 }, max: { f: 1.25 } })],
    becomes: { Clip: 1 },
  },
  "Clip with max": { opset: 9, nodes: [node("Clip", ["x"], ["y"], { max: { f: 0 } })] },
  "Clip with none": { opset: 9, nodes: [node("Clip", ["x"], ["y"])] },
  "Pad with a value": {
    opset: 9,
    nodes: [
      node("Pad", ["x"], ["y"], { pads: { ints: [0, 0, 1, 2, 0, 1, 0, 3] }, value: { f: 1.5 } }),
    ],
  },
  "Pad by reflection": {
    opset: 10,
    nodes: [
      node("Pad", ["x"], ["y"], {
        mode: { s: "reflect" },
        pads: { ints: [0, 0, 1, 2, 0, 0, 2, 1] },
      }),
    ],
  },
  "Dropout": { opset: 9, nodes: [node("Dropout", ["x"], ["y"], { ratio: { f: 0.25 } })] },
  "Dropout with a mask that nothing reads": {
    opset: 9,
    nodes: [node("Dropout", ["x"], ["y", "mask"])],
  },
  "TopK": {
    opset: 9,
    nodes: [node("TopK", ["x"], ["y", "i"], { k: { i: 2 }, axis: { i: 2 } })],
    outputs: ["y", "i"],
  },
  "Split with sizes": {
    opset: 9,
    nodes: [node("Split", ["x"], ["y", "z"], { axis: { i: 3 }, split: { ints: [2, 4] } })],
    outputs: ["y", "z"],
  },
  "Split in equal parts": {
    opset: 11,
    nodes: [node("Split", ["x"], ["y", "z"], { axis: { i: -1 } })],
    outputs: ["y", "z"],
  },
  "Softmax along the last axis": {
    opset: 9,
    nodes: [node("Softmax", ["x"], ["y"], { axis: { i: 3 } })],
    becomes: { Softmax: 1 },
  },
  "Softmax along the last axis after operators": {
    opset: 9,
    nodes: [
      node("Relu", ["x"], ["a"]),
      node("Transpose", ["a"], ["b"], { perm: { ints: [0, 2, 3, 1] } }),
      node("ReduceMean", ["b"], ["c"], { axes: { ints: [1] }, keepdims: { i: 0 } }),
      node("Softmax", ["c"], ["y"], { axis: { i: 2 } }),
    ],
    becomes: { Relu: 1, Transpose: 1, ReduceMean: 1, Softmax: 1 },
  },
  "Softmax over several axes": {
    opset: 9,
    nodes: [node("Softmax", ["x"], ["y"])],
    becomes: { Shape: 1, Flatten: 1, Softmax: 1, Reshape: 1 },
  },
  "Softmax over axes of size one": {
    opset: 9,
    nodes: [node("GlobalAveragePool", ["x"], ["p"]), node("Softmax", ["p"], ["y"])],
    becomes: { GlobalAveragePool: 1, Softmax: 1 },
  },
  "LogSoftmax over several axes": {
    opset: 11,
    nodes: [node("LogSoftmax", ["x"], ["y"], { axis: { i: -2 } })],
  },
  "Hardmax over several axes": { opset: 12, nodes: [node("Hardmax", ["x"], ["y"])] },
  "Softmax of an unknown rank": {
    opset: 11,
    nodes: [
      node("Loop", ["trips", "", "x"], ["z"], {
        body: {
          g: create(GraphProtoSchema, {
            name: "body",
            node: [
              node("Identity", ["go"], ["on"]),
              node("Softmax", ["state"], ["next"], { axis: { i: 2 } }),
            ],
            input: [
              messages.valueInfo("i", "int64", []),
              messages.valueInfo("go", "bool", []),
              messages.valueInfo("state", "float32"),
            ],
            output: [messages.valueInfo("on", "bool", []), messages.valueInfo("next", "float32")],
          }),
        },
      }),
      node("Softmax", ["z"], ["y"], { axis: { i: 3 } }),
    ],
    constants: [ints("trips", [2], [])],
    becomes: { Loop: 1, Shape: 1, Flatten: 1, Softmax: 1, Reshape: 1 },
  },
  "Upsample of 7": {
    opset: 7,
    nodes: [
      node("Upsample", ["x"], ["y"], {
        mode: { s: "nearest" },
        scales: { floats: [1, 1, 2, 3] },
      }),
    ],
    becomes: { Resize: 1 },
  },
  "Upsample by the nearest": {
    opset: 9,
    nodes: [node("Upsample", ["x", "scales"], ["y"])],
    constants: [floats("scales", [4], [1, 1, 1.5, 2])],
  },
  "Upsample by lines": {
    opset: 9,
    nodes: [node("Upsample", ["x", "scales"], ["y"], { mode: { s: "linear" } })],
    constants: [floats("scales", [4], [1, 1, 2, 2])],
  },
  "Resize that enlarges": {
    opset: 10,
    nodes: [node("Resize", ["x", "scales"], ["y"])],
    constants: [floats("scales", [4], [1, 1, 2.5, 2])],
  },
  "Resize that shrinks": {
    opset: 10,
    nodes: [node("Resize", ["x", "scales"], ["y"])],
    constants: [floats("scales", [4], [1, 1, 0.6, 0.5])],
  },
  "Resize by lines": {
    opset: 10,
    nodes: [node("Resize", ["x", "scales"], ["y"], { mode: { s: "linear" } })],
    constants: [floats("scales", [4], [1, 1, 0.6, 2])],
  },
  "Resize of 11 by sizes": {
    opset: 11,
    nodes: [
      node("Resize", ["x", "roi", "scales", "sizes"], ["y"], {
        mode: { s: "cubic" },
        coordinate_transformation_mode: { s: "half_pixel" },
      }),
    ],
    constants: [floats("roi", [0], []), floats("scales", [0], []), ints("sizes", [2, 3, 7, 5])],
  },
  "Scatter": {
    opset: 9,
    nodes: [node("Scatter", ["x", "i", "u"], ["y"], { axis: { i: 3 } })],
    constants: [ints("i", [4, 0], [1, 1, 1, 2]), floats("u", [1, 1, 1, 2], [7, 8])],
    becomes: { ScatterElements: 1 },
  },
  "BatchNormalization": {
    opset: 7,
    nodes: [
      node("BatchNormalization", ["x", "s", "b", "m", "v"], ["y"], { spatial: { i: 1 } }),
    ],
    constants: [
      floats("s", [3], [1, -2, 0.5]),
      floats("b", [3], [0, 1, 2]),
      floats("m", [3], [0.1, 0.2, 0.3]),
      floats("v", [3], [1, 2, 3]),
    ],
  },
  "RoiAlign": {
    opset: 10,
    nodes: [
      node("RoiAlign", ["x", "rois", "batch"], ["y"], {
        output_height: { i: 2 },
        output_width: { i: 2 },
        spatial_scale: { f: 0.5 },
      }),
    ],
    constants: [floats("rois", [2, 4], [0, 0, 5, 5, 1, 2, 8, 7]), ints("batch", [0, 1])],
  },
  "GridSample": {
    opset: 16,
    nodes: [node("GridSample", ["x", "grid"], ["y"], { mode: { s: "bicubic" } })],
    feeds: { x, grid: noise(2, 3, 3, 2) },
    targets: [18, 21],
  },
  "Gemm, ArgMax, Where and Cast, which stay": {
    opset: 9,
    nodes: [
      node("Flatten", ["x"], ["f"], { axis: { i: 2 } }),
      node("Gemm", ["f", "w", "c"], ["g"]),
      node("ArgMax", ["g"], ["a"], { axis: { i: 1 }, keepdims: { i: 1 } }),
      node("Cast", ["a"], ["k"], { to: { i: 1 } }),
      node("Greater", ["g", "k"], ["m"]),
      node("Where", ["m", "g", "k"], ["y"]),
    ],
    constants: [
      floats("w", [24, 2], Array.from({ length: 48 }, (_, i) => (i % 7) - 3)),
      floats("c", [2], [0.5, -0.5]),
    ],
    becomes: { Flatten: 1, Gemm: 1, ArgMax: 1, Cast: 1, Greater: 1, Where: 1 },
  },
  "DFT": {
    opset: 17,
    nodes: [node("DFT", ["x"], ["y"], { axis: { i: 2 } })],
    feeds: { x: noise(2, 3, 4, 1) },
    targets: [18, 21],
  },
  ...Object.fromEntries(reductions.flatMap((name): [string, Case][] => [
    [`Reduce${name} along axes`, {
      opset: 9,
      nodes: [
        node("Abs", ["x"], ["a"]),
        node(`Reduce${name}`, ["a"], ["y"], { axes: { ints: [1, 3] }, keepdims: { i: 0 } }),
      ],
    }],
    [`Reduce${name} of all`, {
      opset: 11,
      nodes: [node("Abs", ["x"], ["a"]), node(`Reduce${name}`, ["a"], ["y"])],
    }],
  ])),
};

Deno.test("upgradeOpset() keeps what a node computes", async (t) => {
  for (const [name, one] of Object.entries(cases)) {
    await t.step(name, async () => {
      const model = modelOf(one);
      const before = model.toBytes();
      const feeds = one.feeds ?? { x };
      const expected = await runModel(model, feeds);
      for (const target of one.targets ?? [13, 18, 21]) {
        const upgraded = upgradeOpset(model, target);
        assertEquals(upgraded.opset(), target);
        const worst = difference(await runModel(upgraded, feeds), expected);
        assert(worst <= 1e-6, `differs by ${worst} at ${target}`);
        if (one.becomes) assertEquals(operators(upgraded), one.becomes);
      }
      assertEquals(model.toBytes(), before);
    });
  }
});

Deno.test("upgradeOpset() makes bounds of the type of what they cut", () => {
  const nodes = [
    node("Cast", ["x"], ["d"], { to: { i: 11 } }),
    node("Clip", ["d"], ["y"], { min: { f: 0.25 } }),
  ];
  const upgraded = upgradeOpset(modelOf({ opset: 9, nodes }));
  assertEquals(upgraded.graph.initializer.map(({ dataType }) => dataType), [11]);
});

Deno.test("upgradeOpset() makes equal constants once", () => {
  const cut = (from: string, to: string) =>
    node("Clip", [from], [to], { min: { f: 0 }, max: { f: 6 } });
  const upgraded = upgradeOpset(modelOf({ opset: 9, nodes: [cut("x", "a"), cut("a", "y")] }));
  assertEquals(upgraded.graph.initializer.map(({ name }) => name), ["min", "max"]);
});

Deno.test("upgradeOpset() changes nothing in a model that is new enough", () => {
  const model = modelOf({ opset: 17, nodes: [node("Relu", ["x"], ["y"])] });
  assertStrictEquals(upgradeOpset(model, 13), model);
  assertStrictEquals(upgradeOpset(model, 17), model);
});

Deno.test("upgradeOpset() upgrades the graphs inside of nodes", async () => {
  const inner = (name: string, axis: number) =>
    create(GraphProtoSchema, {
      name,
      node: [
        node("Unsqueeze", ["x"], [`${name}.u`], { axes: { ints: [axis] } }),
        node("Clip", [`${name}.u`], [`${name}.y`], { min: { f: 0 } }),
      ],
      output: [messages.valueInfo(`${name}.y`, "float32")],
    });
  const model = modelOf({
    opset: 9,
    nodes: [
      node("If", ["c"], ["y"], {
        then_branch: { g: inner("then", 0) },
        else_branch: { g: inner("else", 2) },
      }),
    ],
    feeds: { x, c: new ort.Tensor("bool", [true], []) },
  });
  for (const target of [13, 21]) {
    const upgraded = upgradeOpset(model, target);
    for (const c of [true, false]) {
      const feeds = { x, c: new ort.Tensor("bool", [c], []) };
      assertEquals(difference(await runModel(upgraded, feeds), await runModel(model, feeds)), 0);
    }
  }
});

Deno.test("upgradeOpset() keeps initializers constant that old files list as inputs", async () => {
  const model = smallModel({
    opset: 7,
    ir: 3,
    nodes: [node("Add", ["x", "w"], ["y"])],
    constants: [floats("w", [1], [2])],
    inputs: { x: ["float32", "n"], w: ["float32", 1] },
    outputs: ["y"],
  });
  const upgraded = upgradeOpset(model);
  assertEquals(upgraded.graph.input.map(({ name }) => name), ["x"]);
  assert(upgraded.proto.irVersion >= 7n);
  const feeds = { x: noise(3) };
  assertEquals(difference(await runModel(upgraded, feeds), await runModel(model, feeds)), 0);
});

Deno.test("upgradeOpset() leaves nodes of other domains alone", async () => {
  const model = smallModel({
    opset: 11,
    nodes: [
      node("Gelu", ["x"], ["g"], {}, "com.microsoft"),
      node("Squeeze", ["g"], ["y"], { axes: { ints: [1] } }),
    ],
    inputs: { x: ["float32", "n", 1] },
    outputs: ["y"],
    domains: { "com.microsoft": 1 },
  });
  const feeds = { x: noise(4, 1) };
  const upgraded = upgradeOpset(model, 21);
  assertEquals(difference(await runModel(upgraded, feeds), await runModel(model, feeds)), 0);
});

Deno.test("upgradeOpset() refuses what it cannot bring over", async (t) => {
  const refused: Record<string, [Case, string[], number?]> = {
    "an operator that nobody knows": [
      { opset: 11, nodes: [node("Frobnicate", ["x"], ["y"])] },
      ["Frobnicate", '"y"', "no operator"],
    ],
    "an operator that came later": [
      { opset: 9, nodes: [node("Trilu", ["x"], ["y"])] },
      ["Trilu", "came with operator set 14", "declares 9"],
    ],
    "an operator that was replaced": [
      { opset: 11, nodes: [node("Upsample", ["x", "s"], ["y"])] },
      ["Upsample", "replaced by Resize", "declares 11"],
    ],
    "a domain that is not imported": [
      { opset: 11, nodes: [node("Gelu", ["x"], ["y"], {}, "com.microsoft")] },
      ["Gelu", "com.microsoft", "opset_import"],
    ],
    "an operator set that is too old": [
      { opset: 6, nodes: [node("Relu", ["x"], ["y"])] },
      ["operator set 6", "oldest", "7"],
    ],
    "a mask of Dropout": [
      { opset: 9, nodes: [node("Dropout", ["x"], ["y", "m"])], outputs: ["y", "m"] },
      ["Dropout", '"y"', "mask"],
    ],
    "training outputs": [
      {
        opset: 9,
        nodes: [node("BatchNormalization", ["x", "s", "b", "m", "v"], ["y", "mean"])],
        outputs: ["y", "mean"],
      },
      ["BatchNormalization", "training"],
      14,
    ],
    "statistics for each place": [
      {
        opset: 7,
        nodes: [
          node("BatchNormalization", ["x", "s", "b", "m", "v"], ["y"], { spatial: { i: 0 } }),
        ],
      },
      ["BatchNormalization", "spatial"],
    ],
    "Resize by scales that only a run tells": [
      {
        opset: 10,
        nodes: [node("Resize", ["x", "s"], ["y"])],
        feeds: { x, s: noise(4) },
      },
      ["Resize", "only known when it runs", "export"],
    ],
    "Resize both ways": [
      {
        opset: 10,
        nodes: [node("Resize", ["x", "s"], ["y"])],
        constants: [floats("s", [4], [1, 1, 2, 0.5])],
      },
      ["Resize", "enlarges one dimension and shrinks another"],
    ],
    "coordinates that were removed": [
      {
        opset: 11,
        nodes: [
          node("Resize", ["x", "", "s"], ["y"], {
            coordinate_transformation_mode: { s: "tf_half_pixel_for_nn" },
          }),
        ],
        constants: [floats("s", [4], [1, 1, 2, 2])],
      },
      ["Resize", "tf_half_pixel_for_nn"],
    ],
    "Scan of 8": [{ opset: 8, nodes: [node("Scan", ["", "x"], ["y"])] }, ["Scan", "batch"]],
    "GroupNormalization of 18": [
      { opset: 18, nodes: [node("GroupNormalization", ["x", "s", "b"], ["y"])] },
      ["GroupNormalization", "one a channel"],
      21,
    ],
    "Clip of an unknown type": [
      {
        opset: 9,
        nodes: [
          node("Foo", ["x"], ["a"], {}, "my.domain"),
          node("Clip", ["a"], ["y"], { min: { f: 0 } }),
        ],
      },
      ["Clip", "element type", '"a"'],
    ],
  };
  for (const [name, [one, words, target]] of Object.entries(refused)) {
    await t.step(name, () => {
      const model = modelOf(one);
      if (name.includes("unknown type")) model.setOpset(1, "my.domain");
      const error = assertThrows(() => upgradeOpset(model, target), OnnxError);
      for (const word of words) assert(error.message.includes(word), error.message);
    });
  }
});

Deno.test("upgradeOpset() refuses targets that it does not reach", () => {
  const model = modelOf({ opset: 11, nodes: [node("Relu", ["x"], ["y"])] });
  for (const target of [12, 22, 13.5, NaN]) {
    assertThrows(() => upgradeOpset(model, target), RangeError, String(target));
  }
});

Deno.test("upgradeOpset() refuses operators that a model defines itself", () => {
  const model = modelOf({ opset: 15, nodes: [node("Relu", ["x"], ["y"])] });
  model.proto.functions = [create(FunctionProtoSchema, { name: "Mine", domain: "mine" })];
  assertThrows(() => upgradeOpset(model, 18), OnnxError, "Mine");
});

Deno.test("checkOperators() passes what is newer than its tables, and functions of the model", () => {
  const model = modelOf({ opset: 24, nodes: [node("Swish", ["x"], ["y"])] });
  checkOperators("test", model);
  model.setOpset(21);
  assertThrows(() => checkOperators("test", model), OnnxError, "Swish");
});

Deno.test("upgradeOpset() on real models", async (t) => {
  const real = {
    detection: { url: detection, shapes: [[1, 3, 64, 96], [1, 3, 96, 32]] },
    recognition: { url: recognition, shapes: [[1, 3, 48, 100], [2, 3, 48, 65]] },
    classification: { url: classification, shapes: [[1, 3, 48, 192], [3, 3, 48, 96]] },
  };
  for (const [name, { url, shapes }] of Object.entries(real)) {
    await t.step(name, async () => {
      const model = await loadOnnx(url);
      for (const shape of shapes) {
        const feeds = { x: image(shape) };
        const expected = await runModel(model, feeds);
        for (const target of [13, 21]) {
          const upgraded = upgradeOpset(model, target);
          assertEquals(upgraded.opset(), target);
          assertEquals(operators(upgraded), operators(model));
          const worst = difference(await runModel(upgraded, feeds), expected);
          assert(worst <= (target === 13 ? 0 : 2e-6), `differs by ${worst} at ${target}`);
        }
      }
    });
  }
});
