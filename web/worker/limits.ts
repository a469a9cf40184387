/**
 * How much a tab takes on.
 *
 * @module
 */

/**
 * Bytes that a model may have. It is in memory about three times while it runs (here, as the message that
 * onnxruntime makes of it, as its tensors), once more while it is quantized, and WebAssembly has 4 GiB.
 */
export const MOST_MODEL_BYTES = 2 ** 30;
