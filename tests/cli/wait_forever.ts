/** Work that is not to be cut in two and never ends, in a process that says when it begins and is told to stop. */
import { CleanStop } from "../../lib/cli/clean_stop.ts";

const stop = new CleanStop();
await stop.finish(() => {
  stop.signal.addEventListener("abort", () => console.log("told"));
  console.log("waiting");
  return new Promise((resolve) => setTimeout(resolve, 2 ** 30));
});
