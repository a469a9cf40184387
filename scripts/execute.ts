import { dirname } from "node:path";
import type { Notebook } from "./clean.ts";
import { type Command, jupyterEnv } from "./jupyter.ts";
import { run } from "./run.ts";

/**
 * A cell that goes first into the copy that is executed. The kernel may report a cell as done
 * before the last of its output is on the way, and nbconvert then loses that output; so here the
 * kernel waits a little before it reports.
 */
const PRELUDE = `{
  const kernel = Deno[Deno.internal]?.jupyter;
  const send = kernel?.broadcastResult;
  if (send) {
    kernel.broadcastResult = async (...args) => {
      await send(...args);
      await new Promise((resolve) => setTimeout(resolve, 50));
    };
  }
}
void 0;`;

/** The notebook with the prelude before its first cell. */
export function withPrelude(notebook: Notebook): Notebook {
  const prelude = {
    id: "prelude",
    cell_type: "code",
    execution_count: null,
    metadata: {},
    outputs: [],
    source: PRELUDE,
  };
  return { ...notebook, cells: [prelude, ...notebook.cells] };
}

/** The notebook without the prelude, its cells counted as if that had never been. */
export function withoutPrelude(notebook: Notebook): Notebook {
  const [, ...cells] = notebook.cells;
  return {
    ...notebook,
    cells: cells.map((cell) => ({
      ...uncount(cell),
      ...(cell.outputs && { outputs: cell.outputs.map(uncount) }),
    })),
  };
}

function uncount<T extends Record<string, unknown>>(counted: T): T {
  const count = counted.execution_count;
  return typeof count === "number" ? { ...counted, execution_count: count - 1 } : counted;
}

/**
 * Executes a notebook in its own folder with the Deno kernel, leaving its file as it is.
 *
 * @returns the executed notebook, or nothing where a cell failed
 */
export async function execute(
  [program, ...first]: Command,
  path: string,
): Promise<Notebook | undefined> {
  const notebook: Notebook = JSON.parse(Deno.readTextFileSync(path));
  const args = [
    ...first,
    "--to=notebook",
    "--execute",
    "--ExecutePreprocessor.kernel_name=deno",
    "--ExecutePreprocessor.timeout=1800",
    "--log-level=WARN",
    "--stdin",
    "--stdout",
  ];
  const { ok, stdout } = await run(program, args, {
    cwd: dirname(path),
    // Without colours, which depend on where the notebook is executed.
    env: { ...jupyterEnv(), NO_COLOR: "1" },
    input: JSON.stringify(withPrelude(notebook)),
    output: "keep",
  });
  return ok ? withoutPrelude(JSON.parse(stdout)) : undefined;
}
