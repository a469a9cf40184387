/**
 * What the plots take: tensors, or numbers that are on the host already.
 *
 * @module
 */
import { Tensor } from "../tensor/tensor.ts";

/** Numbers to be plotted: a tensor of any shape, a typed array or a list. */
export type PlotValues = Tensor | ArrayLike<number>;

/** Rows of numbers to be plotted: a tensor of two dimensions, or a list of rows. */
export type PlotRows = Tensor | readonly ArrayLike<number>[];

/** A matrix on the host. */
export interface Matrix {
  readonly data: ArrayLike<number>;
  readonly rows: number;
  readonly columns: number;
  readonly isFloat: boolean;
}

/** The numbers themselves. */
export async function readValues(values: PlotValues): Promise<ArrayLike<number>> {
  return values instanceof Tensor ? await values.data() : values;
}

/** The only number. @throws {RangeError} if there are more. */
export async function readNumber(where: string, value: number | Tensor): Promise<number> {
  if (typeof value === "number") return value;
  if (value.numel !== 1) {
    throw new RangeError(
      `${where}: expected one number, got a tensor of shape [${value.shape.join(", ")}]; ` +
        `plot one channel at a time`,
    );
  }
  return await value.item();
}

/** The rows as one matrix. @throws {RangeError} if there are none, or they are ragged. */
export async function readMatrix(where: string, values: PlotRows): Promise<Matrix> {
  if (values instanceof Tensor) {
    if (values.ndim !== 2 || values.numel === 0) {
      throw new RangeError(
        `${where}: expected a matrix, got a tensor of shape [${values.shape.join(", ")}]; ` +
          `reshape() it to two dimensions`,
      );
    }
    const [rows, columns] = values.shape;
    return { data: await values.data(), rows, columns, isFloat: values.dtype.isFloat };
  }
  const [rows, columns] = [values.length, values[0]?.length ?? 0];
  const ragged = values.findIndex((row) => row.length !== columns);
  if (rows * columns === 0 || ragged >= 0) {
    throw new RangeError(
      ragged >= 0
        ? `${where}: the rows are ragged: row 0 has ${columns} numbers, row ${ragged} has ${
          values[ragged].length
        }`
        : `${where}: there are no numbers to show`,
    );
  }
  const data = values.flatMap((row) => Array.from(row));
  return { data, rows, columns, isFloat: !data.every(Number.isInteger) };
}
