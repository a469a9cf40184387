/** An output of floats. */
export interface FloatOutput {
  /** Its numbers. */
  readonly data: ArrayLike<number>;
  /** Its sizes. */
  readonly dims: readonly number[];
}
