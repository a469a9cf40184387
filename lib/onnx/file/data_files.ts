/**
 * The data files of a model that is replaced: which they are, and whether anything else needs them.
 *
 * @module
 */
import { type FileInfo, lstat, readFolder, removeFile, stat } from "../../files/disk.ts";
import { InputFile } from "../../files/input_file.ts";
import { paths } from "../../files/paths.ts";

/** A file as it was when it was looked at. */
export interface SeenFile {
  readonly path: string;
  readonly info: FileInfo;
}

/** Bytes that are searched at a time. */
const PIECE = 1 << 20;

/** How every writer begins an ONNX file: with the field of its version. */
const FIRST_BYTE = 0x08;

/**
 * The data files that are named as `saveOnnx` names those that it writes for a model.
 *
 * @param path the model's file.
 * @param locations the data files, as the model refers to them.
 */
export async function ownDataFiles(path: string, locations: Iterable<string>): Promise<SeenFile[]> {
  const { basename, dirname, join } = paths();
  const name = basename(path);
  const files: SeenFile[] = [];
  for (const location of locations) {
    const ending = location.slice(name.length);
    if (!location.startsWith(name) || !/^(\.\d+)?\.data$/.test(ending)) continue;
    const file = join(dirname(path), location);
    files.push({ path: file, info: await lstat(file) });
  }
  return files;
}

/**
 * Removes files that no model in their folder refers to any more. One that has changed since it was looked at is
 * another's, and stays; so does one of which it cannot be told.
 */
export async function removeUnused(files: readonly SeenFile[]): Promise<void> {
  for (const { path, info } of files) {
    try {
      if (sameFile(info, await lstat(path)) && !await isReferredTo(path)) {
        await removeFile(path);
      }
    } catch {
      // It stays; that is not worth an error.
    }
  }
}

function sameFile(a: FileInfo, b: FileInfo): boolean {
  return a.ino === b.ino && a.dev === b.dev && a.size === b.size &&
    a.modified === b.modified;
}

/** Whether a file in the same folder that may be a model holds a data file's name. */
async function isReferredTo(dataPath: string): Promise<boolean> {
  const { basename, dirname, join } = paths();
  const folder = dirname(dataPath);
  for (const { name, isDirectory } of await readFolder(folder)) {
    if (isDirectory || name === basename(dataPath)) continue;
    if (await mentions(join(folder, name), basename(dataPath))) return true;
  }
  return false;
}

async function mentions(path: string, name: string): Promise<boolean> {
  // A link may lead nowhere, and a pipe is no model.
  const isFile = await stat(path).then(({ isFile }) => isFile, () => false);
  if (!isFile) return false;
  using file = await InputFile.open(path);
  const [first] = await file.read(0, 1);
  if (first !== FIRST_BYTE && paths().extname(path).toLowerCase() !== ".onnx") return false;
  // One character a byte, so that any file is text.
  const bytes = new TextDecoder("latin1");
  const wanted = bytes.decode(new TextEncoder().encode(name));
  let rest = "";
  for await (const piece of file.pieces(PIECE)) {
    const text = rest + bytes.decode(piece);
    if (text.includes(wanted)) return true;
    rest = text.slice(1 - wanted.length);
  }
  return false;
}
