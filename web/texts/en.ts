/**
 * The page in English.
 *
 * @module
 */
import type { FigureWords } from "./figure_words.ts";

const count = (n: number, one: string, more: string) =>
  `${n.toLocaleString("en-US")} ${n === 1 ? one : more}`;

/** The dictionary. */
export const en = {
  title: "staticquant",
  tagline: "Quantize ONNX models in your browser",
  privacy: "Everything runs in this tab. No file, no number leaves your machine.",
  licences: "Licences",
  skip: "Skip to the content",
  tabs: { label: "Pages", quantize: "Quantize a model", tutorial: "Tutorial" },
  language: "Language",
  theme: { label: "Theme", auto: "System", light: "Light", dark: "Dark" },

  model: {
    title: "Model",
    intro: "A float model: an ONNX file, and its data files if it has any; at most 1 GiB together.",
    drop: "Drop an ONNX file here, or choose one",
    withData: (file: string, n: number) => `${file} and ${count(n, "data file", "data files")}`,
    try: "No model at hand? Try one of these; their samples come along:",
    examples: {
      digits: { name: "Digits", about: "a classifier of handwritten digits, 0.9 MB" },
      direction: { name: "Text direction", about: "PP-OCR: does a line stand upside down? 0.6 MB" },
    },
    opening: "Looking into the model …",
    fetching: "Fetching the model …",
    facts: {
      file: "File",
      opset: "Operator sets",
      producer: "Made by",
      constants: "Constants",
      constantsValue: (numbers: string, tensors: number, bytes: string) =>
        `${numbers} numbers in ${count(tensors, "tensor", "tensors")}, ${bytes}`,
      nodes: "Nodes",
      quantizable: "Can be quantized",
      quantizableValue: (some: number, all: number) => `${some} of ${all} nodes, once prepared`,
      nothing: (why: string) => `nothing: ${why}`,
    },
    values: "Inputs and outputs",
    input: "input",
    output: "output",
    kind: "Kind",
    name: "Name",
    type: "Type",
    shape: "Shape",
    anyShape: "any",
    operators: (n: number) => `Operators (${n})`,
    operator: "Operator",
    parameters: "Parameters",
    bytes: "Bytes",
    of: "Quantizable",
    whyNot: "Why not",
    folded: "folded or fused away",
  },

  samples: {
    title: "Samples",
    intro:
      "Inputs as the model will see them; a few dozen do. Images, .npy, .npz, .safetensors, or lines of JSON.",
    drop: "Drop samples here, files or a folder, or choose files",
    chosen: (n: number, size: string) => `${count(n, "file", "files")}, ${size}`,
    few: (n: number) =>
      `${
        count(n, "sample is", "samples are")
      } few: ranges may miss what the model meets later. Give 16 or more.`,
    heldOut: "Other samples to judge with",
    heldOutIntro:
      "Optional. Without them, the same samples say what quantizing cost, which flatters a little; if there is an SQNR to keep, every fourth of them is kept from the calibration.",
    clear: "Remove",
    reading: "How they are read",
    limit: "At most so many samples",
    all: "all",
    split: "Cut arrays into samples along their first dimension",
    names: "Names of arrays",
    namesHint: (input: string) => `array for the input ${input}`,
    image: "Images",
    size: "Height and width",
    sizeHint: "such as 48x320, 224, 48xauto; the model's by default",
    resize: "Another aspect is",
    resizeChoices: {
      stretch: "stretched",
      pad: "padded at the right or bottom",
      letterbox: "padded on both sides",
      crop: "cropped",
    },
    padValue: "Padding, 0 to 255",
    multipleOf: "Sides that are auto, to a multiple of",
    layout: "Layout",
    channels: "Channels",
    byModel: "as the model has it",
    scale: "Pixels times",
    mean: "minus",
    std: "divided by",
    listHint: "one number, or one for each channel",
  },

  options: {
    title: "Method",
    method: "How ranges are chosen",
    methods: {
      minmax: {
        name: "min-max",
        about: "from the least to the greatest value; quick, clips nothing",
      },
      movingAverage: { name: "moving average", about: "from average least to average greatest" },
      percentile: { name: "percentile", about: "what holds nearly all values" },
      entropy: { name: "entropy", about: "what loses the least information" },
      mse: { name: "MSE", about: "least squared error; slower, mostly the best" },
    },
    percentile: "Percentage that is kept",
    target: "The file is for",
    targets: {
      onnxruntime: {
        name: "onnxruntime",
        about: "on processors: all that can be becomes integers",
      },
      web: {
        name: "browsers",
        about: "onnxruntime-web: what WebAssembly does slowly stays in float",
      },
    },
    activationType: "Activations",
    weightType: "Weights",
    targetSqnr: "SQNR to keep, in dB",
    targetSqnrHint: "such as 30: nodes that cost too much stay in float",
    anySqnr: "none",
    perChannel: "A scale for each output channel of a weight",
    symmetric: "Zero in the middle of the ranges of activations",
    reduceRange: "Weights of 7 bits, for x64 processors without VNNI",
    more: "More options",
    opTypes: "Only these operators",
    opTypesHint: "such as Conv, MatMul; all that can be by default",
    exclude: "Nodes that stay in float",
    excludeHint: "names, separated by commas",
  },

  copying: { copy: "Copy", copied: "Copied." },
  run: {
    title: "Quantize",
    start: "Quantize",
    again: "Quantize again",
    cancel: "Cancel",
    needsModel: "Choose a model first.",
    needsSamples: "Choose samples first.",
    steps: {
      opening: "Preparing the model",
      calibrating: "Calibrating",
      quantizing: "Quantizing and checking",
      searching: "Looking for the nodes that cost most",
      comparing: "Running both models",
      counting: "Counting activations",
      ranking: "Quantizing one node at a time",
    },
    progress: (done: number, total?: number) =>
      total ? `${done} of ${total}` : done > 0 ? `${done}` : "",
    left: (time: string) => `${time} left`,
    cancelled: "Cancelled. Nothing was kept.",
  },

  quoted: (label: string) => `“${label}”`,

  time: {
    seconds: (s: string) => `${s} s`,
    minutes: (m: number, s: number) => `${m} min ${s} s`,
    hours: (h: number, m: number) => `${h} h ${m} min`,
  },

  results: {
    title: "Result",
    download: "Download the quantized model",
    report: "Download the report",
    cards: {
      sqnr: "SQNR of the output",
      sqnrMeaning: (percent: string) => `noise of ${percent} of the signal`,
      same: "the very same numbers",
      worstOf: (name: string, n: number) => `of ${name}, the worst of ${n} outputs`,
      top1: "Same class",
      top1Meaning: "how often the greatest value stands at the same place",
      size: "Size",
      sizeMeaning: (percent: string, before: string) => `${percent} of ${before}`,
      latency: "Time a sample",
      faster: (times: string, before: string) => `${times} times as fast as float, ${before}`,
      slower: (times: string, before: string) => `${times} times as long as float, ${before}`,
      nodes: "Nodes in integers",
      nodesMeaning: (samples: number) => `calibrated on ${count(samples, "sample", "samples")}`,
    },
    latencyNote:
      "Times are those of WebAssembly in this tab; onnxruntime on your system has faster integer kernels.",
    commandLine: "The same on the command line",
    sameBytes:
      "With --runtime wasm it writes the very bytes of this file; without, native code is faster and adds in another order, which changes the last bits of scales.",
    uninstalled: "Where it is not installed, npx @staticquant/staticquant stands for staticquant.",
    samplesFolder: "samples is the folder with your files.",
    heldOutFolder: "held-out is the folder with those to judge with.",
    shareFolder:
      "held-out has every fourth sample, from the second on, and the other place has the rest: the page divides them so.",
    judges: {
      same: "Judged on the samples of the calibration.",
      share: "Judged on every fourth sample, which the calibration has not seen.",
      others: "",
    },
    targetMet: (asked: string, reached: string, left: number) =>
      left === 0
        ? `The target of ${asked} is met with every node quantized: ${reached}.`
        : `The target of ${asked} is met: ${reached}, with ${
          count(left, "node", "nodes")
        } more in float.`,
    targetOnlyFloat: (asked: string) =>
      `The target of ${asked} is met with every node in float only, so that nothing was gained. Try another method or a lower target.`,
    targetMissed: (asked: string, reached: string) =>
      `The target of ${asked} is out of reach: ${reached} is the most that was found. Try another method, or give samples that are more like what the model meets.`,
    warnings: "To know",
    activations: "Activations",
    activationsIntro:
      "What was seen of each activation, and the range it got: values outside are clipped.",
    activation: "Activation",
    previous: "Previous",
    next: "Next",
    position: (i: number, n: number) => `${i} of ${n}`,
    neverSeen: "This activation was never more than nothing.",
    noise: "Where the noise comes from",
    noiseIntro:
      "SQNR of each tensor that both models compute. A sudden fall shows the node that hurts.",
    noiseDots: "Filled dots are kept in integers.",
    noisiest: "The noisiest tensors",
    tensor: "Tensor",
    madeBy: "Made by",
    keptAs: "Kept as",
    integers: "integers",
    float: "float",
    hurt: "The nodes that hurt",
    hurtIntro:
      "Each node quantized alone, the others in float: what the output is left with. Leave the first ones in float and quantize again.",
    rank: "Measure each node",
    leaveOut: (n: number) => `Leave the worst ${n} in float`,
    node: "Node",
    alone: "SQNR alone",
    estimated: "a share of what neighbours cost together",
    outputs: "Outputs",
    outputsIntro: "Float against quantized, on the first sample.",
    outputName: "Output",
    samples: "SQNR of each sample, the noisiest first",
    left: "What stayed in float",
    leftIntro: "Nodes that could be quantized and were not, and why.",
    reason: "Why",
    none: "Nothing.",
  },

  tutorial: {
    title: "Static quantization, step by step",
    intro:
      "A float model becomes an integer one in three steps: observe which numbers flow through it, fix a range for each of them, and swap its layers for ones that multiply bytes. Change a number and run it again.",
    code: "The program",
    run: "Run",
    running: "Running …",
    numbers: {
      inFeatures: "features of the input",
      hidden: "features between the layers",
      outFeatures: "features of the output",
      batch: "inputs in a batch",
      batches: "batches",
      seed: "seed",
      dtype: "integer type",
      mapping: "mapping",
      weights: "granularity of the weights",
    },
    onWebGpu: (adapter: string) => `Computed on WebGPU: ${adapter}`,
    noWebGpu:
      "This browser gives no WebGPU adapter, so the same numbers are computed on the CPU. WebGPU comes with Chrome and Edge 113, Safari 26 and Firefox 141 or later; hardware acceleration must be on.",
    observed: "What the observers saw",
    observedText:
      "All values that passed each activation observer, with the range it chose in blue. Above stand the integers that its ends and zero are given.",
    inputOf: (layer: string) => `Input of ${layer}`,
    weight: "The weight, before and after",
    weightText:
      "The weight of the first layer, the integers that took its place, and what was lost: rounding costs at most half a step.",
    weightFloat: "Weight, bfloat16",
    weightIntegers: (dtype: string) => `Weight, ${dtype}`,
    difference: "Difference",
    inputAxis: "input",
    channelAxis: "output channel",
    output: "What it does to the output",
    outputText:
      "Both models get 64 inputs that neither has seen. 6 dB more are worth one bit more.",
    outputTitle: "Output of the model",
    bytes: "What it saves",
    bytesText: "A bfloat16 weight takes two bytes a number, a quantized one takes one.",
    bytesTitle: "Bytes of the model",
    bytesAxis: "bytes",
    ways: "Two ways to the same integers",
    way: "Config",
    sqnr: "SQNR to the float model",
    model: "The quantized model",
  },

  /** Pictures come in English. */
  figures: [] as FigureWords,

  errors: {
    title: "That did not work",
    tooLarge: (size: string, most: string) =>
      `The model has ${size}. A tab can hold one of at most ${most}: it is in memory several times while it runs. Use the command line for it: staticquant quantize.`,
    memory:
      "There is not enough memory in this tab for it. Close other tabs, give fewer or smaller samples, or use the command line: staticquant quantize.",
    gone:
      "The browser has ended the worker that computes, mostly for want of memory. Your files are untouched; try it again, with a smaller model or fewer samples, or use the command line.",
    deviceLost:
      "The browser has taken the graphics device away, as it does after a driver's restart, when the machine slept or for want of memory. Nothing of yours is lost: run it again, with smaller numbers if it happens anew.",
    field: (label: string) => `“${label}” is not filled in right; its hint says what goes there.`,
    noShare:
      "An SQNR to keep is judged on samples that the calibration has not seen, and one sample cannot be shared: give two or more, or other samples to judge with.",
    example: "The example could not be fetched from this page's own server.",
  },
};

/** All words of the page; a language is one such dictionary. */
export type Texts = typeof en;
