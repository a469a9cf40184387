/**
 * Finding the float models that are converted, and what belongs to them.
 *
 * @module
 */
import { readFolder, stat, statIfThere } from "../../files/disk.ts";
import { paths } from "../../files/paths.ts";
import { quote } from "../../numbers/printable.ts";
import { OnnxError } from "../file/onnx_error.ts";
import { isForm } from "./dtypes.ts";

/** The folder that transformers.js looks for models in, inside of that of a model. */
export const MODELS = "onnx";

/** What lies beside a model and is needed with it: configurations, tokenizers, templates. */
const BESIDE = /\.(json|txt|model|jinja)$/i;

/** A float model's file. */
export interface SourceModel {
  /** Its name without `.onnx`, such as `model` or `encoder_model`. */
  readonly name: string;
  readonly path: string;
}

/** Where models come from. */
export interface ModelFolder {
  /** The folder with the configuration. */
  readonly root: string;
  /** The float models, in the order of their names. */
  readonly models: readonly SourceModel[];
  /** The names of files in the root that go with the models. */
  readonly beside: readonly string[];
}

/** The names of files in a folder, through links; none if there is no such folder. */
async function filesIn(folder: string): Promise<string[]> {
  if (!(await statIfThere(folder))?.isDirectory) return [];
  const names: string[] = [];
  for (const { name } of await readFolder(folder)) {
    const isFile = await stat(paths().join(folder, name)).then((info) => info.isFile, () => false);
    if (isFile && !name.startsWith(".")) names.push(name);
  }
  return names.sort();
}

/**
 * The models of a file or of a folder, which has them in itself or in `onnx`.
 *
 * @throws {OnnxError} if there is no float model.
 * @throws {Error} with the code `ENOENT` if there is no such file or folder.
 */
export async function modelFolder(where: string, source: string): Promise<ModelFolder> {
  const { basename, dirname, join } = paths();
  if (!(await stat(source)).isDirectory) {
    const folder = dirname(source);
    const root = basename(folder) === MODELS ? dirname(folder) : folder;
    const model = { name: basename(source).replace(/\.onnx$/i, ""), path: source };
    return { root, models: [model], beside: await besides(root) };
  }
  const inside = join(source, MODELS);
  for (const folder of [inside, source]) {
    const files = (await filesIn(folder)).filter((name) => /\.onnx$/i.test(name));
    const names = files.map((name) => name.slice(0, -".onnx".length));
    const models = names.filter((name) => !isForm(name))
      .map((name) => ({ name, path: join(folder, `${name}.onnx`) }));
    if (models.length > 0) return { root: source, models, beside: await besides(source) };
    if (files.length > 0) {
      throw new OnnxError(
        `${where}: ${source} has forms of a model only, such as ${
          quote(files[0])
        }; they are made of the ` +
          `float one, which is missing: put it there as ${join(MODELS, "model.onnx")}`,
      );
    }
  }
  throw new OnnxError(
    `${where}: there is no ONNX model in ${source}, nor in ${inside}; give a folder that has ` +
      `${join(MODELS, "model.onnx")}, or the file of a model`,
  );
}

async function besides(root: string): Promise<string[]> {
  return (await filesIn(root)).filter((name) => BESIDE.test(name));
}
