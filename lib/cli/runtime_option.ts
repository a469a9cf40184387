/**
 * The option that says which onnxruntime runs models.
 *
 * @module
 */
import { type Command, Option } from "./commander.ts";

/** Adds the option to a command. */
export function addRuntimeOption(command: Command): Command {
  return command.addOption(
    new Option(
      "--runtime <build>",
      "what runs models: native code, or WebAssembly, which is slower, asks for no --allow-ffi, and " +
        "writes the same bytes as a page in a browser",
    ).choices(["native", "wasm"]).default("native"),
  );
}
