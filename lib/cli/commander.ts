/**
 * The parser of arguments. Its specifier is whole, so that the program also runs where no configuration
 * names its packages, as an installed one does; the version is that of deno.json.
 *
 * @module
 */
export {
  Argument,
  Command,
  CommanderError,
  InvalidArgumentError,
  Option,
} from "npm:commander@15.1.0";
