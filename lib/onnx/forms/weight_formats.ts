/**
 * How files say that weights have few bits: operators and layouts, a format each.
 *
 * @module
 */
import type { OnnxDataType } from "../file/data_type.ts";
import type { NodeProto } from "../file/proto.ts";
import { type BlockMatrix, groupsOf, transposed } from "./blocks.ts";
import { bnb4Bytes, type Bnb4Type } from "./bnb4.ts";
import type { GraphEditors, PlacedNode } from "./graph_editors.ts";
import { nBitsBytes } from "./pack_blocks.ts";
import { spreadThrees } from "./three_bits.ts";

/** A weight as it is to be stored. */
export interface FloatWeight {
  /** What it was called. */
  readonly name: string;
  /** Outputs of the layer. */
  readonly rows: number;
  /** Inputs of the layer. */
  readonly columns: number;
  /** Its elements, those of each output together. */
  readonly data: Float32Array;
}

/** What formats are told. */
export interface FormatOptions {
  readonly groupSize: number;
  readonly accuracyLevel: number;
  readonly bnb4Type: Bnb4Type;
}

/** A weight that was stored, and how a node multiplies with it. */
export interface StoredWeight {
  /**
   * Makes the product.
   *
   * @param input what is multiplied with it.
   * @param output what the product is called.
   */
  product(placed: PlacedNode, input: string, output: string): NodeProto;
}

/** Stores a weight; `round` brings it into integers. */
export type WeightFormat = (
  weight: FloatWeight,
  round: (weight: FloatWeight) => BlockMatrix,
) => StoredWeight;

/** A matrix of 3 bits as one of 4, with zero points, for the middle of 3 bits is not that of 4. */
function inFourBits(matrix: BlockMatrix): BlockMatrix {
  const { scales, zeroPoints = new Uint8Array(scales.length).fill(4) } = matrix;
  return { ...matrix, bits: 4, zeroPoints };
}

/** onnxruntime's MatMulNBits. */
function nBits(graphs: GraphEditors, { accuracyLevel }: FormatOptions): WeightFormat {
  const { main, model } = graphs;
  return (weight, round) => {
    const { name, rows, columns } = weight;
    const rounded = round(weight);
    const matrix = rounded.bits === 3 ? inFourBits(rounded) : rounded;
    const { data, dims, scales, zeroPoints } = nBitsBytes(matrix);
    const constants = [
      rounded.bits === 3
        ? spreadThrees(main, `${name}_Q3`, dims, data)
        : main.constant(`${name}_Q${matrix.bits}`, "uint8", dims, data, true),
      main.constant(`${name}_scales`, "float32", dims.slice(0, 2), scales),
    ];
    if (zeroPoints) {
      const sizes = [rows, zeroPoints.length / rows];
      constants.push(main.constant(`${name}_zero_points`, "uint8", sizes, zeroPoints, true));
    }
    return {
      product({ node }, input, output) {
        model.setOpset(1, "com.microsoft");
        return model.messages.node({
          name: node.name,
          opType: "MatMulNBits",
          domain: "com.microsoft",
          input: [input, ...constants],
          output: [output],
          attributes: {
            K: { i: columns },
            N: { i: rows },
            bits: { i: matrix.bits },
            block_size: { i: matrix.groupSize },
            ...accuracyLevel ? { accuracy_level: { i: accuracyLevel } } : {},
          },
        });
      },
    };
  };
}

/** The type of integers that DequantizeLinear reads. */
function integerType({ bits, zeroPoints }: BlockMatrix): OnnxDataType {
  return `${zeroPoints ? "u" : ""}int${bits as 4 | 8}`;
}

/** ONNX's DequantizeLinear over blocks, for which onnxruntime puts MatMulNBits in the place. */
function qdq(graphs: GraphEditors): WeightFormat {
  const { main } = graphs;
  return (weight, round) => {
    const { name, rows, columns } = weight;
    const matrix = round(weight);
    const { bits, groupSize, scales, zeroPoints } = matrix;
    const type = integerType(matrix);
    const groups = groupsOf(matrix);
    const turned = turnedBytes(matrix.integers, rows, columns);
    const middle = zeroPoints ? 0 : 2 ** (bits - 1);
    const integers = zeroPoints ? turned : Int8Array.from(turned, (q) => q - middle);
    const sizes = [groups, rows];
    const input = [
      main.constant(`${name}_Q${bits}`, type, [columns, rows], integers, true),
      main.constant(`${name}_scales`, "float32", sizes, transposed(scales, rows, groups)),
      ...zeroPoints
        ? [main.constant(`${name}_zero_points`, type, sizes, turnedBytes(zeroPoints, rows, groups))]
        : [],
    ];
    const read = main.name(`${name}_dequantized`);
    const attributes = { axis: 0, block_size: groupSize };
    main.prepend(
      main.node(`${name}/DequantizeLinear`, "DequantizeLinear", input, [read], attributes),
    );
    return {
      product({ node }, input, output) {
        return graphs.model.messages.node({
          name: node.name,
          opType: "MatMul",
          input: [input, read],
          output: [output],
        });
      },
    };
  };
}

/** Bytes of a matrix with rows and columns exchanged. */
function turnedBytes(bytes: Uint8Array, rows: number, columns: number): Uint8Array<ArrayBuffer> {
  const turned = new Uint8Array(bytes.length);
  for (let r = 0, i = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) turned[c * rows + r] = bytes[i++];
  }
  return turned;
}

/** onnxruntime's MatMulBnb4: floats of 4 bits. */
function bnb4(graphs: GraphEditors, { groupSize, bnb4Type }: FormatOptions): WeightFormat {
  const { main, model } = graphs;
  return ({ name, rows, columns, data }) => {
    const { packed, scales } = bnb4Bytes(data, groupSize, bnb4Type);
    const constants = [
      main.constant(`${name}_Bnb4`, "uint8", [packed.length], packed, true),
      main.constant(`${name}_absmax`, "float32", [scales.length], scales),
    ];
    return {
      product({ node }, input, output) {
        model.setOpset(1, "com.microsoft");
        return model.messages.node({
          name: node.name,
          opType: "MatMulBnb4",
          domain: "com.microsoft",
          input: [input, ...constants],
          output: [output],
          attributes: {
            K: { i: columns },
            N: { i: rows },
            block_size: { i: groupSize },
            quant_type: { i: bnb4Type === "fp4" ? 0 : 1 },
          },
        });
      },
    };
  };
}

/** How a file says that weights have few bits. */
export type WeightsFormat = "nbits" | "qdq" | "bnb4";

/** The formats by the names of the option. */
export const WEIGHT_FORMATS: Readonly<Record<WeightsFormat, typeof nBits>> = {
  nbits: nBits,
  qdq,
  bnb4,
};
