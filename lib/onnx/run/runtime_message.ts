/**
 * What onnxruntime says is wrong, without the place in its own code: it puts a file, a line and a function's whole
 * signature in front of many of its sentences.
 */
export function runtimeMessage(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  const words = text.split(" ");
  const place = words.findIndex((word) => /\.(?:cc|cpp|h):\d+$/.test(word));
  if (place < 0) return text.trim();
  const before = words.slice(0, place);
  // The path may follow a colon at once, as in `failed:/src/model.cc:202`.
  const start = words[place].lastIndexOf(":/");
  if (start >= 0) before.push(words[place].slice(0, start + 1));
  const after = words.slice(place + 1).join(" ");
  const said = after.slice(signatureEnd(after)).trim();
  return said ? [...before, said].join(" ").trim() : text.trim();
}

/** Where a function's signature at the start of a text ends; 0 if there is none. */
function signatureEnd(text: string): number {
  let depth = 0;
  for (let i = text.indexOf("("); i >= 0 && i < text.length; i++) {
    if (text[i] === "(") depth++;
    else if (text[i] === ")" && --depth === 0) return i + 1;
  }
  return 0;
}
