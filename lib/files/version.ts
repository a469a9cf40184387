/**
 * The version of this library, as its configuration has it.
 *
 * @module
 */
import config from "../../deno.json" with { type: "json" };

/** Such as `1.0.0`. */
export const VERSION: string = config.version;
