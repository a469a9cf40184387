/**
 * The notebook that this program runs in.
 *
 * @module
 */
import { deno } from "./host.ts";

/** What Deno's Jupyter kernel offers beside a cell's value. */
export interface Notebook {
  /** Sends a message to all that watch the kernel. */
  broadcast(messageType: string, content: Record<string, unknown>): Promise<void>;
}

/** The notebook, or nothing where there is none. */
export function notebook(): Notebook | undefined {
  try {
    return (deno as { jupyter?: Notebook } | undefined)?.jupyter;
  } catch {
    return undefined; // outside of a kernel even asking is refused
  }
}
