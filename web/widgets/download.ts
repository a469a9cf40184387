/** Gives the reader a file, from this page alone. */
export function download(name: string, type: string, content: BlobPart): void {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // What the browser does not have by then it never asked for.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
