/**
 * The option that says which onnxruntime runs models.
 *
 * @module
 */
import type { OptionSpec } from "./command_spec.ts";
import { choice } from "./option_kinds.ts";

/** For every command that runs models. */
export const RUNTIME_OPTION: OptionSpec = {
  at: "runtime",
  flags: "--runtime <build>",
  text:
    "what runs models: native code, or WebAssembly, which is slower, asks for no --allow-ffi, and " +
    "writes the same bytes as a page in a browser",
  kind: choice(["native", "wasm"]),
  default: "native",
};
