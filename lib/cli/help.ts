/**
 * What `--help` teaches beyond the options. No line is longer than 80 columns.
 *
 * @module
 */

/** After the list of commands. */
export const OVERVIEW = `
From a float model to a quantized one:
  staticquant inspect model.onnx
  staticquant quantize model.onnx --data samples --out model.int8.onnx
  staticquant compare model.onnx model.int8.onnx --data others \\
    --report report.html

Every form that transformers.js loads, without samples too:
  staticquant convert my-model --dtype all

Calibration runs the float model on samples and notes the range of every
tensor; 50 to 200 that look like what the model will see are enough. Judge with
samples that were not among them.

In place of "staticquant" type
  deno run --allow-read=. --allow-write=. --allow-ffi \\
    jsr:@staticquant/staticquant/cli
--allow-ffi is for onnxruntime, --allow-read for models and samples,
--allow-write for the folders of the files that are written; "COMMAND --help"
tells the least that each one needs.

A recipe holds what a command is told, under the names that the library has for
it; what is given beside --config goes before:
  staticquant quantize model.onnx --data samples --out model.int8.onnx \\
    --method percentile --print-config > recipe.json
  staticquant quantize --config recipe.json

Results go to standard output, progress and errors to standard error; with
--json errors are JSON on standard output too. There an infinite SQNR is null.
Exit codes: 0 done, 1 failed, 2 not understood, 3 target missed, 75 failed but
may go well later (a server or a disk), 130 Ctrl-C, 143 SIGTERM. To try again
helps with 75, 130, 143, and 137 of what was killed, not with 1 to 3.

Many machines: calibrate --shard does a share of the samples, merge brings the
parts together, quantize --calibration takes them; docs/cluster.md shows it on
engines.
`;

/** How samples are read, for the commands that take any. */
const DATA_HELP = `
Samples:
  .png .jpg .webp .gif .tif   an image is a sample: (pixel * scale - mean) / std
                              of each channel
  .npy                        an array; for models of one input
  .npz .safetensors           an array for each input, by name, or one for the
                              only input
  .jsonl .ndjson              a line is a sample: {"input": [[1, 2], [3, 4]]},
                              or [[1, 2], [3, 4]] for the only input
  https://…                   such a file on a server, such as a presigned URL
                              of an object store; needs --allow-net=HOST
  -                           a list on standard input: a path or URL a line
  A folder holds files of one kind and is read in the order of their names, one
  sample in memory at a time.
  An array with one dimension more than the input has samples along its first.
  One with as many dimensions is cut along its first: into parts of the input's
  first size if the model fixes it, else into parts of 1. --no-split takes the
  array as it is.
`;

const IMAGE_PERMISSIONS =
  `  images also need --allow-env=npm_package_config_libvips,MALLOC_ARENA_MAX and,
  on Linux, to read /usr/bin/ldd: both are asked for by sharp when it looks for
  its native code`;

/** After the options of `inspect`. */
export const INSPECT_HELP = `
Example:
  staticquant inspect model.onnx
  staticquant inspect model.onnx --json |
    jq '.operators[] | select(.quantizable == 0).op'

Permissions:
  deno run --allow-read=model.onnx \\
    jsr:@staticquant/staticquant/cli inspect model.onnx
  Tensors in files of their own: the folder in place of model.onnx.
`;

