/** Saves two models in turn under one name, with data in a second file, until it is killed. */
import { loadOnnx, type OnnxModel, saveOnnx } from "../../mod.ts";

const [path, first, second] = Deno.args;
const models: OnnxModel[] = [await loadOnnx(first), await loadOnnx(second)];
for (let i = 0;; i++) {
  await saveOnnx(models[i % 2], path, { force: true, externalData: true });
  if (i === 0) console.log("saved");
}
