import { join } from "node:path";
import { cache } from "../paths.ts";

/** Where the page is written. */
export const SITE: string = join(cache, "web");