/** After the options of `quantize`. */
export const QUANTIZE_HELP = `${DATA_HELP}
Which --method:
  minmax         from the least to the greatest value seen. The default, the
                 fastest, and exact with few samples; one far outlier makes all
                 steps wide.
  percentile     leaves out the outermost 0.001 % of the values (see
                 --percentile): for models with rare outliers, such as attention
                 and LayerNorm, and for many samples.
  mse            the range with the least squared error, clipping against
                 rounding.
  entropy        the range that loses the least information (KL divergence),
                 near the least squared error; a single stray value is left out.
  movingAverage  minmax that forgets slowly. For noisy samples.
  auto           the better of minmax and mse, by the outputs on the first 64
                 samples. It takes as long as mse, and no --calibration: the
                 samples to choose on are not in what calibrate writes.
  Hyphens may stand between: min-max, moving-average.
  Which is best depends on the model: try two or three with --held-out, and keep
  the best SQNR. If none is good enough, let --target-sqnr leave out the nodes
  that hurt most.

Which --target: it sets the options that are not given.
  onnxruntime    any processor, with kernels as on x86-64. The default.
  web            onnxruntime-web in browsers.
  cpu-vnni       x86-64 with VNNI; the same as onnxruntime.
  cpu-avx2       x86-64 without: --reduce-range, for sums of 16 bits overflow.
  arm64          --activation-type int8.
  qnn            Qualcomm's NPU, by onnxruntime's QNN provider: uint8 weights
                 with one scale each, and all operators that can.
  tensorrt       NVIDIA's TensorRT: int8, --symmetric, biases in floats.

Which --optimize: the default is between them.
  latency        nodes stay float that are faster so on this machine, found by
                 timing the model for up to 15 s. The result depends on clocks:
                 --json lists the nodes (fasterInFloat), and as nodesToExclude
                 of a recipe they give the same file again, without this.
  size           all weights become integers, whatever is lost by it.
  accuracy       only nodes with weights compute with integers.

Examples:
  An image classifier, trained with ImageNet's normalization:
    staticquant quantize resnet.onnx --data photos --out resnet.int8.onnx \\
      --resize crop --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225
  Text recognition, with lines of any width:
    staticquant quantize rec.onnx --data lines --out rec.int8.onnx \\
      --method percentile --size 48xauto --channels bgr --mean 0.5 --std 0.5
  Arrays, after numpy.savez("data.npz", input_ids=ids, attention_mask=mask):
    staticquant quantize bert.onnx --data data.npz --out bert.int8.onnx \\
      --samples 100
  At least 30 dB on samples not calibrated on; the first and the last layer stay
  float:
    staticquant quantize model.onnx --data train.npz --out model.int8.onnx \\
      --held-out test.npz --target-sqnr 30 --exclude '/stem/*,/head/MatMul'
  For a page, where onnxruntime-web runs it, in WebAssembly or on WebGPU:
    staticquant quantize model.onnx --data samples --target web --out web.onnx

Permissions:
  deno run --allow-read=model.onnx,samples,out --allow-write=out --allow-ffi \\
    jsr:@staticquant/staticquant/cli quantize model.onnx --data samples \\
    --out out/model.int8.onnx
  The folder of --out, and that of --state, is written and read: files get their
  names when complete.
${IMAGE_PERMISSIONS}

  The model is opened and run before it is written; nodes that onnxruntime does
  not run right stay float. To see which kernels it runs, onnxruntime writes a
  file that is removed again; it lies beside --out where no other folder may be
  written.

Exit codes: 3 if --target-sqnr cannot be met, or with every node in float only;
the best model found is written nevertheless.
`;

/** After the options of `convert`. */
export const CONVERT_HELP = `${DATA_HELP}
Forms (--dtype), as transformers.js calls them, and their files in onnx/:
  fp16     model_fp16.onnx       floats of 16 bits: half the size, for GPUs
  q8       model_quantized.onnx  bytes, ranges found while running: for CPUs, and
                                 what transformers.js loads by itself on WASM
  int8     model_int8.onnx       the same with signed weights,
  uint8    model_uint8.onnx      and with unsigned ones
  q4       model_q4.onnx         weights of 4 bits, each group with a scale
  q4f16    model_q4f16.onnx      the same beside floats of 16 bits: for WebGPU
  bnb4     model_bnb4.onnx       weights that are one of 16 floats
  static   model_static.onnx     bytes, ranges from --data: the fastest on CPUs;
                                 load it with { model_file_name: "model_static",
                                 dtype: "fp32" }
  A folder with several models, such as encoder_model.onnx and
  decoder_model_merged.onnx, gets the forms of each; --data is then a folder with
  one of samples for each, by its name. config.json, tokenizers and the like are
  copied.
  With --data, static and q4 are made of the samples that they are judged by, and
  do a little worse on others. Without --data models run on made-up inputs, rows
  of their vocabulary: sizes and times are right, SQNR says less, and all leaves
  static out.
  A run that was stopped goes on when the same is typed again.

Examples:
  staticquant convert my-model --dtype all
  staticquant convert my-model --dtype q8,q4f16 --out web-model --card forms.md
  staticquant convert model.onnx --dtype q8,static --data samples --out folder

Permissions:
  deno run --allow-read=my-model --allow-write=my-model --allow-ffi \\
    jsr:@staticquant/staticquant/cli convert my-model
  The folder of --out is written and read.

Exit codes: 1 if a form that was named could not be made; the others are there.
`;

/** After the options of `calibrate`. */
export const CALIBRATE_HELP = `${DATA_HELP}
A part holds what one process saw, however many samples, in a file of about a
megabyte; it names model, method, options, version and samples. It is written
whole or not at all, so a shard that failed is simply run again.

Examples:
  All of it on one machine, quantized later without the samples:
    staticquant calibrate model.onnx --data photos --out all.safetensors
    staticquant quantize model.onnx --calibration all.safetensors \\
      --out model.int8.onnx
  The first of four machines, which see every fourth sample:
    staticquant calibrate model.onnx --data photos --shard 0/4 \\
      --out parts/0.safetensors --log json
  A list from another program:
    find photos -name '*.jpg' | sort | staticquant calibrate model.onnx \\
      --data - --shard 0/4 --out parts/0.safetensors
  Then, on one:
    staticquant merge parts --out all.safetensors

Permissions:
  deno run --allow-read=model.onnx,samples,out --allow-write=out --allow-ffi \\
    jsr:@staticquant/staticquant/cli calibrate model.onnx --data samples \\
    --out out/part.safetensors
  --allow-net=HOST where --data names URLs.
${IMAGE_PERMISSIONS}
`;

