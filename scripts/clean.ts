/** The part of a notebook file that cleaning looks at. */
export interface Notebook {
  metadata: Record<string, unknown>;
  cells: Cell[];
  [key: string]: unknown;
}

interface Cell {
  metadata: Record<string, unknown>;
  outputs?: Output[];
  [key: string]: unknown;
}

interface Output {
  output_type: string;
  name?: string;
  text?: string | string[];
  [key: string]: unknown;
}

/** Leaves out what differs from one execution to the next though nothing of note has changed. */
export function clean(notebook: Notebook): Notebook {
  return {
    ...notebook,
    metadata: {
      kernelspec: { display_name: "Deno", language: "typescript", name: "deno" },
      language_info: { file_extension: ".ts", mimetype: "text/x.typescript", name: "typescript" },
    },
    cells: notebook.cells.map(cleanCell),
  };
}

function cleanCell(cell: Cell): Cell {
  const { execution: _times, ...metadata } = cell.metadata;
  return { ...cell, metadata, ...(cell.outputs && { outputs: joinStreams(cell.outputs) }) };
}

/** Joins pieces of one stream: where a stream is split depends on timing. */
function joinStreams(outputs: Output[]): Output[] {
  const joined: Output[] = [];
  for (const output of outputs) {
    const last = joined.at(-1);
    const same = output.output_type === "stream" && last?.output_type === "stream" &&
      last.name === output.name;
    if (same) last.text = lines(textOf(last) + textOf(output));
    else joined.push({ ...output });
  }
  return joined;
}

function textOf({ text = "" }: Output): string {
  return typeof text === "string" ? text : text.join("");
}

/** Text as notebook files hold it: a list of lines that keep their ends. */
function lines(text: string): string[] {
  return text.split(/(?<=\n)/);
}

/** A notebook as text, laid out the way Jupyter does. */
export function stringify(notebook: Notebook): string {
  return JSON.stringify(notebook, null, 1) + "\n";
}
