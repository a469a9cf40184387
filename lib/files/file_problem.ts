/**
 * What the system says of a file, in words.
 *
 * @module
 */

/** Thrown for what has a file's name and cannot be read as one; the message says what is wrong with it. */
export class FileProblem extends Error {
  /** The class's name, as it stands in printed errors. */
  override readonly name: string = "FileProblem";
}

/** What the system's codes mean, and what to do. */
const MEANINGS: ReadonlyMap<string, string> = new Map([
  ["ENOENT", "there is no such file"],
  ["ENOTDIR", "what it has for a folder is a file; check the path"],
  ["EISDIR", "it is a folder and not a file"],
  ["ELOOP", "its links lead in a circle; name the file itself"],
  ["ENAMETOOLONG", "the name is longer than a file's can be"],
  ["EACCES", "this user may not read it; see the rights of the file and of its folders"],
  ["EPERM", "this user may not read it; see the rights of the file and of its folders"],
  ["EINVAL", "this is no name for a file"],
  ["EIO", "the disk fails to read it; fetch it again"],
  ["EMFILE", "too many files are open; close some"],
  ["ENFILE", "too many files are open; close some"],
  ["ENXIO", "it is a device that is not there"],
  ["ENODEV", "it is a device that is not there"],
  ["ESTALE", "the folder was taken away by its server; try again"],
  ["ETIMEDOUT", "its server does not answer; try again"],
  ["EBUSY", "another program holds it; try again"],
]);

/**
 * What is wrong with a file, for a message that opens with its name; undefined for errors that are not of the
 * file system, and for what the program has no permission for.
 */
export function problemOf(error: unknown): string | undefined {
  if (error instanceof FileProblem) return error.message;
  if (!(error instanceof Error)) return undefined;
  const { code } = error as { code?: unknown };
  // Systems have more codes than are worth a sentence; their own words will do.
  return typeof code !== "string" || !/^E[A-Z0-9]+$/.test(code)
    ? undefined
    : MEANINGS.get(code) ?? `the system cannot read it (${error.message})`;
}
