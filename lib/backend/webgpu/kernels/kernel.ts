/**
 * What a kernel is to those that run it.
 *
 * @module
 */

/** A compute shader: `key` names its text, which is built only when it has not been compiled. */
export interface Kernel {
  readonly key: string;
  readonly wgsl: () => string;
}
