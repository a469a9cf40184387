/** The domain of nodes that compute on bytes what an operator of ONNX computes on floats. No file has it. */
export const BYTES_DOMAIN = "staticquant.bytes";
