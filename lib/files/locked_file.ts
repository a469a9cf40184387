/**
 * Files of which others can tell whether who writes them still lives: it holds a lock. Only Deno has locks. Elsewhere
 * nothing is taken for abandoned, and such files have other names, so that no program with locks takes them for it.
 *
 * @module
 */
import { OpenFile } from "./disk.ts";
import { deno } from "./host.ts";

/** Whether files can be locked. */
export const HAS_LOCKS: boolean = deno !== undefined;

/** A new file that is written. */
export interface LockedFile {
  /** Writes behind what was written last; returns the number of bytes. */
  write(bytes: Uint8Array): Promise<number>;
  /** Waits until all is on the disk. */
  sync(): Promise<void>;
  /** Closes and so unlocks it. */
  close(): void;
}

/** Makes a file that nobody has, and locks it where that can be. */
export async function createLocked(path: string): Promise<LockedFile> {
  if (!deno) return await OpenFile.open(path, "wx");
  const file = await deno.open(path, { write: true, createNew: true });
  // Where a file system has no locks, nothing is ever taken for abandoned.
  await file.lock(true).catch(() => {});
  return file;
}

/** Does something with a file whose owner no longer holds its lock; with others nothing. */
export async function ifAbandoned(path: string, remove: () => Promise<void>): Promise<void> {
  // For writing, which a lock asks for on some systems.
  const file = await deno?.open(path, { read: true, write: true });
  try {
    if (await file?.tryLock(true)) await remove();
  } finally {
    file?.close();
  }
}