/** After the options of `merge`. */
export const MERGE_HELP = `
Parts are read one after the other, in any order; the result has the same bytes
however they come, and however they were merged before. A part that comes twice
counts once. Parts of other models, methods, options or versions, overlapping or
missing shards, and damaged files are named, and nothing is written.

Examples:
  staticquant merge parts --out all.safetensors
  staticquant merge a/*.safetensors b/*.safetensors --out all.safetensors
  find parts -name '*.safetensors' | staticquant merge - --out all.safetensors

Permissions:
  deno run --allow-read=parts,. --allow-write=. \\
    jsr:@staticquant/staticquant/cli merge parts --out all.safetensors
`;

/** After the options of `compare`. */
export const TUNE_HELP = `${DATA_HELP}
Which --metric, on the samples held out, beside the float model's outputs:
  sqnr    signal to quantization noise of the outputs, in dB. The default.
  cosine  the mean cosine between outputs.
  top1    the share of rows whose greatest element is at the same place.
  ctc     the share of samples that read as the same text: the greatest class of
          each step, repetitions once, class 0 left out.
  map     mean average precision of a detector, over overlaps from 0.5 to 0.95:
          outputs (batch, count, 4) by corners and (batch, count, classes), or
          one output of YOLO's, (batch, 4 + classes, count).

What is tried (--remedies), in this order, and kept where it helps:
  gates     writes HardSwish so that runtimes fuse it, where a model is too slow
  faster    leaves in float what is faster in float, where time is limited
  split     multiplies outlier channels with floats, beside the others
  channels  leaves floats between layers, and gives channels ranges of their own
            there, where time is limited
  equalize  evens out the ranges of channels between layers
  absorb    moves what a channel always holds into the biases behind it
  smooth    moves outliers of activations into weights
  float     leaves in float what costs most
  copy      makes outlier channels twice, at half their size
  fit       chooses each range by what rounding costs the layers that read it
  bias      makes up for what rounding adds on average, layer after layer;
            once more after weights are rounded
  adaround  rounds weights so that each layer makes up for those before it
  round     rounds weights by what they are multiplied with (GPTQ)
  ranges    moves the ends of ranges where the output gains by it

Examples:
  The best that can be done for an hour:
    staticquant tune model.onnx --data train.npz --held-out test.npz \\
      --out model.int8.onnx --seconds 3600 --recipe recipe.json
  The same again, byte for byte:
    staticquant tune model.onnx --data train.npz --held-out test.npz \\
      --out again.onnx --use-recipe recipe.json
  Until 25 dB, at no more than half of the float model's time:
    staticquant tune model.onnx --data train --held-out test --reach 25 \\
      --max-latency 0.5 --out model.int8.onnx

Where --reach is missed, nothing is written unless --keep-best says so, and the
exit code is 3.

Permissions:
  deno run --allow-read=model.onnx,train,test,out --allow-write=out \\
    --allow-ffi jsr:@staticquant/staticquant/cli tune model.onnx \\
    --data train --held-out test --out out/model.int8.onnx
  --metric-program needs --allow-run=PROGRAM and --allow-env.
${IMAGE_PERMISSIONS}
`;

/** What follows the options of `compare`. */
export const COMPARE_HELP = `${DATA_HELP}
What it tells:
  SQNR      signal to quantization noise of each tensor that both models have,
            and of the outputs, in dB; 20 dB is a tenth of the signal's size,
            40 dB a hundredth
  top-1     how often the greatest value along an output's last axis stands at
            the same place
  latency   of one sample after the other, both models in turn; medians

Examples:
  staticquant compare model.onnx model.int8.onnx --data test.npz
  staticquant compare model.onnx model.int8.onnx --data photos --samples 50 \\
    --report report.html
  staticquant compare model.onnx model.int8.onnx --data test.npz --json |
    jq .outputs
  On many machines, each a share, then merged and told:
    staticquant compare model.onnx model.int8.onnx --data test.npz \\
      --shard 0/4 --out parts/0.safetensors
    staticquant merge parts --out all.safetensors
    staticquant compare model.onnx model.int8.onnx --comparison all.safetensors

Permissions:
  deno run --allow-read=model.onnx,model.int8.onnx,test.npz --allow-ffi \\
    jsr:@staticquant/staticquant/cli compare model.onnx model.int8.onnx \\
    --data test.npz
  --report needs to read and write the folder of its file.
${IMAGE_PERMISSIONS}
`;

/** After the options of `schema`. */
export const SCHEMA_HELP = `
Beside recipes that begin with "$schema": "./recipe.schema.json":
  staticquant schema > recipe.schema.json
`;

/** After the options of `completion`. */
export const COMPLETION_HELP = `
For this terminal and those to come:
  bash   staticquant completion bash > ~/.bash_completion.d/staticquant
         and in ~/.bashrc: source ~/.bash_completion.d/staticquant
  zsh    staticquant completion zsh > ~/.zfunc/_staticquant
         and in ~/.zshrc, before compinit: fpath+=~/.zfunc
  fish   staticquant completion fish > \\
           ~/.config/fish/completions/staticquant.fish
`;
