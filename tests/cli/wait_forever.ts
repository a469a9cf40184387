/** Waits for what never comes, with the command line's ear for signals. */
import { stopSignal } from "../../lib/cli/stop_signal.ts";

stopSignal();
console.log("waiting");
await new Promise((resolve) => setTimeout(resolve, 2 ** 30));
