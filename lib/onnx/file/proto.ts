/**
 * The messages that ONNX files consist of, by the names of the format. They are those of the package
 * `onnx-buf`, where their fields are documented.
 *
 * @module
 */

/**
 * A whole file: a graph and the operator sets that it uses.
 *
 * @ignore
 */
export type ModelProto = import("onnx-buf").ModelProto;
/**
 * Nodes, constants, inputs and outputs.
 *
 * @ignore
 */
export type GraphProto = import("onnx-buf").GraphProto;
/**
 * An operation: reads values by their names and makes others.
 *
 * @ignore
 */
export type NodeProto = import("onnx-buf").NodeProto;
/**
 * A setting of a node.
 *
 * @ignore
 */
export type AttributeProto = import("onnx-buf").AttributeProto;
/**
 * A constant.
 *
 * @ignore
 */
export type TensorProto = import("onnx-buf").TensorProto;
/**
 * A value's name, type and shape.
 *
 * @ignore
 */
export type ValueInfoProto = import("onnx-buf").ValueInfoProto;
/**
 * The type and shape of a value.
 *
 * @ignore
 */
export type TypeProto = import("onnx-buf").TypeProto;
/**
 * The sizes of a value.
 *
 * @ignore
 */
export type TensorShapeProto = import("onnx-buf").TensorShapeProto;
/**
 * An operator set, and its version.
 *
 * @ignore
 */
export type OperatorSetIdProto = import("onnx-buf").OperatorSetIdProto;
/**
 * An operator that a model defines by others.
 *
 * @ignore
 */
export type FunctionProto = import("onnx-buf").FunctionProto;
