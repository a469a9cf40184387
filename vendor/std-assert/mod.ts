/**
 * Assertions for tests: a local stand-in for the part of `@std/assert` used in this repository.
 *
 * @module
 */
export { AssertionError } from "./assertion_error.ts";
export * from "./compare.ts";
export * from "./errors.ts";
export * from "./values.ts";
