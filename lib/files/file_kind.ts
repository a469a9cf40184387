const ZIP = {
  at: 0,
  text: "PK\x03\x04",
  kind: "a zip archive, such as a PyTorch checkpoint or .npz",
};

/** What a file can begin with, and what it then is. */
const beginnings: readonly { at: number; text: string; kind: string }[] = [
  ZIP,
  {
    at: 0,
    text: "version https://git-lfs",
    kind: "a pointer of Git LFS in place of the file itself",
  },
  { at: 0, text: "\x89HDF", kind: "an HDF5 file, such as a Keras model" },
  { at: 4, text: "TFL3", kind: "a TensorFlow Lite model" },
  { at: 4, text: "ORTM", kind: "a model in onnxruntime's own format" },
  { at: 0, text: "GGUF", kind: "a GGUF model" },
  { at: 8, text: '{"', kind: "a safetensors file" },
  { at: 0, text: "\x93NUMPY", kind: "a NumPy array" },
  { at: 0, text: "\x1f\x8b", kind: "a gzip archive; unpack it first" },
  { at: 0, text: "\x80\x02", kind: "a Python pickle, such as an old PyTorch checkpoint" },
  ...["\x03", "\x04", "\x05"].map((version) => {
    return { at: 0, text: `\x80${version}`, kind: "a Python pickle" };
  }),
  { at: 0, text: "\x89PNG", kind: "a PNG image" },
  { at: 0, text: "\xff\xd8\xff", kind: "a JPEG image" },
  { at: 0, text: "{", kind: "JSON" },
  { at: 0, text: "[", kind: "JSON" },
  { at: 0, text: "<", kind: "HTML or XML" },
];

/** What a file that is not what it should be looks like, if that can be told from its first bytes. */
export function fileKind(bytes: Uint8Array): string | undefined {
  if (bytes.length === 0) return "an empty file";
  const start = String.fromCharCode(...bytes.subarray(0, 256));
  const found = beginnings.find(({ at, text }) => start.startsWith(text, at));
  // The first entry of a checkpoint is its pickle.
  if (found === ZIP && start.includes("data.pkl")) {
    return "a PyTorch checkpoint (.pt, .pth or .bin)";
  }
  if (found) return found.kind;
  if (/^[\x20-\x7e\s]+$/.test(start.slice(0, 64))) return "text";
}
