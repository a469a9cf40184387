/**
 * Writing a model as transformers.js reads it: large constants in a file of the same name with `_data` behind it.
 *
 * @module
 */
import { lstatIfThere, removeFile } from "../../files/disk.ts";
import { lengthOf, piecesOf } from "../../files/file_bytes.ts";
import { paths } from "../../files/paths.ts";
import { StagedFile } from "../../files/staged_file.ts";
import { largeBytes, splitModel } from "../file/external_data.ts";
import { encodeModel } from "../file/message_parts.ts";
import { checkSize, MAX_MESSAGE_BYTES, type OnnxModel } from "../file/model.ts";

/** What a model is given beside its large constants before these are written into a second file. */
const OTHER_BYTES = 64 << 20;

/** The name of the file for a model's large constants. */
export function dataNameOf(name: string): string {
  return `${name}_data`;
}

/**
 * Writes a model, whole or not at all, in place of one that is there.
 *
 * @param externalData whether large constants go into a second file; only if one cannot hold them by default.
 * @returns the names of the files written, that of the model first.
 */
export async function writeForm(
  model: OnnxModel,
  path: string,
  externalData: boolean = largeBytes(model.proto) > MAX_MESSAGE_BYTES - OTHER_BYTES,
): Promise<string[]> {
  const { basename, dirname, join } = paths();
  const [folder, name] = [dirname(path), basename(path)];
  const dataName = dataNameOf(name);
  const split = externalData ? splitModel(model.messages, model.proto, dataName) : undefined;
  const withData = split !== undefined && split.parts.length > 0;
  const parts = withData ? encodeModel(model.messages, split.model) : model.parts();
  checkSize(lengthOf(parts));
  await using file = await StagedFile.write(path, piecesOf(parts));
  if (!withData) {
    await file.commit();
    return [name];
  }
  await using data = await StagedFile.write(join(folder, dataName), piecesOf(split.parts));
  // A model that is there would read the new data with the old one's places.
  if (await lstatIfThere(path)) await removeFile(path);
  await data.commit();
  await file.commit();
  return [name, dataName];
}
