/**
 * A place to drop files on, which is a button to choose them as well.
 *
 * @module
 */
import { useState } from "preact/hooks";

/** A place to drop files on. */
export function DropZone({ label, accept, multiple = false, onFiles, testId }: {
  readonly label: string;
  readonly accept?: string;
  readonly multiple?: boolean;
  readonly onFiles: (files: File[]) => void;
  readonly testId: string;
}) {
  const [over, setOver] = useState(false);
  const onDrop = async (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    const files = await droppedFiles(event.dataTransfer);
    if (files.length > 0) onFiles(multiple ? files : files.slice(0, 1));
  };
  return (
    <label
      class={over ? "drop over" : "drop"}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={onDrop}
    >
      <input
        type="file"
        data-testid={testId}
        accept={accept}
        multiple={multiple}
        onChange={({ currentTarget }) => {
          const files = [...currentTarget.files ?? []];
          // So that the same files can be chosen again.
          currentTarget.value = "";
          if (files.length > 0) onFiles(files);
        }}
      />
      <span>{label}</span>
    </label>
  );
}

/** The files that were dropped, those right in a folder included; hidden ones are passed over. */
async function droppedFiles(data: DataTransfer | null): Promise<File[]> {
  // All asked for before the first is awaited: the data are gone after that.
  const entries = [...data?.items ?? []].map((item) => item.webkitGetAsEntry());
  const files = [...data?.files ?? []];
  const found = await Promise.all(entries.map(async (entry, i) => {
    if (!entry?.isDirectory) return [files[i]];
    const inside = await entriesOf(entry as FileSystemDirectoryEntry);
    return await Promise.all(inside.filter(({ isFile }) => isFile).map(fileOf));
  }));
  return found.flat().filter((file) => file && !file.name.startsWith("."));
}

async function entriesOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const all: FileSystemEntry[] = [];
  // A reader gives a hundred or so at a time, and none at the end.
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject)
    );
    if (some.length === 0) return all;
    all.push(...some);
  }
}

function fileOf(entry: FileSystemEntry): Promise<File> {
  return new Promise((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
}
