/** Work that is not to be cut in two and never ends, in a process that writes a line first. */
import { CleanStop } from "../../lib/cli/clean_stop.ts";

await new CleanStop().finish(() => {
  console.log("waiting");
  return new Promise((resolve) => setTimeout(resolve, 2 ** 30));
});
