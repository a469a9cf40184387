/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The page.
 *
 * @module
 */
import { render } from "preact";
import { Shell } from "./shell.tsx";

render(<Shell />, document.getElementById("app")!);
