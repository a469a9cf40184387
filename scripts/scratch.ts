let folder: string | undefined;

/** A temporary folder private to this user (mode 0700), removed when the script ends. */
export function scratch(): string {
  if (folder === undefined) {
    const made = folder = Deno.makeTempDirSync({ prefix: "staticquant-" });
    globalThis.addEventListener("unload", () => Deno.removeSync(made, { recursive: true }));
  }
  return folder;
}
